/* What users do to a sync: start, pause, trigger, change its frequency. */
#include "base/clock.h"
#include "data/freq.h"
#include "data/json.h"
#include "model/checkpoint.h"
#include "model/run.h"
#include "model/sync_row.h"

struct live {
	int64_t run_id, next_run_ms;
	bool paused, deleted;
	struct sv queued;
};

static void read_live(struct rows *r, struct arena *a, void *ret)
{
	*(struct live *)ret = (struct live){
		.paused = sv_eq_str(row_sv(r, 0), "PAUSED"),
		.next_run_ms = row_i64(r, 2),
		.run_id = row_i64(r, 3),
		.queued = row_keep(r, 4, a),
		.deleted = !row_null(r, 7),
	};
}

/* As it is now, locked: what the caller read may be old. */
static int lock(struct dbc *c, const struct sync *s, struct live *ret, struct err *err)
{
	TRY(rows_only(c, Q_SYNC_LOCK, ARGS(arg_str(s->id)), db_arena(c), read_live, ret, err));
	if (ret->deleted)
		return err_set(err, ERR_NOT_FOUND, "sync '%s' was deleted", s->name);
	return 0;
}

static int set_state(
	struct dbc *c, const struct sync *s, const char *state, int64_t next, struct err *err)
{
	return db_exec(c, Q_SYNC_SET_STATE,
		ARGS(arg_str(s->id), arg_str(state), arg_i64(next), arg_i64(clock_now_ms())), NULL,
		err);
}

static int64_t next_slot(const struct sync *s)
{
	struct sync_schedule schedule = sync_schedule_of(s);

	return sync_schedule_next_ms(&schedule, 0, clock_now_ms());
}

static int cancel_run(struct dbc *c, const struct sync *s, int64_t run, const char *reason,
	bool notify, struct err *err)
{
	TRY(run_cancel(c, run, reason, notify, err));
	return db_exec(c, Q_SYNC_RUN_CANCELLED,
		ARGS(arg_str(s->id), arg_i64(next_slot(s)), arg_i64(clock_now_ms())), NULL, err);
}

int sync_start(struct dbc *c, const struct sync *s, struct err *err)
{
	struct live now;

	TRY(lock(c, s, &now, err));
	return now.paused ? set_state(c, s, "STARTED", clock_now_ms(), err) : 0;
}

int sync_pause(struct dbc *c, const struct sync *s, struct err *err)
{
	struct live now;
	int64_t next;

	TRY(lock(c, s, &now, err));
	if (now.paused && !now.run_id)
		return 0;
	next = now.run_id ? next_slot(s) : now.next_run_ms;
	if (now.run_id)
		TRY(cancel_run(c, s, now.run_id, "the sync was paused", false, err));
	return set_state(c, s, "PAUSED", next, err);
}

int sync_queue_run(struct dbc *c, const struct sync *s, bool empty_cache, struct err *err)
{
	struct run_new n = {
		.kind = RUN_SYNC,
		.environment_id = s->environment_id,
		.connection = s->connection,
		.sync_id = sv_str(s->id),
		.name = sv_str(s->name),
		.variant = sv_str(s->variant),
		.empty_cache = empty_cache,
	};
	int64_t id;

	TRY(run_create(c, &n, &id, err));
	return db_exec(c, Q_SYNC_SET_RUN,
		ARGS(arg_str(s->id), arg_i64(id), arg_i64(clock_now_ms())), NULL, err);
}

/* Everything the sync knows of former runs goes, but for its records. */
static int forget(struct dbc *c, const struct sync *s, const struct live *now, struct err *err)
{
	char *key =
		checkpoint_key(db_arena(c), SV_LIT(RUN_SYNC), sv_str(s->name), sv_str(s->variant));

	if (now->run_id)
		TRY(cancel_run(c, s, now->run_id, "Execution was cancelled", true, err));
	TRY(db_exec(c, Q_SYNC_RESET, ARGS(arg_str(s->id), arg_i64(clock_now_ms())), NULL, err));
	TRY(db_exec(c, Q_RECORD_WINDOW_CLOSE_OWNER, ARGS(arg_i64(s->connection), arg_str(key)),
		NULL, err));
	return checkpoint_wipe(c, s->connection, sv_str(key), err);
}

int sync_trigger(struct dbc *c, const struct sync *s, bool reset, bool empty_cache, struct err *err)
{
	struct live now;

	TRY(lock(c, s, &now, err));
	if (reset) {
		TRY(forget(c, s, &now, err));
		return sync_queue_run(c, s, empty_cache, err);
	}
	if (!now.run_id)
		return sync_queue_run(c, s, false, err);
	if (now.queued.ptr)
		return 0;
	return db_exec(c, Q_SYNC_SET_QUEUED,
		ARGS(arg_str(s->id), arg_str("{\"empty_cache\":false}"), arg_i64(clock_now_ms())),
		NULL, err);
}

static int store_frequency(
	struct dbc *c, const struct sync *s, struct sv text, int64_t ms, struct err *err)
{
	struct sync changed = *s;
	struct live now;

	TRY(lock(c, s, &now, err));
	changed.interval_ms = ms;
	int64_t next = ms == s->interval_ms ? now.next_run_ms : next_slot(&changed);
	return db_exec(c, Q_SYNC_SET_FREQUENCY,
		ARGS(arg_str(s->id), arg_sv(text), arg_i64(ms), arg_i64(next),
			arg_i64(clock_now_ms())),
		NULL, err);
}

int sync_set_frequency(struct dbc *c, const struct sync *s, const char *frequency,
	struct arena *arena, const char **ret_text, struct err *err)
{
	struct sync_plan plan;
	struct freq f;

	if (frequency) {
		TRY(freq_parse(sv_str(frequency), &f, err));
		TRY(store_frequency(c, s, sv_str(frequency), f.ms, err));
		*ret_text = arena_str(arena, sv_str(f.text));
		return 0;
	}
	TRY(sync_plan_of(c, s->integration_id, sv_str(s->name), arena, &plan, err));
	TRY(store_frequency(c, s, SV_NULL, plan.interval_ms, err));
	*ret_text = plan.runs.ptr;
	return 0;
}
