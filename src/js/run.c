#include "js/run.h"

#include "base/clock.h"
#include "base/mem.h"
#include "js/entry.h"
#include "js/memory.h"
#include "js/value.h"

#include <stdio.h>

enum { DONE_MAX = 256 << 20 };

static struct run **bucket_of(struct host *h, uint32_t id)
{
	return &h->runs[id % RUN_BUCKETS];
}

struct run *run_find(struct host *h, uint32_t id)
{
	struct run *run = *bucket_of(h, id);

	while (run && run->id != id)
		run = run->next;
	return run;
}

static struct run *run_new(struct host *h, const struct run_spec *spec)
{
	struct run *run = NEW(struct run);
	struct run **bucket = bucket_of(h, spec->id);

	*run = (struct run){
		.next = *bucket,
		.id = spec->id,
		.realm = spec->realm,
		.code = spec->code,
		.limit_ms = spec->limit_ms,
	};
	buf_init(&run->done_head, DONE_MAX);
	buf_init(&run->done_body, DONE_MAX);
	if (run->limit_ms > 0) {
		run->due_us = clock_mono_us() + run->limit_ms * 1000;
		timers_add(&h->timers, (struct js_timer){ .due_us = run->due_us, .run = run->id });
	}
	*bucket = run;
	h->run_count++;
	run->realm->runs++;
	return run;
}

static void run_free(struct run *run)
{
	struct realm *realm = run->realm;
	struct host *h = realm->host;
	struct run **at = bucket_of(h, run->id);

	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
	h->run_count--;
	if (run->timers > 0 || run->due_us)
		timers_remove_run(&h->timers, run->id);
	if (run->object)
		jsc.ValueUnprotect(realm->ctx, run->object);
	buf_done(&run->done_head);
	buf_done(&run->done_body);
	mem_free(run);
	realm->runs--;
	realm_release(realm);
}

/* DONE, with what only the C side knows added at the end of the head. */
static void send_done(struct run *run, struct sv head, struct sv body)
{
	struct host *h = run->realm->host;
	struct conn *conn = &h->conn;
	struct conn_frame f = conn_begin(conn, MESSAGE_DONE, run->id, 0);

	assert(sv_ends(head, SV_LIT("}")));
	entry_measure(run);
	buf_add(&conn->out, head.ptr, head.len - 1);
	buf_printf(&conn->out, ",\"cpu_us\":%lld,\"heap_bytes\":%lld}", (long long)run->cpu_us,
		(long long)h->entry.resident);
	conn_end_head(conn, &f);
	buf_sv_add(&conn->out, body);
	/* Only when the server has not read for hundreds of megabytes: it is not coming back. */
	if (!conn_end(conn, &f))
		conn->closed = true;
}

/* What to tell whoever wrote the function, and what to do about it. */
static void describe_stop(const struct run *run, enum stop why, struct buf *out)
{
	const struct host *h = run->realm->host;

	switch (why) {
	case STOP_NONE:
	case STOP_ABORTED: buf_str(out, "the run was aborted"); break;
	case STOP_DEADLINE:
		buf_printf(out,
			"the function ran longer than its limit of %lld s: save checkpoints, so "
			"that "
			"the next run goes on where this one ended",
			(long long)(run->limit_ms + 999) / 1000);
		break;
	case STOP_ENDLESS:
		buf_printf(out,
			"endless loop: the function computed for %lld s without waiting for "
			"anything; "
			"look for a loop whose condition never becomes false, or await between "
			"pieces of work",
			(long long)h->limits.entry_us / 1000000);
		break;
	case STOP_MEMORY:
		buf_printf(out,
			"out of memory: with this function the runner holds %lld MiB, and %lld MiB "
			"are "
			"allowed; save each page with batchSave and do not collect all records "
			"first",
			(long long)h->entry.resident >> 20,
			(long long)h->limits.memory_bytes >> 20);
		break;
	}
}

static const char *stop_type(enum stop why)
{
	switch (why) {
	case STOP_NONE:
	case STOP_ABORTED: return "script_aborted";
	case STOP_DEADLINE:
	case STOP_ENDLESS: return "execution_timeout";
	case STOP_MEMORY: return "function_runtime_out_of_memory";
	}
	return "script_internal_error";
}

static void build_failure(struct buf *head, const char *type, int status, struct sv message)
{
	buf_printf(head,
		"{\"ok\":false,\"error\":{\"type\":\"%s\",\"status\":%d,\"message\":", type,
		status);
	buf_json_str(head, message);
	buf_str(head, ",\"payload\":{\"message\":");
	buf_json_str(head, message);
	buf_str(head, "}}}");
}

void run_stop(struct run *run, enum stop why)
{
	struct buf head, message;
	JSValueRef object = run->object;

	/* From here on its code, should any be left, is refused everything. */
	if (object)
		entry_call(run, ENTRY_kill, 1, &object);
	buf_init(&head, 4096);
	buf_init(&message, 1024);
	describe_stop(run, why, &message);
	build_failure(&head, stop_type(why), why == STOP_ABORTED ? 410 : 500, buf_sv(&message));
	send_done(run, buf_sv(&head), SV_LIT(""));
	/* What it leaves behind is collected now, not in the entry of a neighbour. */
	if (why == STOP_MEMORY)
		run->realm->host->collected_us = 0;
	buf_done(&head);
	buf_done(&message);
	run_free(run);
}

/* After each entry: the run is over, or stuck, or goes on. */
static void run_after(struct run *run, enum stop stop)
{
	JSValueRef object = run->object;

	if (stop) {
		run_stop(run, stop);
		return;
	}
	if (!run->over && run->calls == 0 && run->timers == 0)
		entry_call(run, ENTRY_settle, 1, &object);
	if (!run->over)
		return;
	send_done(run, buf_sv(&run->done_head), buf_sv(&run->done_body));
	run_free(run);
}

static bool run_create(struct run *run, struct sv head)
{
	JSContextRef ctx = run->realm->ctx;
	JSValueRef argv[] = {
		jsc.ValueMakeNumber(ctx, run->id),
		value_text(ctx, head),
		value_text(ctx, sv_str(run->code->file)),
	};
	JSValueRef object = entry_call(run, ENTRY_create, ARRAY_LEN(argv), argv);

	if (!object || !jsc.ValueIsObject(ctx, object))
		return false;
	run->object = (JSObjectRef)object;
	jsc.ValueProtect(ctx, object);
	return true;
}

static void run_enter(struct run *run, const struct run_spec *spec)
{
	JSContextRef ctx = run->realm->ctx;
	JSValueRef exception = NULL;
	JSObjectRef wrapper = realm_wrapper(run->realm, run->code, &exception);
	JSValueRef argv[] = { run->object, wrapper ? wrapper : exception, NULL };

	if (!wrapper) {
		entry_call(run, ENTRY_fail, 2, argv);
		return;
	}
	argv[2] = value_text(ctx, spec->inspect ? spec->head : spec->input);
	entry_call(run, spec->inspect ? ENTRY_inspect : ENTRY_start, 3, argv);
}

void run_start(struct host *h, const struct run_spec *spec)
{
	struct run *run = run_new(h, spec);

	entry_begin(run);
	if (run_create(run, spec->head))
		run_enter(run, spec);
	else
		run->over = true;
	enum stop stop = entry_end(run);
	if (!stop && !run->object) {
		run_free(run);
		run_refuse(h, spec->id, "the START message cannot be read");
		return;
	}
	run_after(run, stop);
}

void run_reply(struct run *run, uint32_t call, struct sv head)
{
	JSContextRef ctx = run->realm->ctx;
	JSValueRef argv[] = {
		run->object,
		jsc.ValueMakeNumber(ctx, call),
		value_text(ctx, head),
	};

	run->calls -= run->calls > 0;
	entry_begin(run);
	entry_call(run, ENTRY_reply, ARRAY_LEN(argv), argv);
	run_after(run, entry_end(run));
}

void run_fire(struct run *run, uint32_t timer)
{
	JSContextRef ctx = run->realm->ctx;
	JSValueRef argv[] = { run->object, jsc.ValueMakeNumber(ctx, timer) };

	if (timer == 0) {
		run_stop(run, STOP_DEADLINE);
		return;
	}
	run->timers -= run->timers > 0;
	entry_begin(run);
	entry_call(run, ENTRY_fire, ARRAY_LEN(argv), argv);
	run_after(run, entry_end(run));
}

void run_refuse(struct host *h, uint32_t id, const char *message)
{
	struct buf head;

	buf_init(&head, 4096);
	build_failure(&head, "script_internal_error", 500, sv_str(message));
	head.ptr[head.len - 1] = ',';
	buf_str(&head, "\"cpu_us\":0,\"heap_bytes\":0}");
	conn_send(&h->conn, MESSAGE_DONE, id, buf_sv(&head));
	buf_done(&head);
}
