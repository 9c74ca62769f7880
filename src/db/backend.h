/*
 * The seam between db.c (threads, queues, group commit) and a back end. One struct dbc is one
 * connection and belongs to one thread. Everything returns 0 or a negative error with its text.
 */
#pragma once

#include "base/mem.h"
#include "db/db.h"

#include <pthread.h>

struct dbc {
	const struct db_backend *be;
	struct arena arena; /* of the job that runs */
	struct db_memo *memo; /* NULL: writes */
};

struct db_backend {
	unsigned writers, readers; /* threads by default */
	/* Write jobs that share a commit. 1: no grouping, a job is a transaction. */
	unsigned group_jobs;

	/* What all connections share: the lock on the data, the schema brought up to date. */
	int (*open)(const struct db_config *cfg, void **ret_store, struct err *err);
	void (*close)(void *store);
	/* NULL where the database has its own ways. */
	int (*backup)(void *store, struct db_backup *b, struct err *err);

	int (*connect)(void *store, enum db_mode mode, struct dbc **ret, struct err *err);
	void (*disconnect)(struct dbc *c);

	int (*begin)(struct dbc *c, enum db_mode mode, struct err *err);
	int (*commit)(struct dbc *c, struct err *err);
	void (*rollback)(struct dbc *c);
	/* False once an error (disk full...) has ended the transaction behind our back. */
	bool (*in_transaction)(struct dbc *c);
	/*
	 * After a job or its commit failed: in how many ms it is worth running again (attempt
	 * counts from 1, since_ms is the time since the first), < 0 = not. NULL: never.
	 */
	int (*again_ms)(struct dbc *c, unsigned attempt, int64_t since_ms);
	/* What was last known; NULL: always. Any thread. */
	bool (*reachable)(void *store);
	/* Other nodes; both NULL where there are none. heard(ctx) comes on some thread. */
	int (*listen)(void *store, void (*heard)(void *ctx), void *ctx, struct err *err);
	void (*tell)(void *store);
	int (*savepoint)(struct dbc *c, struct err *err);
	int (*release)(struct dbc *c, struct err *err);
	void (*rollback_to)(struct dbc *c); /* and release */

	int (*query)(struct dbc *c, enum query q, const struct arg *args, size_t count,
		struct rows *ret, struct err *err);
	void (*done)(struct rows *r);
	int (*next)(struct rows *r, struct err *err);
	bool (*is_null)(struct rows *r, int col);
	int64_t (*i64)(struct rows *r, int col);
	double (*f64)(struct rows *r, int col);
	struct sv (*sv)(struct rows *r, int col);
	int (*exec_many)(struct dbc *c, enum query q, const struct arg *args, size_t count,
		size_t rows, int64_t *ret_changed, struct err *err);
	int (*query_each)(struct dbc *c, enum query q, const struct arg *args, size_t count,
		const struct arg *keys, size_t key_count, db_each_fn *fn, void *ctx,
		struct err *err);
	int (*check)(struct dbc *c, struct err *err);
};

/* A thread that gets no signals. */
int db_thread_start(pthread_t *ret, void *(*fn)(void *), void *arg, struct err *err) MUST_CHECK;

extern const struct db_backend db_sqlite, db_postgres;
