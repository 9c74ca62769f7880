#include "db/sqlite.h"

#include "base/fault.h"
#include "db/sql.h"

/* Transaction control, prepared as the queries are. */
enum control {
	BEGIN_READ,
	BEGIN_WRITE,
	COMMIT,
	ROLLBACK,
	SAVEPOINT,
	RELEASE,
	ROLLBACK_TO,
	CONTROLS
};

static const char *const control_texts[CONTROLS] = {
	[BEGIN_READ] = "BEGIN",
	[BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[SAVEPOINT] = "SAVEPOINT job",
	[RELEASE] = "RELEASE job",
	[ROLLBACK_TO] = "ROLLBACK TO job",
};

struct sqlite_conn {
	struct dbc base;
	sqlite3 *db;
	sqlite3_stmt *control[CONTROLS];
	sqlite3_stmt *cached[Q_COUNT + 1];
	bool busy[Q_COUNT + 1]; /* the cached statement is being read: a second use needs its own */
};

static struct sqlite_conn *conn_of(struct dbc *c)
{
	return container_of(c, struct sqlite_conn, base);
}

static void conn_close(struct dbc *c)
{
	if (!c)
		return;
	struct sqlite_conn *s = conn_of(c);
	for (size_t i = 0; i < CONTROLS; i++)
		sqlite3_finalize(s->control[i]);
	for (size_t i = 0; i < Q_COUNT; i++)
		sqlite3_finalize(s->cached[i]);
	sqlite3_close_v2(s->db);
	arena_done(&c->arena);
	mem_free(s);
}

static int prepare(struct sqlite_conn *s, const char *name, const char *sql, sqlite3_stmt **ret,
	struct err *err)
{
	if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) != SQLITE_OK)
		return sqlite_fail(s->db, name, err);
	return 0;
}

static int conn_open(void *store, enum db_mode mode, struct dbc **ret, struct err *err)
{
	const struct sqlite_store *st = store;
	struct sqlite_conn *s = NEW(struct sqlite_conn);

	s->base.be = &db_sqlite;
	int rc = sqlite_file_open(st->path, mode, &s->db, err);
	for (size_t i = 0; i < CONTROLS && rc == 0; i++)
		rc = prepare(s, control_texts[i], control_texts[i], &s->control[i], err);
	if (rc < 0) {
		conn_close(&s->base);
		return rc;
	}
	if (mode == DB_WRITE)
		wal_watch(st->wal, s->db);
	*ret = &s->base;
	return 0;
}

/* Transactions. */

static int control_run(struct dbc *c, enum control what, struct err *err)
{
	struct sqlite_conn *s = conn_of(c);

	int rc = sqlite3_step(s->control[what]);
	int result = rc == SQLITE_DONE ? 0 : sqlite_fail(s->db, control_texts[what], err);
	sqlite3_reset(s->control[what]);
	return result;
}

static int tx_begin(struct dbc *c, enum db_mode mode, struct err *err)
{
	return control_run(c, mode == DB_WRITE ? BEGIN_WRITE : BEGIN_READ, err);
}

static int tx_commit(struct dbc *c, struct err *err)
{
	return control_run(c, COMMIT, err);
}

static bool tx_open(struct dbc *c)
{
	return !sqlite3_get_autocommit(conn_of(c)->db);
}

static void tx_rollback(struct dbc *c)
{
	/* It cannot fail in a way that leaves the transaction open. */
	if (tx_open(c))
		control_run(c, ROLLBACK, NULL);
}

static int tx_savepoint(struct dbc *c, struct err *err)
{
	return control_run(c, SAVEPOINT, err);
}

static int tx_release(struct dbc *c, struct err *err)
{
	return control_run(c, RELEASE, err);
}

static void tx_rollback_to(struct dbc *c)
{
	control_run(c, ROLLBACK_TO, NULL);
	control_run(c, RELEASE, NULL);
}

/* Statements. */

static int stmt_get(struct sqlite_conn *s, enum query q, sqlite3_stmt **ret, struct err *err)
{
	const struct query_text *t = &query_texts[q];

	TRY(FAULT("db.query", err));
	if (s->busy[q])
		return prepare(s, t->name, t->sqlite, ret, err);
	if (!s->cached[q])
		TRY(prepare(s, t->name, t->sqlite, &s->cached[q], err));
	s->busy[q] = true;
	*ret = s->cached[q];
	return 0;
}

static void stmt_put(struct sqlite_conn *s, enum query q, sqlite3_stmt *st)
{
	if (st != s->cached[q]) {
		sqlite3_finalize(st);
		return;
	}
	s->busy[q] = false;
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
}

/* Without `copy`, text and blobs must stay until the statement is put back. */
static int bind_one(sqlite3_stmt *st, int at, const struct arg *a, bool copy)
{
	sqlite3_destructor_type life = copy ? SQLITE_TRANSIENT : SQLITE_STATIC;

	switch (a->type) {
	case ARG_NULL: return sqlite3_bind_null(st, at);
	case ARG_I64: return sqlite3_bind_int64(st, at, a->i64);
	case ARG_F64: return sqlite3_bind_double(st, at, a->f64);
	case ARG_TEXT: return sqlite3_bind_text64(st, at, a->sv.ptr, a->sv.len, life, SQLITE_UTF8);
	case ARG_BLOB: return sqlite3_bind_blob64(st, at, a->sv.ptr, a->sv.len, life);
	}
	return SQLITE_MISUSE;
}

static int bind_all(struct sqlite_conn *s, enum query q, sqlite3_stmt *st, const struct arg *args,
	size_t count, bool copy, struct err *err)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
		rc = bind_one(st, (int)i + 1, &args[i], copy);
	if (rc != SQLITE_OK)
		return sqlite_fail(s->db, query_texts[q].name, err);
	return 0;
}

/* 1 = a row, 0 = the end. */
static int stmt_step(struct sqlite_conn *s, enum query q, sqlite3_stmt *st, struct err *err)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return rc == SQLITE_ROW;
	return sqlite_fail(s->db, query_texts[q].name, err);
}

static int rows_query(struct dbc *c, enum query q, const struct arg *args, size_t count,
	struct rows *ret, struct err *err)
{
	sqlite3_stmt *st;

	TRY(stmt_get(conn_of(c), q, &st, err));
	ret->impl = st;
	return bind_all(conn_of(c), q, st, args, count, true, err);
}

static void rows_finish(struct rows *r)
{
	stmt_put(conn_of(r->c), r->query, r->impl);
}

static int rows_step(struct rows *r, struct err *err)
{
	return stmt_step(conn_of(r->c), r->query, r->impl, err);
}

static bool col_null(struct rows *r, int col)
{
	return sqlite3_column_type(r->impl, col) == SQLITE_NULL;
}

static int64_t col_i64(struct rows *r, int col)
{
	return sqlite3_column_int64(r->impl, col);
}

static double col_f64(struct rows *r, int col)
{
	return sqlite3_column_double(r->impl, col);
}

static struct sv col_sv(struct rows *r, int col)
{
	int type = sqlite3_column_type(r->impl, col);

	if (type == SQLITE_NULL)
		return SV_NULL;
	/* An empty blob has no address, but is not absent. */
	const char *p = type == SQLITE_BLOB ? sqlite3_column_blob(r->impl, col)
					    : (const char *)sqlite3_column_text(r->impl, col);
	return sv_make(p ? p : "", (size_t)sqlite3_column_bytes(r->impl, col));
}

/* One row of a statement that returns none (or whose rows nobody wants). */
static int exec_row(struct sqlite_conn *s, enum query q, sqlite3_stmt *st, const struct arg *args,
	size_t count, struct err *err)
{
	int rc;

	TRY(bind_all(s, q, st, args, count, false, err));
	while ((rc = stmt_step(s, q, st, err)) == 1)
		;
	sqlite3_reset(st);
	return rc;
}

static int exec_many(struct dbc *c, enum query q, const struct arg *args, size_t count, size_t rows,
	int64_t *ret_changed, struct err *err)
{
	struct sqlite_conn *s = conn_of(c);
	sqlite3_stmt *st;
	int rc = 0;

	TRY(stmt_get(s, q, &st, err));
	int64_t before = sqlite3_total_changes64(s->db);
	for (size_t i = 0; i < rows && rc == 0; i++)
		rc = exec_row(s, q, st, args + i * count, count, err);
	if (rc == 0 && ret_changed)
		*ret_changed = sqlite3_total_changes64(s->db) - before;
	stmt_put(s, q, st);
	return rc;
}

static int each_key(struct sqlite_conn *s, struct rows *r, int key_at, const struct arg *key,
	size_t index, db_each_fn *fn, void *ctx, struct err *err)
{
	int rc;

	if (bind_one(r->impl, key_at, key, false) != SQLITE_OK)
		return sqlite_fail(s->db, query_texts[r->query].name, err);
	while ((rc = stmt_step(s, r->query, r->impl, err)) == 1)
		TRY(fn(ctx, index, r, err));
	sqlite3_reset(r->impl);
	return rc;
}

static int query_each(struct dbc *c, enum query q, const struct arg *args, size_t count,
	const struct arg *keys, size_t key_count, db_each_fn *fn, void *ctx, struct err *err)
{
	own_in(rows_done) struct rows rows = { .c = c, .query = q };

	TRY(rows_query(c, q, args, count, &rows, err));
	for (size_t i = 0; i < key_count; i++)
		TRY(each_key(conn_of(c), &rows, (int)count + 1, &keys[i], i, fn, ctx, err));
	return 0;
}

static int check_queries(struct dbc *c, struct err *err)
{
	for (size_t i = 0; i < Q_COUNT; i++) {
		sqlite3_stmt *st = NULL;
		if (!query_texts[i].sqlite)
			continue; /* the other back end's own */
		TRY(prepare(conn_of(c), query_texts[i].name, query_texts[i].sqlite, &st, err));
		sqlite3_finalize(st);
	}
	return 0;
}

const struct db_backend db_sqlite = {
	.writers = 1,
	.readers = 2,
	.group_jobs = 64,
	.open = sqlite_store_open,
	.close = sqlite_store_close,
	.backup = sqlite_store_backup,
	.connect = conn_open,
	.disconnect = conn_close,
	.begin = tx_begin,
	.commit = tx_commit,
	.rollback = tx_rollback,
	.in_transaction = tx_open,
	.savepoint = tx_savepoint,
	.release = tx_release,
	.rollback_to = tx_rollback_to,
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
