/*
 * The database: one interface, two back ends behind it (SQLite file; PostgreSQL). What blocks is a
 * job: straight-line C that runs on a database thread with a connection, inside one transaction.
 * SQLite has one writer thread and N readers; queued write jobs share a commit (one that
 * fails takes back only its own), and a job completes only after the commit that holds it is
 * durable.
 *
 * Threads: db_submit from the loop thread; completions arrive on the loop; everything that takes a
 * struct dbc only inside a job. All text of SQL lives in sql/ and is reached by enum query.
 */
#pragma once

#include "base/err.h"
#include "io/flow.h"

#include <pthread.h>

#include "db/queries.h" /* generated from sql/queries: enum query, Q_<NAME> */

struct db;
struct dbc; /* a connection, as a job sees it */

struct db_config {
	const char *path; /* SQLite file, created when absent */
	const char *url; /* postgres://..., wins over path */
	unsigned readers; /* reader threads; 0 = default */
	bool shared; /* beside the server that owns the file: short write jobs, no migration */
};

/*
 * Opens, migrates to the schema of this binary. ERR_CONFLICT: the schema is newer than we know, or
 * another server uses the file. Without a loop only db_run works.
 */
int db_open(const struct db_config *cfg, struct loop *loop, struct db **ret,
	struct err *err) MUST_CHECK;
/*
 * Runs what is queued, closes. Completions still to come are lost: the loop must not run after this
 * when jobs were in flight (db_idle waits for them). NULL is fine.
 */
void db_close(struct db *db);
OWN_FN(struct db, db_close)

enum db_mode { DB_READ, DB_WRITE };

/*
 * A job: returns 0 or an error (then nothing it wrote stays). It must not touch loop objects.
 * It may be run again from the start when the back end asks for it (deadlock, lost connection
 * before commit), so it writes its results only to its own arg.
 */
typedef int db_job_fn(struct dbc *c, void *arg, struct err *err);

/*
 * Queues a job; op->done(op->ctx, err) comes on the loop. The caller set done and ctx. Cancelling
 * takes back a job that has not started; a running one ends by itself.
 */
void db_submit(struct db *db, enum db_mode mode, struct op *op, db_job_fn *job, void *arg);

/*
 * Completes once every job that was submitted has run and its completion has come: what they point
 * to may go then. Nobody may go on submitting; one at a time.
 */
void db_idle(struct db *db, struct op *op);

/* Runs a job and waits: for start-up, command line and tests, never on a running loop. */
int db_run(struct db *db, enum db_mode mode, db_job_fn *job, void *arg, struct err *err);

/* Queries. Arguments are typed; text and blobs are borrowed for the call. */
struct arg {
	enum { ARG_NULL, ARG_I64, ARG_F64, ARG_TEXT, ARG_BLOB } type;
	union {
		int64_t i64;
		double f64;
		struct sv sv;
	};
};

static inline struct arg arg_null(void)
{
	return (struct arg){ .type = ARG_NULL };
}

static inline struct arg arg_i64(int64_t v)
{
	return (struct arg){ .type = ARG_I64, .i64 = v };
}

/* An absent sv is NULL. */
static inline struct arg arg_sv(struct sv v)
{
	return v.ptr ? (struct arg){ .type = ARG_TEXT, .sv = v } : arg_null();
}

static inline struct arg arg_str(const char *v)
{
	return arg_sv(sv_str(v));
}

static inline struct arg arg_blob(struct sv v)
{
	return v.ptr ? (struct arg){ .type = ARG_BLOB, .sv = v } : arg_null();
}

#define ARGS(...) \
	(const struct arg[]){ __VA_ARGS__ }, ARRAY_LEN(((const struct arg[]){ __VA_ARGS__ }))
#define NO_ARGS NULL, 0

struct rows {
	struct dbc *c;
	void *impl; /* the back end's statement or result */
	enum query query;
};

/* Starts a query; rows_done() always, also after an error (own_in(rows_done)). */
int db_query(struct dbc *c, enum query q, const struct arg *args, size_t count, struct rows *ret,
	struct err *err) MUST_CHECK;
void rows_done(struct rows *r);

/* 1 = a row is there, 0 = no more, < 0 error. */
int rows_next(struct rows *r, struct err *err) MUST_CHECK;

/* Columns of the current row; text and blobs live until the next rows_next or rows_done. */
bool row_null(struct rows *r, int col);
int64_t row_i64(struct rows *r, int col); /* NULL reads as 0 */
double row_f64(struct rows *r, int col);
struct sv row_sv(struct rows *r, int col); /* text or blob; NULL reads as absent */

/* A statement without rows. ret_changed may be NULL. ERR_CONFLICT on a unique violation. */
int db_exec(struct dbc *c, enum query q, const struct arg *args, size_t count, int64_t *ret_changed,
	struct err *err) MUST_CHECK;

/*
 * The same statement for `rows` rows of `count` arguments each, all in one array. One round trip
 * where there are any: what writes many rows uses this, never a loop over db_exec.
 */
int db_exec_many(struct dbc *c, enum query q, const struct arg *args, size_t count, size_t rows,
	int64_t *ret_changed, struct err *err) MUST_CHECK;

/*
 * The same query for many keys: its arguments are args and then, last, the key. fn gets every row
 * with the index of the key that found it, in no particular order of keys. (PostgreSQL gets all
 * keys, which are of one type, at once as an array, and its text of the query returns the index,
 * from 0, behind the other columns.)
 */
typedef int db_each_fn(void *ctx, size_t key, struct rows *row, struct err *err);
int db_query_each(struct dbc *c, enum query q, const struct arg *args, size_t count,
	const struct arg *keys, size_t key_count, db_each_fn *fn, void *ctx,
	struct err *err) MUST_CHECK;

/* As db_query, already on the first row; ERR_NOT_FOUND without one. */
int db_one(struct dbc *c, enum query q, const struct arg *args, size_t count, struct rows *ret,
	struct err *err) MUST_CHECK;

/* The first column of the only row as a number (INSERT ... RETURNING id, COUNT). */
int db_one_i64(struct dbc *c, enum query q, const struct arg *args, size_t count, int64_t *ret,
	struct err *err) MUST_CHECK;

/*
 * Nested savepoint inside a job, for work that may fail without failing the job: runs fn; on its
 * error rolls back what fn wrote and returns that error.
 */
int db_nested(struct dbc *c, db_job_fn *fn, void *arg, struct err *err);

/* An arena of the job, freed when the job ends: results are copied out before. */
struct arena *db_arena(struct dbc *c);

/*
 * What read jobs keep from one to the next, all those of a database together: `data` is theirs to
 * set and is given to `free` when the database closes. Each reads it and writes it with the lock
 * held. NULL in write jobs, which may see what is then taken back.
 */
struct db_memo {
	pthread_mutex_t lock;
	void *data;
	void (*free)(void *data);
};
struct db_memo *db_memo(struct dbc *c);

/* Prepares every query: an error names the first that does not fit the schema. */
int db_check(struct dbc *c, struct err *err);

/*
 * A checked copy of the whole database as one file of mode 0600, of one moment, while jobs run here
 * and in other processes. Blocking, on the caller's thread. ERR_CONFLICT: the file exists.
 * ERR_INVALID: this back end has none.
 */
struct db_backup {
	const char *path; /* to be made; "<path>.part" until it is whole */
	void (*tell)(void *ctx, const char *what, int64_t done, int64_t total); /* may be NULL */
	void *ctx;
};
int db_backup(struct db *db, struct db_backup *b, struct err *err) MUST_CHECK;

/* Counters for /metrics: jobs, commits, queue length. */
struct db_stats {
	int64_t jobs, commits, queued;
};
void db_stats(struct db *db, struct db_stats *ret);

/*
 * Other nodes on the same database: db_tell says "look again" to them, and db_hear has fn(ctx)
 * called on the loop when one of them said so (often once for several times). A hint that may get
 * lost, for after a commit; nothing happens on a store that nobody shares. Loop thread.
 */
int db_hear(struct db *db, void (*fn)(void *ctx), void *ctx, struct err *err) MUST_CHECK;
void db_tell(struct db *db);

/* Whether the database server answered last time; a file always does. Any thread. */
bool db_reachable(const struct db *db);
