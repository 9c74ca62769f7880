/* The flow of one run: begin, get the code, empty the cache, run, settle, finish. */
#include "sync/flight.h"

#include "base/clock.h"
#include "base/log.h"
#include "model/checkpoint.h"
#include "model/function.h"
#include "model/node.h"
#include "model/oplog.h"
#include "records/outdated.h"
#include "records/prune.h"
#include "sync/call.h"

enum {
	RESTARTS_MAX = 5,
	FINISH_TRIES = 10,
	POSTPONE_MS = 5000,
	EMPTY_STEP = 10000,
	OUTPUT_MAX = 2 << 20, /* of actions */
};

enum { BEGIN, CODE, EMPTY, RUN, SETTLE, SETTLED, FINISH, FINISHED };

static struct flight *of(struct flow *f)
{
	return container_of(f, struct flight, flow);
}

void flight_log(const struct flight *fl, const char *level, const char *type, struct sv text,
	struct sv meta)
{
	oplog_message(fl->runs->eng->oplog, fl->run.operation_id.ptr, level, type, "internal", text,
		meta);
}

/* Notes how it failed, as the runner would have reported it. */
static void fail(struct flight *fl, const char *type, const char *message)
{
	own(json_unref) struct json_t *error = json_new_obj();
	struct json_t *payload = json_new_obj();
	struct buf text;

	json_set_str(payload, "message", sv_str(message));
	json_set_str(error, "type", sv_str(type));
	json_set_str(error, "message", sv_str(message));
	json_set(error, SV_LIT("payload"), payload);
	json_set_int(error, "status", 500);
	buf_init(&text, 64 << 10);
	json_dump_compact(error, &text);
	mem_free(fl->error);
	fl->ok = false;
	fl->error = buf_steal(&text, &(size_t){ 0 });
}

/* True when the step before failed: then that is how the run ends. */
static bool went_wrong(struct flight *fl)
{
	struct err *err = &fl->flow.err;

	if (err->code == ERR_OK)
		return false;
	if (err->code == ERR_CANCELLED)
		fl->fenced = true;
	else
		fail(fl, "function_runtime_other", err->msg);
	*err = (struct err){ 0 };
	return true;
}

static void submit(struct flight *fl, enum db_mode mode, db_job_fn *job)
{
	fl->flow.op = (struct op){ .done = flow_wake, .ctx = &fl->flow };
	db_submit(fl->runs->eng->db, mode, &fl->flow.op, job, fl);
}

/* Begin. */

static int job_begin(struct dbc *c, void *arg, struct err *err)
{
	struct flight *fl = arg;

	arena_done(&fl->begin_arena);
	return run_begin(
		c, fl->id, sv_str(fl->runs->eng->node->owner), &fl->begin_arena, &fl->run, err);
}

static int step_begin(struct flow *f)
{
	struct flight *fl = of(f);

	fl->lost = fl->begun = fl->emptied = false;
	fl->checkpoint_version = 0;
	submit(fl, DB_WRITE, job_begin);
	return flow_wait(f, CODE);
}

/* What the run keeps from its row, once it has been read. */
static int unpack(struct flight *fl, struct err *err)
{
	struct run *run = &fl->run;
	bool variants = run->sync_id.ptr != NULL;

	json_unref(take(fl->models));
	fl->merging = NULL;
	fl->checkpoint_key = sv_str(checkpoint_key(
		&fl->begin_arena, run->kind, run->name, variants ? run->variant : SV_NULL));
	return json_parse(run->models.ptr ? run->models : SV_LIT("[]"), &fl->models, err);
}

static int job_code(struct dbc *c, void *arg, struct err *err)
{
	struct flight *fl = arg;
	struct function_code code;

	TRY(function_code(c, fl->run.file_hash, &fl->begin_arena, &code, err));
	fl->code = code.js;
	return 0;
}

static int step_code(struct flow *f)
{
	struct flight *fl = of(f);
	struct err err = { 0 };

	if (went_wrong(fl) || fl->fenced)
		return FINISH;
	fl->begun = true;
	if (fl->run.refusal) {
		fail(fl, "script_internal_error", fl->run.refusal);
		return FINISH;
	}
	if (unpack(fl, &err) < 0) {
		fail(fl, "function_runtime_other", err.msg);
		return FINISH;
	}
	if (runner_pool_has(fl->runs->eng->runners, fl->run.file_hash.ptr)) {
		fl->code = SV_NULL;
		return EMPTY;
	}
	submit(fl, DB_READ, job_code);
	return flow_wait(f, EMPTY);
}

/* Empty the cache: a step of every model in each job, until nothing is left. */

static int empty_models(struct dbc *c, struct flight *fl, bool *ret_more, struct err *err)
{
	*ret_more = false;
	for (size_t i = 0; i < json_len(fl->models) && !*ret_more; i++) {
		struct sv base = json_sv(json_item(fl->models, i));
		struct records_of of = flight_dataset(fl, flight_model(fl, db_arena(c), base));
		struct records_pruned gone = { 0 };
		TRY(records_empty(c, &of, EMPTY_STEP, &gone, err));
		*ret_more = gone.more;
	}
	return 0;
}

static int job_empty(struct dbc *c, void *arg, struct err *err)
{
	struct flight *fl = arg;
	own_in(run_guard_done) struct run_guard g = { .id = fl->id, .fence = fl->run.fence };
	bool more;

	TRY(run_guard(c, &g, err));
	TRY(empty_models(c, fl, &more, err));
	fl->emptied = !more;
	/* Once for the run: a restart must not throw away what it has saved by then. */
	return more ? 0 : run_emptied(c, fl->id, err);
}

static int step_empty(struct flow *f)
{
	struct flight *fl = of(f);

	if (went_wrong(fl))
		return FINISH;
	if (fl->emptied)
		flight_log(fl, "info", "log", SV_LIT("Cleared the cache of every model"), SV_NULL);
	if (!fl->run.empty_cache || fl->emptied || !json_len(fl->models))
		return RUN;
	submit(fl, DB_WRITE, job_empty);
	return flow_wait(f, EMPTY);
}

/* Run. */

static void on_call(struct runner_run *rr, const struct runner_call *call)
{
	calls_begin(container_of(rr, struct flight, rr), call);
}

static bool is_level(struct sv s)
{
	return sv_eq_str(s, "debug") || sv_eq_str(s, "info") || sv_eq_str(s, "warn") ||
	       sv_eq_str(s, "error");
}

static void on_log(struct runner_run *rr, struct json_t *head)
{
	struct flight *fl = container_of(rr, struct flight, rr);
	struct json_t *meta = json_member(head, SV_LIT("meta"));
	struct sv level = json_sv(json_member(head, SV_LIT("level")));
	own_in(buf_done) struct buf text = { 0 };

	if (!is_level(level))
		return;
	if (meta) {
		buf_init(&text, 1 << 20);
		json_dump_compact(meta, &text);
	}
	oplog_message(fl->runs->eng->oplog, fl->run.operation_id.ptr,
		arena_str(&fl->flow.arena, level), "log", "user",
		json_sv(json_member(head, SV_LIT("message"))),
		meta && buf_ok(&text) ? buf_sv(&text) : SV_NULL);
}

static void keep_error(struct flight *fl, const struct json_t *error)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	json_dump_compact(error, &text);
	if (buf_ok(&text)) {
		mem_free(fl->error);
		fl->error = buf_steal(&text, &(size_t){ 0 });
		return;
	}
	buf_done(&text);
	fail(fl, "script_output_too_large", "the function threw an error of more than a megabyte");
}

static void on_done(struct runner_run *rr, const struct runner_result *res)
{
	struct flight *fl = container_of(rr, struct flight, rr);
	struct sv type = json_sv(json_member(res->error, SV_LIT("type")));

	fl->ok = res->ok;
	fl->cpu_us += res->cpu_us;
	fl->interrupted = !res->ok && sv_eq_str(type, "execution_interrupted");
	if (fl->interrupted)
		fl->ok = true;
	else if (!res->ok)
		keep_error(fl, res->error);
	else if (res->output.len > OUTPUT_MAX)
		fail(fl, "script_output_too_large", "the function returned more than 2 MB");
	else if (res->output.len)
		fl->output = mem_svdup(res->output);
	flow_wake(&fl->flow, NULL);
}

static void on_lost(struct runner_run *rr, const char *why)
{
	struct flight *fl = container_of(rr, struct flight, rr);

	fl->lost = true;
	fl->runs->stats.lost++;
	fail(fl, "function_runtime_other", why);
	flow_wake(&fl->flow, NULL);
}

static const struct runner_host host = { on_call, on_log, on_done, on_lost };

static void out_of_time(struct timer *t)
{
	flight_abort(container_of(t, struct flight, deadline), "execution_timeout");
}

/* The runner has the same deadline and ends by itself; this is for when it does not. */
enum { DEADLINE_GRACE_MS = 5000 };

static int step_run(struct flow *f)
{
	struct flight *fl = of(f);
	own(json_unref) struct json_t *head = NULL;

	if (went_wrong(fl) || fl->fenced || fl->released)
		return FINISH;
	head = start_head(fl);
	struct runner_spec spec = {
		.fn = fl->run.file_hash.ptr,
		.file = start_file(fl, &fl->begin_arena),
		.js = fl->code,
		.environment = fl->run.environment_id,
		.start = head,
		.input = fl->run.input,
	};
	fl->rr.host = &host;
	runner_start(fl->runs->eng->runners, &fl->rr, &spec);
	timer_start(fl->runs->eng->loop, &fl->deadline, start_deadline_ms(fl) + DEADLINE_GRACE_MS,
		out_of_time);
	return flow_wait(f, SETTLE);
}

/* Settle: calls that nobody awaits any more come to their end. */

static int step_settle(struct flow *f)
{
	struct flight *fl = of(f);

	timer_stop(fl->runs->eng->loop, &fl->deadline);
	/* What a function that succeeded has written without awaiting it is written all the same.
	 */
	calls_cancel(fl, !fl->ok || fl->fenced);
	if (!fl->calls)
		return SETTLED;
	fl->settling = true;
	return flow_wait(f, SETTLED);
}

static int step_settled(struct flow *f)
{
	struct flight *fl = of(f);

	fl->settling = false;
	if (went_wrong(fl) || !fl->lost || fl->fenced || fl->released)
		return FINISH;
	if (fl->rr.deaths >= RESTARTS_MAX)
		return FINISH;
	flight_log(fl, "warn", "log",
		SV_LIT("The runner ended; the function starts again from its last checkpoint"),
		SV_NULL);
	mem_free(take(fl->error));
	return BEGIN;
}

/* Finish. */

/* Legacy track_deletes: what this run has not seen is gone (records.md 8.3). */
static int delete_unseen(struct dbc *c, struct flight *fl, struct sv base, struct err *err)
{
	own_in(run_guard_done) struct run_guard g = { .id = fl->id, .fence = fl->run.fence };
	struct records_outdated o = {
		.of = flight_dataset(fl, flight_model(fl, db_arena(c), base)),
		.generation = fl->id,
		.run = fl->id,
	};

	TRY(run_guard(c, &g, err));
	do
		TRY(records_outdated(c, &o, err));
	while (o.more);
	struct run_counts n = { .deleted = o.deleted };
	return o.deleted ? run_count(c, &g, base, &n, err) : 0;
}

static int job_finish(struct dbc *c, void *arg, struct err *err)
{
	struct flight *fl = arg;
	bool unseen = fl->ok && !fl->interrupted && fl->run.track_deletes &&
		      sv_eq_str(fl->run.kind, RUN_SYNC);

	for (size_t i = 0; unseen && i < json_len(fl->models); i++)
		TRY(delete_unseen(c, fl, json_sv(json_item(fl->models, i)), err));
	TRY(run_finish(c, &fl->end, err));
	if (fl->end.again || !fl->wrote)
		return 0;
	int64_t oldest;
	TRY(run_oldest(c, fl->run.connection, fl->id, &oldest, err));
	return records_run_done(c, fl->run.connection, fl->id, oldest, err);
}

static int job_give_back(struct dbc *c, void *arg, struct err *err)
{
	struct flight *fl = arg;
	int64_t until = fl->released ? 0 : clock_now_ms() + POSTPONE_MS;

	return run_postpone(c, sv_str(fl->runs->eng->node->owner), fl->id, until, err);
}

static bool may_retry(const struct flight *fl)
{
	return !fl->ok && fl->error && strstr(fl->error, "\"type\":\"function_runtime_other\"");
}

static void log_failure(struct flight *fl)
{
	own(json_unref) struct json_t *error = NULL;

	if (fl->ok || !fl->error || json_parse(sv_str(fl->error), &error, NULL) < 0)
		return;
	struct sv message = json_sv(json_member(error, SV_LIT("message")));
	if (!message.len)
		message = json_sv(json_member(error, SV_LIT("type")));
	flight_log(fl, "error", "log", message, sv_str(fl->error));
}

static void fill_end(struct flight *fl)
{
	int64_t retries = fl->runs->cfg.retries;

	fl->end = (struct run_end){
		.run = &fl->run,
		.ok = fl->ok,
		.interrupted = fl->interrupted,
		.output = sv_str(fl->output),
		.error = sv_str(fl->error),
		.checkpoint_from = sv_str(fl->checkpoint_from),
		.checkpoint_to = sv_str(fl->checkpoint_to),
		.may_retry = may_retry(fl),
		.retries = retries < 0 ? 0
			   : retries   ? retries
				       : 1,
		.locks = fl->locks || fl->run.resumed,
		.cpu_us = fl->cpu_us,
	};
}

static int step_finish(struct flow *f)
{
	struct flight *fl = of(f);

	f->err = (struct err){ 0 };
	/* A cancelled run has its end in the store already. */
	if (fl->fenced)
		return FLOW_END;
	if (fl->released || !fl->begun) {
		submit(fl, DB_WRITE, job_give_back);
		return flow_wait(f, FINISHED);
	}
	if (fl->tries == 0)
		log_failure(fl);
	fill_end(fl);
	submit(fl, DB_WRITE, job_finish);
	return flow_wait(f, FINISHED);
}

static int step_finished(struct flow *f)
{
	struct flight *fl = of(f);

	if (f->err.code == ERR_CANCELLED || f->err.code == ERR_OK)
		return FLOW_END;
	log_error(NULL, "run not finished", LOG_I64("run", fl->id), LOG_ERR(&f->err));
	if (++fl->tries >= FINISH_TRIES)
		return FLOW_END;
	f->err = (struct err){ 0 };
	return flow_sleep(f, 500 << fl->tries, FINISH);
}

enum { JOB_MS = 300000, RUN_MS = 25 * 3600 * 1000 };

static const struct flow_step steps[] = {
	[BEGIN] = { "begin", step_begin, .timeout_ms = JOB_MS, .catches = true },
	[CODE] = { "load code", step_code, .timeout_ms = JOB_MS, .catches = true },
	[EMPTY] = { "empty cache", step_empty, .timeout_ms = JOB_MS, .catches = true },
	[RUN] = { "run", step_run, .timeout_ms = RUN_MS, .catches = true },
	[SETTLE] = { "settle", step_settle, .timeout_ms = JOB_MS, .catches = true },
	[SETTLED] = { "settled", step_settled, .catches = true },
	[FINISH] = { "finish", step_finish, .timeout_ms = JOB_MS, .catches = true },
	[FINISHED] = { "finished", step_finished, .catches = true },
};

static void tell_waiter(struct flight *fl)
{
	if (!fl->waiter)
		return;
	*fl->reply = (struct runs_reply){
		.ok = fl->ok && !fl->fenced,
		.output = sv_str(take(fl->output)),
		.error = sv_str(take(fl->error)),
	};
	op_complete(fl->waiter, NULL);
}

static void ended(struct flow *f)
{
	struct flight *fl = of(f);

	assert(!fl->calls && !fl->rr.order);
	runs_flight_over(fl);
	tell_waiter(fl);
	check_free(fl);
	json_unref(fl->models);
	arena_done(&fl->begin_arena);
	mem_free(fl->output);
	mem_free(fl->error);
	mem_free(fl->checkpoint_from);
	mem_free(fl->checkpoint_to);
	flow_done(f);
	mem_free(fl);
}

struct flight *flight_start(struct runs *r, int64_t id, struct runs_reply *reply, struct op *waiter)
{
	struct flight *fl = NEW(struct flight);

	fl->runs = r;
	fl->id = id;
	fl->reply = reply;
	fl->waiter = waiter;
	fl->last_call = &fl->calls;
	fl->next = r->flights;
	fl->prev = &r->flights;
	if (fl->next)
		fl->next->prev = &fl->next;
	r->flights = fl;
	r->count++;
	r->stats.started++;
	flow_init(&fl->flow, r->eng->loop, steps, ended);
	flow_start(&fl->flow, BEGIN);
	return fl; /* begin waits for the database: it cannot have ended */
}

void flight_abort(struct flight *fl, const char *code)
{
	if (fl->rr.order)
		runner_abort(&fl->rr, code);
	calls_cancel(fl, true);
}
