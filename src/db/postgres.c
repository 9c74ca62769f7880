#include "db/postgres.h"

#include "base/fault.h"
#include "base/sv.h"
#include "db/sql.h"

#include <stdio.h>

/* A statement over many rows is cut so that its arguments stay below this. */
#define CUT_BYTES ((size_t)16 << 20)

struct pg_rows {
	PGresult *res;
	int row, count;
};

/* Connections. */

static void conn_close(struct dbc *c)
{
	if (!c)
		return;
	struct pg_conn *p = pg_conn_of(c);
	pg_disconnect(p);
	buf_done(&p->scratch);
	arena_done(&c->arena);
	mem_free(p);
}

static int conn_open(void *store, enum db_mode mode, struct dbc **ret, struct err *err)
{
	struct pg_conn *p = NEW(struct pg_conn);

	(void)mode;
	p->base.be = &db_postgres;
	p->store = store;
	buf_init(&p->scratch, (size_t)1 << 30);
	int rc = pg_connect(p, err);
	if (rc < 0)
		conn_close(&p->base);
	else
		*ret = &p->base;
	return rc;
}

/* Statements. */

static struct pg_types *types_known(struct pg_store *s, enum query q)
{
	pthread_mutex_lock(&s->lock);
	struct pg_types *t = s->types[q];
	pthread_mutex_unlock(&s->lock);
	return t;
}

/* Keeps the first that comes; they are all the same. */
static struct pg_types *types_learn(struct pg_store *s, enum query q, const PGresult *res)
{
	struct pg_types *t = NEW(struct pg_types);

	t->count = PQnparams(res);
	t->oids = mem_array((size_t)t->count + 1, sizeof(Oid));
	for (int i = 0; i < t->count; i++)
		t->oids[i] = PQparamtype(res, i);
	pthread_mutex_lock(&s->lock);
	if (s->types[q]) {
		mem_free(t->oids);
		mem_free(t);
	} else {
		s->types[q] = t;
	}
	t = s->types[q];
	pthread_mutex_unlock(&s->lock);
	return t;
}

/* Has the server parse the query, which tells the types of its parameters. */
static int describe(
	struct pg_conn *p, enum query q, const char *statement, PGresult **ret, struct err *err)
{
	TRY(pg_queue_begin(p, err));
	if (!PQsendPrepare(p->pg, statement, query_texts[q].postgres, 0, NULL) ||
		!PQsendDescribePrepared(p->pg, statement))
		return pg_lost(p, query_texts[q].name, err);
	p->queued += 2;
	return pg_round_trip(p, query_texts[q].name, ret, err);
}

static int types_of(struct pg_conn *p, enum query q, const struct pg_types **ret, struct err *err)
{
	PGresult *res = NULL;
	bool unprepared = p->store->unprepared;

	*ret = types_known(p->store, q);
	if (*ret)
		return 0;
	TRY(describe(p, q, unprepared ? "" : p->store->statements[q], &res, err));
	*ret = types_learn(p->store, q, res);
	PQclear(res);
	p->prepared[q] = !unprepared;
	return 0;
}

static int send_query(struct pg_conn *p, enum query q, const struct pg_types *t,
	const struct pg_values *v, struct err *err)
{
	const char *name = p->store->statements[q], *sql = query_texts[q].postgres;
	int sent;

	TRY(pg_queue_begin(p, err));
	if (p->store->unprepared) {
		sent = PQsendQueryParams(
			p->pg, sql, v->count, t->oids, v->values, v->lengths, v->formats, 1);
	} else {
		if (!p->prepared[q]) {
			if (!PQsendPrepare(p->pg, name, sql, t->count, t->oids))
				return pg_lost(p, query_texts[q].name, err);
			p->queued++;
		}
		p->prepared[q] = true;
		sent = PQsendQueryPrepared(
			p->pg, name, v->count, v->values, v->lengths, v->formats, 1);
	}
	if (!sent)
		return pg_lost(p, query_texts[q].name, err);
	p->queued++;
	return 0;
}

/* A statement that could not be prepared within a failed pipeline is prepared again next time. */
static int run_query(struct pg_conn *p, enum query q, const struct pg_types *t,
	const struct pg_values *v, PGresult **ret, struct err *err)
{
	bool was_prepared = p->prepared[q];

	TRY(send_query(p, q, t, v, err));
	int rc = pg_round_trip(p, query_texts[q].name, ret, err);
	if (rc < 0 && !was_prepared)
		p->prepared[q] = false;
	if (rc < 0 && p->trouble == PG_POOLER)
		p->store->unprepared = true;
	return rc;
}

/* One statement over `rows` rows of arguments (see pg_encode). */
static int run_rows(struct pg_conn *p, enum query q, const struct arg *args, size_t count,
	size_t rows, PGresult **ret, struct err *err)
{
	const struct pg_types *t;
	struct pg_values v;

	TRY(FAULT("db.query", err));
	if (!p->pg)
		return err_set(err, ERR_IO, "%s: the connection to the database is lost",
			query_texts[q].name);
	TRY(types_of(p, q, &t, err));
	TRY(pg_encode(t, query_texts[q].name, args, count, rows, &p->scratch, &v, err));
	return run_query(p, q, t, &v, ret, err);
}

static void rows_make(struct rows *ret, PGresult *res)
{
	struct pg_rows *r = NEW(struct pg_rows);

	*r = (struct pg_rows){ .res = res, .row = -1, .count = PQntuples(res) };
	ret->impl = r;
}

static int rows_query(struct dbc *c, enum query q, const struct arg *args, size_t count,
	struct rows *ret, struct err *err)
{
	PGresult *res = NULL;

	TRY(run_rows(pg_conn_of(c), q, args, count, 1, &res, err));
	rows_make(ret, res);
	return 0;
}

static void rows_finish(struct rows *rows)
{
	struct pg_rows *r = rows->impl;

	PQclear(r->res);
	mem_free(r);
}

static int rows_step(struct rows *rows, struct err *err)
{
	struct pg_rows *r = rows->impl;

	(void)err;
	if (r->row + 1 >= r->count)
		return 0;
	r->row++;
	return 1;
}

/* Columns. */

static bool col_null(struct rows *rows, int col)
{
	const struct pg_rows *r = rows->impl;

	return PQgetisnull(r->res, r->row, col);
}

static int64_t col_i64(struct rows *rows, int col)
{
	const struct pg_rows *r = rows->impl;

	return col_null(rows, col)
		       ? 0
		       : pg_decode_i64(PQftype(r->res, col), PQgetvalue(r->res, r->row, col));
}

static double col_f64(struct rows *rows, int col)
{
	const struct pg_rows *r = rows->impl;

	return col_null(rows, col)
		       ? 0
		       : pg_decode_f64(PQftype(r->res, col), PQgetvalue(r->res, r->row, col));
}

static struct sv col_sv(struct rows *rows, int col)
{
	const struct pg_rows *r = rows->impl;

	if (col_null(rows, col))
		return SV_NULL;
	return sv_make(PQgetvalue(r->res, r->row, col), (size_t)PQgetlength(r->res, r->row, col));
}

/* Many rows. */

static bool takes_arrays(const struct pg_types *t)
{
	for (int i = 0; i < t->count; i++)
		if (pg_is_array(t->oids[i]))
			return true;
	return false;
}

static int64_t changed(PGresult *res)
{
	int64_t n = 0;

	sv_to_i64(sv_str(PQcmdTuples(res)), &n);
	return n;
}

/* How many rows go into the next statement. */
static size_t cut(const struct arg *args, size_t count, size_t rows)
{
	size_t bytes = 0, n = 0;

	for (; n < rows && bytes < CUT_BYTES; n++)
		for (size_t i = 0; i < count; i++) {
			const struct arg *a = &args[n * count + i];
			bytes += a->type == ARG_TEXT || a->type == ARG_BLOB ? a->sv.len + 4 : 12;
		}
	return n;
}

static int exec_many(struct dbc *c, enum query q, const struct arg *args, size_t count, size_t rows,
	int64_t *ret_changed, struct err *err)
{
	struct pg_conn *p = pg_conn_of(c);
	const struct pg_types *t;
	int64_t sum = 0;

	if (!p->pg)
		return err_set(err, ERR_IO, "%s: the connection to the database is lost",
			query_texts[q].name);
	TRY(types_of(p, q, &t, err));
	bool arrays = takes_arrays(t);
	for (size_t done = 0; done < rows;) {
		PGresult *res = NULL;
		const struct arg *at = args + done * count;
		size_t n = arrays ? cut(at, count, rows - done) : 1;
		TRY(run_rows(p, q, at, count, n, &res, err));
		sum += changed(res);
		PQclear(res);
		done += n;
	}
	if (ret_changed)
		*ret_changed = sum;
	return 0;
}

/* All keys at once: the last column says which one found a row. */
static int query_each(struct dbc *c, enum query q, const struct arg *args, size_t count,
	const struct arg *keys, size_t key_count, db_each_fn *fn, void *ctx, struct err *err)
{
	own_in(rows_done) struct rows rows = { .c = c, .query = q };
	struct arg *all;
	PGresult *res = NULL;
	int rc;

	if (key_count == 0)
		return 0;
	all = arena_alloc(&c->arena, key_count * (count + 1) * sizeof(*all));
	for (size_t i = 0; i < key_count; i++) {
		memcpy(all + i * (count + 1), args, count * sizeof(*args));
		all[i * (count + 1) + count] = keys[i];
	}
	TRY(run_rows(pg_conn_of(c), q, all, count + 1, key_count, &res, err));
	rows_make(&rows, res);
	int last = PQnfields(res) - 1;
	while ((rc = rows_step(&rows, err)) == 1) {
		int64_t key = col_i64(&rows, last);
		if (key < 0 || (size_t)key >= key_count)
			return err_set(
				err, ERR_INTERNAL, "%s: a row of no key", query_texts[q].name);
		TRY(fn(ctx, (size_t)key, &rows, err));
	}
	return rc;
}

/* Checking. */

static int check_types(enum query q, const PGresult *res, struct err *err)
{
	for (int i = 0; i < PQnparams(res); i++)
		if (!pg_type_takes_all(PQparamtype(res, i)))
			return err_set(err, ERR_INTERNAL, "%s: parameter %d has type %u (cast it)",
				query_texts[q].name, i + 1, PQparamtype(res, i));
	for (int i = 0; i < PQnfields(res); i++)
		if (!pg_type_is_known(PQftype(res, i)))
			return err_set(err, ERR_INTERNAL, "%s: column %d has type %u (cast it)",
				query_texts[q].name, i + 1, PQftype(res, i));
	return 0;
}

static int check_queries(struct dbc *c, struct err *err)
{
	for (size_t q = 0; q < Q_COUNT; q++) {
		PGresult *res = NULL;
		if (!query_texts[q].sqlite)
			continue; /* the back end's own, mostly run in text */
		TRY(describe(pg_conn_of(c), q, "", &res, err));
		int rc = check_types(q, res, err);
		PQclear(res);
		TRY(rc);
	}
	return 0;
}

static bool reachable(void *store)
{
	return ((struct pg_store *)store)->reachable;
}

const struct db_backend db_postgres = {
	.writers = 4,
	.readers = 4,
	.group_jobs = 1,
	.open = pg_store_open,
	.close = pg_store_close,
	.connect = conn_open,
	.disconnect = conn_close,
	.begin = pg_begin,
	.commit = pg_commit,
	.rollback = pg_rollback,
	.in_transaction = pg_in_transaction,
	.again_ms = pg_again_ms,
	.reachable = reachable,
	.listen = pg_listen,
	.tell = pg_tell,
	.savepoint = pg_savepoint,
	.release = pg_release,
	.rollback_to = pg_rollback_to,
	.query = rows_query,
	.done = rows_finish,
	.next = rows_step,
	.is_null = col_null,
	.i64 = col_i64,
	.f64 = col_f64,
	.sv = col_sv,
	.exec_many = exec_many,
	.query_each = query_each,
	.check = check_queries,
};
