#include "js/message.h"

#include "base/log.h"
#include "base/sv.h"
#include "js/run.h"
#include "js/sandbox.h"
#include "js/value.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEFAULT_MEMORY_MIB = 512, DEFAULT_TICK_MS = 20, DEFAULT_ENTRY_MS = 10000 };

/* The head as an object of the control context; NULL when it is none. */
static JSObjectRef parse_head(struct host *h, struct sv head)
{
	JSStringRef text = value_jsstring(head);
	JSValueRef v = jsc.ValueMakeFromJSONString(h->control, text);

	jsc.StringRelease(text);
	return v && jsc.ValueIsObject(h->control, v) ? (JSObjectRef)v : NULL;
}

static int64_t head_i64(struct host *h, JSObjectRef head, const char *name, int64_t otherwise)
{
	return value_i64(h->control, value_get(h->control, head, name), otherwise);
}

/* Appends a text member; nothing when it is absent. */
static struct sv head_text(struct host *h, JSObjectRef head, const char *name, struct buf *out)
{
	buf_init(out, 1 << 16);
	value_add_text(h->control, value_get(h->control, head, name), out);
	return buf_sv(out);
}

/*
 * The engine sizes its heap by the memory it believes it has, and reads that when it starts. It
 * takes up to twice what is alive before it collects while it believes in plenty: a sixth of the
 * limit kept a sync of 100,000 records at 80 MB instead of 91, at the same CPU; an eighth cost a
 * fifth more
 * (`./run bench sync`). No limit by itself: runner/watch.c ends who takes more.
 */
enum { BELIEVED_SHARE = 6 };

static void start_engine(struct host *h, int64_t memory_bytes)
{
	char size[32];

	snprintf(size, sizeof(size), "%lld", (long long)memory_bytes / BELIEVED_SHARE);
	setenv("JSC_forceRAMSize", size, 1);
	JSContextGroupRef group = jsc.ContextGroupCreate();
	h->control = jsc.GlobalContextCreateInGroup(group, NULL);
	jsc.ContextGroupRelease(group);
}

static int64_t memory_limit(struct sv head)
{
	/* Needed before there is an engine that could read JSON. */
	static const char KEY[] = "\"memory_limit\":";
	const char *at = head.len ? memmem(head.ptr, head.len, KEY, sizeof(KEY) - 1) : NULL;
	int64_t bytes = at ? strtoll(at + sizeof(KEY) - 1, NULL, 10) : 0;

	return bytes > 0 ? bytes : (int64_t)DEFAULT_MEMORY_MIB << 20;
}

static bool on_init(struct host *h, const struct frame *f)
{
	struct realm *spare;
	struct err err;

	h->limits.memory_bytes = memory_limit(f->head);
	start_engine(h, h->limits.memory_bytes);
	JSObjectRef head = parse_head(h, f->head);
	if (!head)
		return false;
	h->limits.tick_us = head_i64(h, head, "tick_ms", DEFAULT_TICK_MS) * 1000;
	h->limits.entry_us = head_i64(h, head, "entry_ms", DEFAULT_ENTRY_MS) * 1000;
	if (sandbox_enter(&err) < 0 || realm_for(h, REALM_UNCLAIMED, false, &spare, &err) < 0) {
		log_error(NULL, "the runner cannot start", LOG_ERR(&err));
		return false;
	}
	return true;
}

static bool on_code(struct host *h, const struct frame *f)
{
	struct buf fn, file;
	JSObjectRef head = parse_head(h, f->head);

	if (!head)
		return false;
	struct sv key = head_text(h, head, "fn", &fn);
	struct sv name = head_text(h, head, "file", &file);
	code_add(&h->codes, key, name.len ? name : SV_LIT("function"), f->body);
	buf_done(&fn);
	buf_done(&file);
	return true;
}

/* START and INSPECT: everything that the C side has to know of their heads. */
static void start(struct host *h, const struct frame *f, JSObjectRef head)
{
	struct buf fn, isolation;
	struct err err = { 0 };
	struct run_spec spec = {
		.id = f->run,
		.code = code_find(&h->codes, head_text(h, head, "fn", &fn)),
		.limit_ms = head_i64(h, head, "deadline_ms", 0),
		.head = f->head,
		.input = f->body,
		.inspect = f->type == MESSAGE_INSPECT,
	};
	bool own = sv_eq_str(head_text(h, head, "isolation", &isolation), "context");

	buf_done(&fn);
	buf_done(&isolation);
	if (!spec.code) {
		run_refuse(h, f->run, "the runner has not been sent this function");
		return;
	}
	if (realm_for(h, head_i64(h, head, "env", 0), own, &spec.realm, &err) < 0) {
		run_refuse(h, f->run, err.msg);
		return;
	}
	run_start(h, &spec);
}

static bool on_start(struct host *h, const struct frame *f)
{
	JSObjectRef head = parse_head(h, f->head);

	if (run_find(h, f->run))
		return false;
	if (head)
		start(h, f, head);
	else
		run_refuse(h, f->run, "the head of START is no JSON object");
	return true;
}

static bool on_reply(struct host *h, const struct frame *f)
{
	struct run *run = run_find(h, f->run);

	/* It may have ended while the answer was on its way. */
	if (!run)
		return true;
	h->body = (struct body){ conn_offset(&h->conn, f->body), f->body.len };
	run_reply(run, f->call, f->head);
	h->body = (struct body){ 0 };
	return true;
}

static bool on_abort(struct host *h, const struct frame *f)
{
	struct run *run = run_find(h, f->run);
	bool late = sv_find(f->head, SV_LIT("execution_timeout")) >= 0;

	if (run)
		run_stop(run, late ? STOP_DEADLINE : STOP_ABORTED);
	return true;
}

bool message_handle(struct host *h, const struct frame *f)
{
	if (!h->control && f->type != MESSAGE_INIT && f->type != MESSAGE_EXIT)
		return false;
	switch (f->type) {
	case MESSAGE_NONE: return true;
	case MESSAGE_INIT: return !h->control && on_init(h, f);
	case MESSAGE_CODE: return on_code(h, f);
	case MESSAGE_START:
	case MESSAGE_INSPECT: return on_start(h, f);
	case MESSAGE_REPLY: return on_reply(h, f);
	case MESSAGE_ABORT: return on_abort(h, f);
	case MESSAGE_PING: conn_send(&h->conn, MESSAGE_PONG, 0, SV_LIT("")); return true;
	case MESSAGE_EXIT:
	default: return false;
	}
}
