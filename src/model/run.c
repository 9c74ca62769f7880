#include "model/run.h"

#include "base/clock.h"
#include "data/json.h"
#include "db/db.h"
#include "model/node.h"
#include "model/oplog.h"
#include "model/row.h"

/* A run that was started so often takes its processes down each time. */
enum { STARTS_MAX = 20 };

int run_create(struct dbc *c, const struct run_new *n, int64_t *ret_id, struct err *err)
{
	int64_t now = clock_now_ms();
	char operation[OPLOG_ID_SIZE];

	return db_one_i64(c, Q_RUN_INSERT,
		ARGS(arg_i64(n->environment_id), arg_i64(n->connection), arg_sv(n->sync_id),
			arg_str(n->kind), arg_sv(n->name),
			n->variant.ptr ? arg_sv(n->variant) : arg_str("base"),
			arg_bool(n->empty_cache), arg_sv(n->input),
			arg_str(oplog_id(now, operation)), arg_i64(n->due_ms), arg_sv(n->owner),
			arg_i64(n->owner.ptr ? now + RUN_LEASE_MS : 0), arg_i64(now),
			arg_sv(n->async_id), arg_i64(n->retries)),
		ret_id, err);
}

static void read_outcome(struct rows *r, struct arena *a, void *ret)
{
	struct sv status = row_sv(r, 0);

	*(struct run_outcome *)ret = (struct run_outcome){
		.ok = sv_eq_str(status, "SUCCESS"),
		.ended = !sv_eq_str(status, "QUEUED") && !sv_eq_str(status, "RUNNING"),
		.output = row_keep(r, 1, a),
		.error = row_keep(r, 2, a),
	};
}

int run_of_async(struct dbc *c, int64_t environment_id, struct sv async_id, struct arena *a,
	struct run_outcome *ret, struct err *err)
{
	return rows_only(c, Q_RUN_OF_ASYNC, ARGS(arg_i64(environment_id), arg_sv(async_id)), a,
		read_outcome, ret, err);
}

/* Claiming. */

struct due_sync {
	struct sv id, name, variant;
	int64_t environment_id, connection, due_ms;
};

static void read_due(struct rows *r, struct arena *a, void *ret)
{
	*(struct due_sync *)ret = (struct due_sync){
		.id = row_keep(r, 0, a),
		.environment_id = row_i64(r, 1),
		.connection = row_i64(r, 2),
		.name = row_keep(r, 3, a),
		.variant = row_keep(r, 4, a),
		.due_ms = row_i64(r, 5),
	};
}

static int claim_due(struct dbc *c, struct run_claim *claim, struct err *err)
{
	struct due_sync *due;
	size_t count;

	TRY(rows_collect(c, Q_RUN_DUE_SYNCS,
		ARGS(arg_i64(claim->now_ms), arg_i64((int64_t)(claim->limit - claim->count))),
		db_arena(c), sizeof(*due), read_due, (void **)&due, &count, err));
	for (size_t i = 0; i < count; i++) {
		struct run_new n = {
			.kind = RUN_SYNC,
			.environment_id = due[i].environment_id,
			.connection = due[i].connection,
			.sync_id = due[i].id,
			.name = due[i].name,
			.variant = due[i].variant,
			.due_ms = due[i].due_ms,
			.owner = claim->owner,
		};
		int64_t *id = &claim->ids[claim->count];
		TRY(run_create(c, &n, id, err));
		TRY(db_exec(c, Q_SYNC_SET_RUN,
			ARGS(arg_sv(due[i].id), arg_i64(*id), arg_i64(claim->now_ms)), NULL, err));
		claim->count++;
	}
	return 0;
}

static void read_id(struct rows *r, struct arena *a UNUSED, void *ret)
{
	*(int64_t *)ret = row_i64(r, 0);
}

/* What was queued by hand or given back. */
static int claim_waiting(struct dbc *c, struct run_claim *claim, struct err *err)
{
	int64_t *ids;
	size_t count;

	TRY(rows_collect(c, Q_RUN_WAITING, ARGS(arg_i64(claim->now_ms), arg_i64(claim->limit)),
		db_arena(c), sizeof(*ids), read_id, (void **)&ids, &count, err));
	for (size_t i = 0; i < count; i++) {
		TRY(db_exec(c, Q_RUN_OWN,
			ARGS(arg_i64(ids[i]), arg_sv(claim->owner),
				arg_i64(claim->now_ms + RUN_LEASE_MS)),
			NULL, err));
		claim->ids[claim->count++] = ids[i];
	}
	return 0;
}

/* The first value of a query of one column; 0 = none. */
static int first_ms(struct dbc *c, enum query q, int64_t *ret, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_query(c, q, NO_ARGS, &rows, err));
	int rc = rows_next(&rows, err);
	TRY(rc);
	*ret = rc && !row_null(&rows, 0) ? row_i64(&rows, 0) : INT64_MAX;
	/* 0 is a time too: as long ago as any. */
	*ret = *ret == 0 ? 1 : *ret;
	return 0;
}

int run_claim(struct dbc *c, struct run_claim *claim, struct arena *a, struct err *err)
{
	int64_t due, waiting;

	claim->ids = arena_array(a, claim->limit, sizeof(int64_t));
	claim->count = 0;
	claim->next_ms = 0;
	TRY(claim_waiting(c, claim, err));
	if (claim->count < claim->limit)
		TRY(claim_due(c, claim, err));
	TRY(first_ms(c, Q_RUN_NEXT_DUE, &due, err));
	TRY(first_ms(c, Q_RUN_NEXT_WAITING, &waiting, err));
	claim->next_ms = due < waiting ? due : waiting;
	if (claim->next_ms == INT64_MAX)
		claim->next_ms = 0;
	return 0;
}

int run_renew(struct dbc *c, struct sv owner, int64_t now_ms, struct err *err)
{
	return db_exec(
		c, Q_RUN_RENEW, ARGS(arg_sv(owner), arg_i64(now_ms + RUN_LEASE_MS)), NULL, err);
}

int run_recover(
	struct dbc *c, const struct node *n, int64_t now_ms, int64_t *ret_count, struct err *err)
{
	return db_exec(c, Q_RUN_RECOVER,
		ARGS(arg_str(n->owner), arg_i64(now_ms), arg_str(n->place)), ret_count, err);
}

int run_postpone(struct dbc *c, struct sv owner, int64_t id, int64_t until_ms, struct err *err)
{
	return db_exec(
		c, Q_RUN_POSTPONE, ARGS(arg_i64(id), arg_sv(owner), arg_i64(until_ms)), NULL, err);
}

int run_emptied(struct dbc *c, int64_t id, struct err *err)
{
	return db_exec(c, Q_RUN_EMPTIED, ARGS(arg_i64(id)), NULL, err);
}

int run_oldest(struct dbc *c, int64_t connection, int64_t id, int64_t *ret, struct err *err)
{
	int64_t oldest;

	TRY(db_one_i64(c, Q_RUN_OLDEST, ARGS(arg_i64(connection), arg_i64(id)), &oldest, err));
	*ret = oldest ? oldest : id + 1;
	return 0;
}

/* Starting. */

/* What run_load says besides struct run. */
struct loaded {
	struct run run;
	struct sv status, owner;
	int64_t fence;
	bool connection_gone, enabled;
};

static void read_load(struct rows *r, struct arena *a, void *ret)
{
	struct loaded *l = ret;

	*l = (struct loaded){
		.fence = row_i64(r, 0),
		.status = row_keep(r, 2, a),
		.owner = row_keep(r, 3, a),
		.connection_gone = !row_null(r, 19),
		.enabled = row_bool(r, 32),
	};
	l->run = (struct run){
		.attempt = row_i64(r, 1) + 1,
		.environment_id = row_i64(r, 4),
		.connection = row_i64(r, 5),
		.kind = row_keep(r, 6, a),
		.name = row_keep(r, 7, a),
		.variant = row_keep(r, 8, a),
		.sync_id = row_keep(r, 9, a),
		.operation_id = row_keep(r, 10, a),
		.input = row_keep(r, 11, a),
		.empty_cache = row_bool(r, 12),
		.due_ms = row_i64(r, 13),
		.started_ms = row_i64(r, 14),
		.environment = row_keep(r, 15, a),
		.validation = row_keep(r, 16, a),
		.log_level = row_keep(r, 17, a),
		.connection_id = row_keep(r, 18, a),
		.integration_id = row_i64(r, 20),
		.integration = row_keep(r, 21, a),
		.provider = row_keep(r, 22, a),
		.last_sync_ms = row_i64(r, 23),
		.function_id = row_i64(r, 24),
		.file_hash = row_keep(r, 25, a),
		.version = row_keep(r, 26, a),
		.sync_type = row_keep(r, 27, a),
		.models = row_keep(r, 28, a),
		.json_schema = row_keep(r, 29, a),
		.attributes = row_keep(r, 30, a),
		.track_deletes = row_bool(r, 31),
		.retries = row_i64(r, 33),
		.event = row_keep(r, 34, a),
	};
}

static const char *refusal(const struct loaded *l)
{
	if (l->connection_gone)
		return "the connection was deleted";
	if (!l->run.function_id)
		return "the function is not deployed";
	if (!l->enabled)
		return "the function is disabled";
	if (l->fence >= STARTS_MAX)
		return "the run was interrupted too often";
	return NULL;
}

static const char *operation_type(struct sv kind)
{
	return sv_eq_str(kind, RUN_SYNC)      ? "sync"
	       : sv_eq_str(kind, RUN_WEBHOOK) ? "webhook"
	       : sv_eq_str(kind, RUN_ACTION)  ? "action"
					      : "events";
}

static const char *operation_action(const struct run *r)
{
	static const char *const events[][2] = {
		{ "post-connection-creation", "post_connection_creation" },
		{ "pre-connection-deletion", "pre_connection_deletion" },
		{ "validate-connection", "validate_connection" },
	};

	if (sv_eq_str(r->kind, RUN_WEBHOOK))
		return "incoming";
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (sv_eq_str(r->event, events[i][0]))
			return events[i][1];
	return sv_eq_str(r->kind, RUN_ON_EVENT) ? "on_event" : "run";
}

static const char *operation_message(struct sv kind)
{
	return sv_eq_str(kind, RUN_SYNC)      ? "Sync execution"
	       : sv_eq_str(kind, RUN_WEBHOOK) ? "Webhook execution"
	       : sv_eq_str(kind, RUN_ACTION)  ? "Action execution"
					      : "Event script execution";
}

static int open_operation(struct dbc *c, const struct run *r, struct err *err)
{
	struct oplog_operation op = {
		.id = r->operation_id.ptr,
		.environment_id = r->environment_id,
		.type = operation_type(r->kind),
		.action = operation_action(r),
		.state = "running",
		.message = sv_str(operation_message(r->kind)),
		.integration = r->integration,
		.connection = r->connection_id,
		.function = r->name,
		.variant = r->variant,
		.run_id = r->id,
		.created_ms = r->started_ms,
	};

	return oplog_open(c, &op, err);
}

static int start_row(struct dbc *c, struct loaded *l, int64_t now, struct err *err)
{
	struct run *r = &l->run;

	r->resumed = r->started_ms != 0;
	r->started_ms = r->started_ms ? r->started_ms : now;
	r->initial = r->last_sync_ms == 0;
	r->fence = l->fence + 1;
	bool incremental = sv_eq_str(r->sync_type, "incremental") && !r->initial;
	return db_exec(c, Q_RUN_START,
		ARGS(arg_i64(r->id), arg_i64(r->started_ms), arg_some(r->function_id),
			arg_bool(r->initial), arg_bool(incremental), arg_i64(now)),
		NULL, err);
}

int run_begin(struct dbc *c, int64_t id, struct sv owner, struct arena *a, struct run *ret,
	struct err *err)
{
	struct loaded l;

	TRY(rows_only(c, Q_RUN_LOAD, ARGS(arg_i64(id)), a, read_load, &l, err));
	bool open = sv_eq_str(l.status, "QUEUED") || sv_eq_str(l.status, "RUNNING");
	if (!open || !sv_eq(l.owner, owner))
		return err_set(err, ERR_CANCELLED, "the run is not ours any more");
	l.run.id = id;
	TRY(start_row(c, &l, clock_now_ms(), err));
	TRY(open_operation(c, &l.run, err));
	l.run.refusal = refusal(&l);
	*ret = l.run;
	return 0;
}

/* Writing on behalf of a run. */

int run_guard(struct dbc *c, struct run_guard *g, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_one(c, Q_RUN_GUARD, ARGS(arg_i64(g->id)), &rows, err));
	if (row_i64(&rows, 0) != g->fence || !sv_eq_str(row_sv(&rows, 1), "RUNNING"))
		return err_set(err, ERR_CANCELLED, "the run was cancelled");
	return json_parse(row_sv(&rows, 2), &g->result, err);
}

void run_guard_done(struct run_guard *g)
{
	json_unref(take(g->result));
}

static void add_to(struct json_t *counts, const char *key, int64_t n)
{
	json_set_int(counts, key, json_int(json_member(counts, sv_str(key))) + n);
}

int run_count(struct dbc *c, struct run_guard *g, struct sv model, const struct run_counts *n,
	struct err *err)
{
	own_in(buf_done) struct buf text = { 0 };
	struct json_t *counts = json_member(g->result, model);

	if (!counts) {
		counts = json_new_obj();
		json_set(g->result, model, counts);
	}
	add_to(counts, "added", n->added);
	add_to(counts, "updated", n->updated);
	add_to(counts, "deleted", n->deleted);
	buf_init(&text, 1 << 20);
	json_dump_compact(g->result, &text);
	if (!buf_ok(&text))
		return err_set(err, ERR_LIMIT, "the run has results of too many models");
	return db_exec(c, Q_RUN_SET_RESULT,
		ARGS(arg_i64(g->id), arg_sv(buf_sv(&text)), arg_i64(clock_now_ms())), NULL, err);
}
