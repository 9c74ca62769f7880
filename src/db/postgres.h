/*
 * What the parts of the PostgreSQL back end share: postgres_open.c connects and migrates,
 * postgres_value.c turns arguments and columns into the wire's binary format and back,
 * postgres_tx.c keeps one connection's transaction (and what became of it when the connection
 * broke), postgres.c runs the statements, postgres_listen.c
 * has a thread with a connection of its own, for what other nodes say.
 *
 * A connection is always in libpq's pipeline mode: what needs no answer of its own (BEGIN,
 * savepoints, the end of a read) travels with the next statement, so that a job that reads one
 * thing takes one round trip and a write job as many as it has statements, and one for the commit.
 */
#pragma once

#include "base/buf.h"
#include "db/backend.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

/* How long a job is tried again while the server cannot be reached; a restart fits into it. */
#define PG_PATIENCE_MS 30000

/* What PostgreSQL said about a statement, the same on every connection. */
struct pg_types {
	int count;
	Oid *oids; /* of the parameters */
};

/* What all connections share. */
struct pg_store {
	char **names, **values; /* of libpq's settings; both end with NULL, `options` comes last */
	char (*statements)[20]; /* name of each query's prepared statement: a hash of its text */
	/* A pooler stands between that keeps no prepared statements, or drops our settings. */
	atomic_bool unprepared, unset;
	atomic_bool reachable; /* the last thing known */
	pthread_mutex_t lock; /* guards types */
	struct pg_types *types[Q_COUNT + 1];
	struct pg_ear *ear; /* NULL: nobody listens */
};

enum pg_tx {
	TX_NONE,
	TX_PENDING, /* begun, but nothing sent yet */
	TX_OPEN
};

/* Why the last job failed, as far as running it again can help. */
enum pg_trouble {
	PG_NO_TROUBLE,
	PG_LOST, /* the connection, before the commit took effect */
	PG_DEADLOCK, /* or a serialization failure */
	PG_POOLER /* sent without prepared statements, it will work */
};

struct pg_conn {
	struct dbc base;
	struct pg_store *store;
	enum db_mode mode;
	PGconn *pg; /* NULL after it was lost */
	bool prepared[Q_COUNT + 1];
	enum pg_tx tx;
	enum pg_trouble trouble;
	unsigned ends_unread; /* answers of transaction ends that nobody waited for */
	int queued, id_at; /* commands since the last round trip; which of them returns tx_id */
	char tx_id[24]; /* of a write job: tells after a lost connection whether it was committed */
	char era[48]; /* of the server we are connected to: another one after it has crashed */
	struct buf scratch; /* encoded arguments */
};

static inline struct pg_conn *pg_conn_of(struct dbc *c)
{
	return container_of(c, struct pg_conn, base);
}

/* postgres_open.c */

int pg_store_open(const struct db_config *cfg, void **ret_store, struct err *err);
void pg_store_close(void *store);

/* Connects (again), in pipeline mode. ERR_IO when the server cannot be reached. */
int pg_connect(struct pg_conn *p, struct err *err);
void pg_disconnect(struct pg_conn *p);

/* An error of the server or of the connection as ours; notes in p->trouble whether to try again. */
int pg_fail(struct pg_conn *p, const PGresult *res, const char *what, struct err *err);

/* postgres_listen.c */

/* Starts the thread that listens; heard(ctx) is called on it. */
int pg_listen(void *store, void (*heard)(void *ctx), void *ctx, struct err *err);
void pg_tell(void *store);
void pg_ear_free(struct pg_ear *e);

/* postgres_tx.c */

int pg_begin(struct dbc *c, enum db_mode mode, struct err *err);
int pg_commit(struct dbc *c, struct err *err);
void pg_rollback(struct dbc *c);
bool pg_in_transaction(struct dbc *c);
int pg_savepoint(struct dbc *c, struct err *err);
int pg_release(struct dbc *c, struct err *err);
void pg_rollback_to(struct dbc *c);
int pg_again_ms(struct dbc *c, unsigned attempt, int64_t since_ms);

/* The connection refused to send: pg_fail, and it is given up. */
int pg_lost(struct pg_conn *p, const char *what, struct err *err);

/* Queues a command without arguments or answer. */
int pg_queue(struct pg_conn *p, const char *sql, struct err *err);

/* Queues the BEGIN that is still due. Every statement starts with it. */
int pg_queue_begin(struct pg_conn *p, struct err *err);

/*
 * Sends what is queued and reads all answers. The first error is the result; ret (may be NULL) is
 * the last answer, the caller's to PQclear.
 */
int pg_round_trip(struct pg_conn *p, const char *what, PGresult **ret, struct err *err);

/* postgres_value.c */

#define PG_ARGS_MAX 64

/* Arguments in the wire's format, borrowed from `scratch` and from the struct args. */
struct pg_values {
	int count;
	const char *values[PG_ARGS_MAX];
	int lengths[PG_ARGS_MAX], formats[PG_ARGS_MAX];
	ptrdiff_t offsets[PG_ARGS_MAX]; /* into scratch; -1 = elsewhere */
};

bool pg_is_array(Oid type);
/* Of a column: it can be decoded. */
bool pg_type_is_known(Oid type);
/* Of a parameter: it can be encoded, whatever its value; our numbers have 64 bits. */
bool pg_type_takes_all(Oid type);

/*
 * Encodes `rows` rows of `count` arguments: a parameter of an array type gets its argument of all
 * rows, any other the one that all rows share (asserted). scratch is cleared.
 */
int pg_encode(const struct pg_types *t, const char *what, const struct arg *args, size_t count,
	size_t rows, struct buf *scratch, struct pg_values *ret, struct err *err);

/* A column that is not NULL; its type is one of pg_type_is_known(). */
int64_t pg_decode_i64(Oid type, const char *bytes);
double pg_decode_f64(Oid type, const char *bytes);
