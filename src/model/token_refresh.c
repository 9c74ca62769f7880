#include "model/token_refresh.h"

#include "base/clock.h"
#include "model/node.h"
#include "model/row.h"

static void read_row(struct rows *r, struct arena *a, void *ret)
{
	*(struct token_refresh *)ret = (struct token_refresh){
		.fence = row_i64(r, 0),
		.lease_ms = row_i64(r, 1),
		.failures = row_i64(r, 2),
		.failed_days = row_i64(r, 3),
		.failed_ms = row_i64(r, 4),
		.retry_ms = row_i64(r, 5),
		.exhausted = row_bool(r, 6),
		.refreshed_ms = row_i64(r, 7),
		.error = row_keep(r, 8, a),
	};
}

int token_refresh_get(struct dbc *c, int64_t connection, struct arena *a, struct token_refresh *ret,
	struct err *err)
{
	int rc =
		rows_only(c, Q_TOKEN_REFRESH_GET, ARGS(arg_i64(connection)), a, read_row, ret, err);

	if (rc != ERR_NOT_FOUND)
		return rc;
	*ret = (struct token_refresh){ 0 };
	return 0;
}

int token_refresh_claim(struct dbc *c, int64_t connection, const struct node *n, int64_t now_ms,
	int64_t until_ms, int64_t *ret_fence, struct err *err)
{
	int rc = db_one_i64(c, Q_TOKEN_REFRESH_CLAIM,
		ARGS(arg_i64(connection), arg_i64(until_ms), arg_i64(now_ms), arg_str(n->owner)),
		ret_fence, err);

	if (rc != ERR_NOT_FOUND)
		return rc;
	*ret_fence = 0;
	return 0;
}

int token_refresh_release(struct dbc *c, int64_t connection, int64_t fence, struct err *err)
{
	return db_exec(
		c, Q_TOKEN_REFRESH_RELEASE, ARGS(arg_i64(connection), arg_i64(fence)), NULL, err);
}

int token_refresh_succeeded(
	struct dbc *c, int64_t connection, int64_t fence, int64_t now_ms, struct err *err)
{
	return db_exec(c, Q_TOKEN_REFRESH_SUCCEEDED,
		ARGS(arg_i64(connection), arg_i64(fence), arg_i64(now_ms)), NULL, err);
}

int token_refresh_failed(
	struct dbc *c, int64_t connection, const struct token_refresh *t, struct err *err)
{
	return db_exec(c, Q_TOKEN_REFRESH_FAILED,
		ARGS(arg_i64(connection), arg_i64(t->fence), arg_i64(t->failures),
			arg_i64(t->failed_days), arg_i64(t->failed_ms), arg_i64(t->retry_ms),
			arg_bool(t->exhausted), arg_sv(t->error)),
		NULL, err);
}

int token_refresh_forget(struct dbc *c, int64_t connection, struct err *err)
{
	return db_exec(c, Q_TOKEN_REFRESH_FORGET, ARGS(arg_i64(connection)), NULL, err);
}

int token_refresh_give_up(
	struct dbc *c, int64_t connection, int64_t now_ms, struct sv error, struct err *err)
{
	return db_exec(c, Q_TOKEN_REFRESH_GIVE_UP,
		ARGS(arg_i64(connection), arg_i64(now_ms), arg_sv(error)), NULL, err);
}

int token_refresh_retry_now(struct dbc *c, int64_t integration, struct err *err)
{
	return db_exec(c, Q_TOKEN_REFRESH_RETRY_NOW, ARGS(arg_i64(integration)), NULL, err);
}

int token_refresh_idle(struct dbc *c, int64_t before_ms, int64_t after, int64_t *ret, size_t max,
	size_t *ret_count, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int more;

	*ret_count = 0;
	TRY(db_query(c, Q_TOKEN_REFRESH_IDLE,
		ARGS(arg_i64(before_ms), arg_i64(after), arg_i64(clock_now_ms()),
			arg_i64((int64_t)max)),
		&rows, err));
	while ((more = rows_next(&rows, err)) > 0 && *ret_count < max)
		ret[(*ret_count)++] = row_i64(&rows, 0);
	return more < 0 ? more : 0;
}

int token_refresh_recover(struct dbc *c, const struct node *n, struct err *err)
{
	return db_exec(
		c, Q_TOKEN_REFRESH_RECOVER, ARGS(arg_str(n->owner), arg_str(n->place)), NULL, err);
}
