#include "model/validation.h"

#include "base/clock.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/auth_webhook.h"
#include "model/connection.h"
#include "model/provider.h"
#include "model/row.h"
#include "model/run.h"
#include "model/token_refresh.h"

#include <stdio.h>

enum { SWEEP_MAX = 100 };
#define FAILED "connection_validation_failed"

int validation_begin(struct dbc *c, const struct connection *conn, bool created, int64_t until_ms,
	char ret_operation[OPLOG_ID_SIZE], struct err *err)
{
	int64_t now = clock_now_ms();
	const struct oplog_operation op = {
		.id = oplog_id(now, ret_operation),
		.environment_id = conn->environment_id,
		.type = "auth",
		.action = "create_connection",
		.state = "running",
		.message = SV_LIT("Connection validation"),
		.integration = conn->integration,
		.connection = conn->connection_id,
		.created_ms = now,
	};

	TRY(oplog_open(c, &op, err));
	TRY(connection_set_auth_error(c, conn->id, ret_operation, err));
	return db_exec(c, Q_VALIDATION_BEGIN,
		ARGS(arg_i64(conn->id), arg_str(ret_operation), arg_bool(created),
			arg_i64(until_ms)),
		NULL, err);
}

int validation_forget(struct dbc *c, int64_t connection, bool *ret_new, struct err *err)
{
	int64_t is_new;
	int rc = db_one_i64(c, Q_VALIDATION_FORGET, ARGS(arg_i64(connection)), &is_new, err);

	if (rc == ERR_NOT_FOUND)
		return 0;
	TRY(rc);
	*ret_new = is_new;
	return 0;
}

static int end(
	struct dbc *c, int64_t connection, const char *operation, bool *ret_new, struct err *err)
{
	int64_t is_new;

	TRY(db_one_i64(
		c, Q_VALIDATION_END, ARGS(arg_i64(connection), arg_str(operation)), &is_new, err));
	*ret_new = is_new;
	return 0;
}

int validation_accept(
	struct dbc *c, int64_t connection, const char *operation, bool *ret_new, struct err *err)
{
	TRY(end(c, connection, operation, ret_new, err));
	TRY(connection_set_errors(c, connection, SV_LIT("[]"), err));
	return oplog_close(c, operation, "success", SV_NULL, SV_NULL, clock_now_ms(), err);
}

static int close_failed(struct dbc *c, const char *operation, struct sv reason, struct err *err)
{
	own(json_unref) struct json_t *error = json_new_obj();
	own_in(buf_done) struct buf text = { 0 };

	json_set_str(error, "type", SV_LIT(FAILED));
	json_set_str(error, "message", reason);
	buf_init(&text, 1 << 20);
	json_dump_compact(error, &text);
	return oplog_close(c, operation, "failed", SV_NULL, buf_ok(&text) ? buf_sv(&text) : SV_NULL,
		clock_now_ms(), err);
}

static int delete_for_good(struct dbc *c, int64_t connection, struct err *err)
{
	struct err why = { 0 };

	TRY(connection_delete(c, connection, err));
	int rc = connection_erase(c, connection, &why);
	/* Records, that only a sync could have saved: it goes with them (retention). */
	if (rc < 0 && rc != ERR_CONFLICT)
		*err = why;
	return rc == ERR_CONFLICT ? 0 : rc;
}

static int tell(struct dbc *c, const struct providers *providers, const struct connection *conn,
	struct sv reason, int64_t *ret_owed, struct err *err)
{
	const struct provider *p = provider_find(providers, conn->provider);
	const struct auth_event e = {
		.connection = conn,
		.auth_mode = p ? p->auth_mode : SV_LIT("NONE"),
		.operation = AUTH_OVERRIDE,
		.error_type = FAILED,
		.error_text = reason,
	};

	int owed = auth_webhook_owe(c, &e, err);
	TRY(owed);
	*ret_owed += owed;
	return 0;
}

int validation_reject(struct dbc *c, const struct providers *providers, int64_t connection,
	const char *operation, struct sv reason, int64_t *ret_owed, struct err *err)
{
	struct connection conn;
	bool is_new;

	*ret_owed = 0;
	TRY(end(c, connection, operation, &is_new, err));
	TRY(close_failed(c, operation, reason, err));
	int rc = connection_get(c, connection, db_arena(c), &conn, err);
	if (rc == ERR_NOT_FOUND)
		return 0; /* deleted softly: nobody's concern any more */
	TRY(rc);
	if (is_new)
		return delete_for_good(c, connection, err);
	/* Again: the function itself may have had the token refreshed, which clears errors. */
	TRY(connection_set_auth_error(c, connection, operation, err));
	TRY(token_refresh_give_up(c, connection, clock_now_ms(), reason, err));
	return tell(c, providers, &conn, reason, ret_owed, err);
}

struct expired {
	int64_t connection;
	struct sv operation;
};

static void read_expired(struct rows *r, struct arena *a, void *ret)
{
	*(struct expired *)ret = (struct expired){ row_i64(r, 0), row_keep(r, 1, a) };
}

static void read_id(struct rows *r, struct arena *a UNUSED, void *ret)
{
	*(int64_t *)ret = row_i64(r, 0);
}

/* What another server has taken over of the judging: nobody waits for it any more. */
static int cancel_runs(struct dbc *c, int64_t connection, const char *reason, struct err *err)
{
	int64_t *ids;
	size_t count;

	TRY(rows_collect(c, Q_VALIDATION_OPEN_RUNS, ARGS(arg_i64(connection)), db_arena(c),
		sizeof(*ids), read_id, (void **)&ids, &count, err));
	for (size_t i = 0; i < count; i++)
		TRY(run_cancel(c, ids[i], reason, false, err));
	return 0;
}

int validation_sweep(struct dbc *c, const struct providers *providers, struct validation_swept *ret,
	struct err *err)
{
	static const char reason[] = "the server ended before the connection was validated";
	struct expired *all;
	size_t count;

	*ret = (struct validation_swept){ 0 };
	TRY(rows_collect(c, Q_VALIDATION_EXPIRED, ARGS(arg_i64(clock_now_ms()), arg_i64(SWEEP_MAX)),
		db_arena(c), sizeof(*all), read_expired, (void **)&all, &count, err));
	for (size_t i = 0; i < count; i++) {
		int64_t owed;
		TRY(cancel_runs(c, all[i].connection, reason, err));
		int rc = validation_reject(c, providers, all[i].connection, all[i].operation.ptr,
			sv_str(reason), &owed, err);
		if (rc == ERR_NOT_FOUND)
			continue;
		TRY(rc);
		ret->refused++;
		ret->owed += owed;
	}
	return 0;
}

int validation_expire_all(struct dbc *c, struct err *err)
{
	return db_exec(c, Q_VALIDATION_EXPIRE_ALL, NO_ARGS, NULL, err);
}
