/* What the messages of a child mean. All of it is hostile input. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "runner/private.h"

#include <stdio.h>

enum { HEAD_MAX = 16 << 20 };

static const char *const method_names[] = {
#define CALL(name, comment) [CALL_##name] = #name,
#include "protocol/calls.def"
#undef CALL
};

static enum runner_method method_by_name(struct sv name)
{
	for (int m = 1; m < RUNNER_METHOD_COUNT; m++)
		if (sv_eq_str(name, method_names[m]))
			return (enum runner_method)m;
	return RUNNER_METHOD_NONE;
}

static int ready(struct runner *c, struct err *err)
{
	if (c->state == RUNNER_DYING)
		return 0;
	if (c->state != RUNNER_STARTING)
		return err_set(err, ERR_INVALID, "READY twice");
	child_set_state(c, RUNNER_READY);
	pool_place_soon(c->pool);
	return 0;
}

static void refuse_call(struct runner_run *r, uint32_t call, const char *message)
{
	own(json_unref) struct json_t *head = json_new_obj();
	struct json_t *error = json_new_obj();

	json_set_str(error, "kind", SV_LIT("plain"));
	json_set_str(error, "code", SV_LIT("bad_call"));
	json_set_str(error, "message", sv_str(message));
	json_set(head, SV_LIT("error"), error);
	runner_reply(r, call, head, SV_NULL);
}

static int called(struct runner_run *r, const struct frame *f, struct json_t *head, struct err *err)
{
	if (f->call <= r->last_call)
		return err_set(err, ERR_INVALID, "call %u after call %u", f->call, r->last_call);
	r->last_call = f->call;
	if (++r->open_calls > CALLS_OPEN_MAX)
		return err_set(err, ERR_LIMIT, "more than %d calls in flight", CALLS_OPEN_MAX);
	struct runner_call call = {
		.id = f->call,
		.method = method_by_name(json_sv(json_member(head, SV_LIT("m")))),
		.head = head,
		.body = f->body,
	};
	if (call.method == RUNNER_METHOD_NONE)
		refuse_call(r, f->call, "the server knows no such call");
	else
		r->host->on_call(r, &call);
	return 0;
}

void report_dropped_lines(struct runner_run *r)
{
	own(json_unref) struct json_t *head = NULL;
	char text[120];

	if (!r->log_dropped)
		return;
	snprintf(text, sizeof(text), "%lld log lines were dropped: a run may log %lld per second",
		(long long)r->log_dropped, (long long)r->runner->pool->cfg.log_rate);
	r->log_dropped = 0;
	head = json_new_obj();
	json_set_str(head, "level", SV_LIT("warn"));
	json_set_str(head, "message", sv_str(text));
	r->host->on_log(r, head);
}

/* False when the run has said enough for this second. */
static bool may_log(struct runner_run *r)
{
	int64_t second = clock_mono_us() / 1000000;

	if (second != r->log_second) {
		report_dropped_lines(r);
		r->log_second = second;
		r->log_lines = 0;
	}
	if (++r->log_lines <= r->runner->pool->cfg.log_rate)
		return true;
	r->log_dropped++;
	return false;
}

static void done(struct runner_run *r, const struct frame *f, struct json_t *head)
{
	struct runner *c = r->runner;
	struct json_t *error = json_member(head, SV_LIT("error"));
	struct runner_result res = {
		.ok = json_truth(json_member(head, SV_LIT("ok"))),
		.output = f->body,
		.error = error,
		.cpu_us = json_int(json_member(head, SV_LIT("cpu_us"))),
		.heap_bytes = json_int(json_member(head, SV_LIT("heap_bytes"))),
	};
	struct sv type = json_sv(json_member(error, SV_LIT("type")));
	/* After this its realm cannot be trusted to be as it was. */
	bool terminated = sv_starts(type, SV_LIT("function_runtime_"));

	report_dropped_lines(r);
	if (!res.ok && json_kind(error) == JSON_KIND_OBJECT) {
		code_map_error(r->order->code, error);
		run_done(r, &res);
	} else if (!res.ok) {
		run_failed(r, "function_runtime_other",
			"the runner reported an error it did not name");
	} else {
		run_done(r, &res);
	}
	if (terminated || c->runs_total >= c->pool->cfg.recycle_runs || c->alone)
		child_retire(c);
}

static int about_run(struct runner *c, const struct frame *f, struct err *err)
{
	struct runner_run *r = child_run(c, f->run);
	own(json_unref) struct json_t *head = NULL;

	if (!r && (f->run == 0 || f->run > c->pool->last_id))
		return err_set(err, ERR_INVALID, "message %u about run %u, which never was",
			f->type, f->run);
	/* The run is over for us, and was not yet for the child. */
	if (!r)
		return 0;
	if (f->type == MESSAGE_LOG && !may_log(r))
		return 0;
	if (f->head.len > HEAD_MAX)
		return err_set(err, ERR_LIMIT, "message head of %zu bytes", f->head.len);
	TRY(json_parse(f->head, &head, err));
	if (json_kind(head) != JSON_KIND_OBJECT)
		return err_set(err, ERR_INVALID, "message head is no object");
	if (f->type == MESSAGE_CALL)
		return called(r, f, head, err);
	if (f->type == MESSAGE_LOG)
		r->host->on_log(r, head);
	else
		done(r, f, head);
	return 0;
}

int report_frame(void *child, const struct frame *f, struct err *err)
{
	struct runner *c = child;

	if (f->type == MESSAGE_READY)
		return ready(c, err);
	if (c->state == RUNNER_STARTING)
		return err_set(err, ERR_INVALID, "message %u before READY", f->type);
	switch (f->type) {
	case MESSAGE_PONG: c->ping_us = 0; return 0;
	case MESSAGE_CALL:
	case MESSAGE_LOG:
	case MESSAGE_DONE: return about_run(c, f, err);
	default: return err_set(err, ERR_INVALID, "message of unknown type %u", f->type);
	}
}
