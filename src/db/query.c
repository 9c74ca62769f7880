/* What a job calls (db.h): thin, the work is the back end's. */
#include "db/backend.h"

int db_query(struct dbc *c, enum query q, const struct arg *args, size_t count, struct rows *ret,
	struct err *err)
{
	*ret = (struct rows){ .c = c, .query = q };
	return c->be->query(c, q, args, count, ret, err);
}

void rows_done(struct rows *r)
{
	if (r->impl)
		r->c->be->done(r);
	r->impl = NULL;
}

int rows_next(struct rows *r, struct err *err)
{
	return r->c->be->next(r, err);
}

bool row_null(struct rows *r, int col)
{
	return r->c->be->is_null(r, col);
}

int64_t row_i64(struct rows *r, int col)
{
	return r->c->be->i64(r, col);
}

double row_f64(struct rows *r, int col)
{
	return r->c->be->f64(r, col);
}

struct sv row_sv(struct rows *r, int col)
{
	return r->c->be->sv(r, col);
}

int db_exec(struct dbc *c, enum query q, const struct arg *args, size_t count, int64_t *ret_changed,
	struct err *err)
{
	return c->be->exec_many(c, q, args, count, 1, ret_changed, err);
}

int db_exec_many(struct dbc *c, enum query q, const struct arg *args, size_t count, size_t rows,
	int64_t *ret_changed, struct err *err)
{
	return c->be->exec_many(c, q, args, count, rows, ret_changed, err);
}

int db_query_each(struct dbc *c, enum query q, const struct arg *args, size_t count,
	const struct arg *keys, size_t key_count, db_each_fn *fn, void *ctx, struct err *err)
{
	return c->be->query_each(c, q, args, count, keys, key_count, fn, ctx, err);
}

int db_one(struct dbc *c, enum query q, const struct arg *args, size_t count, struct rows *ret,
	struct err *err)
{
	TRY(db_query(c, q, args, count, ret, err));
	int rc = rows_next(ret, err);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "not found");
	return rc < 0 ? rc : 0;
}

int db_one_i64(struct dbc *c, enum query q, const struct arg *args, size_t count, int64_t *ret,
	struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_one(c, q, args, count, &rows, err));
	*ret = row_i64(&rows, 0);
	return 0;
}

int db_nested(struct dbc *c, db_job_fn *fn, void *arg, struct err *err)
{
	TRY(c->be->savepoint(c, err));
	int rc = fn(c, arg, err);
	if (rc >= 0)
		rc = c->be->release(c, err);
	if (rc < 0 && c->be->in_transaction(c))
		c->be->rollback_to(c);
	return rc;
}

struct arena *db_arena(struct dbc *c)
{
	return &c->arena;
}

struct db_memo *db_memo(struct dbc *c)
{
	return c->memo;
}

int db_check(struct dbc *c, struct err *err)
{
	return c->be->check(c, err);
}
