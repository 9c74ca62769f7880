/* How runs end: well, badly, cancelled. */
#include "base/clock.h"
#include "base/fault.h"
#include "data/json.h"
#include "db/db.h"
#include "model/lock.h"
#include "model/oplog.h"
#include "model/row.h"
#include "model/run.h"
#include "model/sync_schedule.h"

struct locked_sync {
	int64_t interval_ms, next_run_ms, run_id, last_sync_ms, created_ms, failures;
	struct sv queued;
};

static void read_lock(struct rows *r, struct arena *a, void *ret)
{
	*(struct locked_sync *)ret = (struct locked_sync){
		.interval_ms = row_i64(r, 1),
		.next_run_ms = row_i64(r, 2),
		.run_id = row_i64(r, 3),
		.queued = row_keep(r, 4, a),
		.last_sync_ms = row_i64(r, 5),
		.created_ms = row_i64(r, 6),
		.failures = row_i64(r, 8),
	};
}

static struct sync_schedule schedule_of(const struct run *run, const struct locked_sync *s)
{
	return (struct sync_schedule){ run->sync_id, s->created_ms, s->interval_ms };
}

/* What was asked for while the run was under way starts when it is over. */
static int follow_up(struct dbc *c, const struct run *run, struct sv queued, struct err *err)
{
	own(json_unref) struct json_t *wish = NULL;
	int64_t id;

	TRY(json_parse(queued, &wish, err));
	struct run_new n = {
		.kind = RUN_SYNC,
		.environment_id = run->environment_id,
		.connection = run->connection,
		.sync_id = run->sync_id,
		.name = run->name,
		.variant = run->variant,
		.empty_cache = json_truth(json_member(wish, SV_LIT("empty_cache"))),
	};
	TRY(run_create(c, &n, &id, err));
	return db_exec(c, Q_SYNC_SET_RUN,
		ARGS(arg_sv(run->sync_id), arg_i64(id), arg_i64(clock_now_ms())), NULL, err);
}

static int end_sync(struct dbc *c, struct run_end *end, const struct locked_sync *s, int64_t now,
	struct err *err)
{
	const struct run *run = end->run;
	struct sync_schedule schedule = schedule_of(run, s);

	end->next_ms = end->interrupted ? now : sync_schedule_next_ms(&schedule, run->due_ms, now);
	TRY(db_exec(c, Q_SYNC_RUN_OVER,
		ARGS(arg_sv(run->sync_id), arg_some(end->ok ? run->started_ms : s->last_sync_ms),
			arg_i64(end->next_ms), arg_i64(end->ok ? 0 : s->failures + 1),
			arg_i64(now)),
		NULL, err));
	if (!s->queued.ptr)
		return 0;
	end->next_ms = now;
	return follow_up(c, run, s->queued, err);
}

/* Puts the run back for another attempt within its period, if that is due to it. */
static int try_again(struct dbc *c, struct run_end *end, const struct locked_sync *s, int64_t now,
	struct err *err)
{
	const struct run *run = end->run;
	struct sync_schedule schedule = schedule_of(run, s);
	int64_t next = sync_schedule_next_ms(&schedule, run->due_ms, now);

	int64_t wait = sync_schedule_retry_ms(&schedule, run->attempt, end->retries, next, now);
	if (wait < 0)
		return 0;
	end->again = true;
	end->next_ms = now + wait;
	return db_exec(c, Q_RUN_RETRY,
		ARGS(arg_i64(run->id), arg_i64(now + wait), arg_sv(end->error), arg_i64(now)), NULL,
		err);
}

/* An action whose caller allows it begins anew at once, whatever went wrong. */
static int try_action_again(struct dbc *c, struct run_end *end, int64_t now, struct err *err)
{
	const struct run *run = end->run;

	if (run->attempt > run->retries)
		return 0;
	end->again = true;
	end->next_ms = now;
	if (end->locks)
		TRY(lock_release_all(c, run->environment_id, run->operation_id, err));
	return db_exec(c, Q_RUN_RETRY,
		ARGS(arg_i64(run->id), arg_i64(now), arg_sv(end->error), arg_i64(now)), NULL, err);
}

static int end_row(struct dbc *c, const struct run_end *end, int64_t now, struct err *err)
{
	return db_exec(c, Q_RUN_END,
		ARGS(arg_i64(end->run->id), arg_str(end->ok ? "SUCCESS" : "FAILED"),
			arg_sv(end->output), arg_sv(end->ok ? SV_NULL : end->error),
			arg_sv(end->checkpoint_from), arg_sv(end->checkpoint_to), arg_i64(now)),
		NULL, err);
}

/* {"runTimeMs": .., "records": {...}, ...}: what the operation shows. */
static void meta_write(
	const struct run_end *end, const struct run_guard *g, int64_t now, struct buf *out)
{
	own(json_unref) struct json_t *meta = json_new_obj();

	json_set_str(meta, "scriptVersion", end->run->version);
	json_set_bool(meta, "emptyCache", end->run->empty_cache);
	json_set(meta, SV_LIT("records"), json_ref(g->result));
	json_set_int(meta, "runTimeSecs", (now - end->run->started_ms) / 1000);
	json_set_int(meta, "cpuUs", end->cpu_us);
	json_set_bool(meta, "interrupted", end->interrupted);
	json_dump_compact(meta, out);
}

static int end_operation(struct dbc *c, const struct run_end *end, const struct run_guard *g,
	int64_t now, struct err *err)
{
	own_in(buf_done) struct buf meta = { 0 };

	buf_init(&meta, 1 << 20);
	meta_write(end, g, now, &meta);
	return oplog_close(c, end->run->operation_id.ptr, end->ok ? "success" : "failed",
		buf_sv(&meta), end->ok ? SV_NULL : end->error, now, err);
}

static int lock_sync(struct dbc *c, const struct run *run, struct locked_sync *ret, struct err *err)
{
	return rows_only(
		c, Q_SYNC_LOCK, ARGS(arg_sv(run->sync_id)), db_arena(c), read_lock, ret, err);
}

int run_finish(struct dbc *c, struct run_end *end, struct err *err)
{
	const struct run *run = end->run;
	own_in(run_guard_done) struct run_guard g = { .id = run->id, .fence = run->fence };
	struct locked_sync s = { 0 };
	bool is_sync = sv_eq_str(run->kind, RUN_SYNC);
	int64_t now = clock_now_ms();

	end->again = end->owed = false;
	end->next_ms = 0;
	if (is_sync)
		TRY(lock_sync(c, run, &s, err));
	TRY(run_guard(c, &g, err));
	if (!end->ok && end->may_retry && is_sync)
		TRY(try_again(c, end, &s, now, err));
	if (!end->ok && sv_eq_str(run->kind, RUN_ACTION))
		TRY(try_action_again(c, end, now, err));
	if (end->again)
		return 0;
	TRY(end_row(c, end, now, err));
	if (is_sync && s.run_id == run->id)
		TRY(end_sync(c, end, &s, now, err));
	if (end->locks)
		TRY(lock_release_all(c, run->environment_id, run->operation_id, err));
	TRY(end_operation(c, end, &g, now, err));
	int owed = run_owe_webhooks(c, run->id, err);
	TRY(owed);
	end->owed = owed > 0;
	return FAULT("run.finish", err);
}

/* Cancelling. */

struct state {
	struct sv status, operation_id;
};

static void read_state(struct rows *r, struct arena *a, void *ret)
{
	*(struct state *)ret = (struct state){ row_keep(r, 1, a), row_keep(r, 3, a) };
}

static void error_write(const char *reason, struct buf *out)
{
	own(json_unref) struct json_t *error = json_new_obj();

	json_set_str(error, "type", SV_LIT("script_aborted"));
	json_set_str(error, "message", sv_str(reason));
	json_dump_compact(error, out);
}

int run_cancel(struct dbc *c, int64_t id, const char *reason, bool notify, struct err *err)
{
	own_in(buf_done) struct buf error = { 0 };
	struct state s;
	int64_t now = clock_now_ms();

	TRY(rows_only(c, Q_RUN_GUARD, ARGS(arg_i64(id)), db_arena(c), read_state, &s, err));
	bool running = sv_eq_str(s.status, "RUNNING");
	if (!running && !sv_eq_str(s.status, "QUEUED"))
		return 0;
	buf_init(&error, 4096);
	error_write(reason, &error);
	TRY(db_exec(c, Q_RUN_CANCEL, ARGS(arg_i64(id), arg_sv(buf_sv(&error)), arg_i64(now)), NULL,
		err));
	/* One that never started has no operation, and nobody waits for it. */
	TRY(oplog_close(c, s.operation_id.ptr, "cancelled", SV_NULL, buf_sv(&error), now, err));
	if (running && notify)
		TRY(run_owe_webhooks(c, id, err));
	return 0;
}

static void read_id(struct rows *r, struct arena *a UNUSED, void *ret)
{
	*(int64_t *)ret = row_i64(r, 0);
}

int run_cancel_of_connection(struct dbc *c, int64_t connection, const char *reason, struct err *err)
{
	int64_t *ids;
	size_t count;

	TRY(rows_collect(c, Q_RUN_OPEN_OF_CONNECTION, ARGS(arg_i64(connection)), db_arena(c),
		sizeof(*ids), read_id, (void **)&ids, &count, err));
	for (size_t i = 0; i < count; i++)
		TRY(run_cancel(c, ids[i], reason, false, err));
	return 0;
}

int run_cancelled(struct dbc *c, struct sv owner, struct arena *a, int64_t **ret_ids,
	size_t *ret_count, struct err *err)
{
	TRY(rows_collect(c, Q_RUN_CANCELLED, ARGS(arg_sv(owner)), a, sizeof(**ret_ids), read_id,
		(void **)ret_ids, ret_count, err));
	return *ret_count ? db_exec(c, Q_RUN_NOTICED, ARGS(arg_sv(owner)), NULL, err) : 0;
}

int run_prune(
	struct dbc *c, int64_t before_ms, int64_t limit, int64_t *ret_deleted, struct err *err)
{
	int64_t *ids;
	size_t count;

	TRY(rows_collect(c, Q_RUN_OLD, ARGS(arg_i64(before_ms), arg_i64(limit)), db_arena(c),
		sizeof(*ids), read_id, (void **)&ids, &count, err));
	for (size_t i = 0; i < count; i++)
		TRY(db_exec(c, Q_RUN_DELETE, ARGS(arg_i64(ids[i])), NULL, err));
	*ret_deleted = (int64_t)count;
	return 0;
}
