/*
 * The users' log: operations (a run, a trigger, a delivery...) and their messages, kept in the
 * store for a retention period.
 *
 * Two ways in. Inside a database job, operations are opened and closed together with what they
 * describe. From the loop, messages are buffered and written in batches, every 50 ms or 256 lines;
 * the buffer is bounded, and what does not fit is dropped and counted in one warning line.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "io/flow.h"

struct db;
struct dbc;
struct oplog;

#define OPLOG_ID_SIZE 26
/* "<epoch ms>_<8 letters and digits>" into out. Any thread. Returns out. */
char *oplog_id(int64_t now_ms, char out[OPLOG_ID_SIZE]);

struct oplog_operation {
	const char *id; /* from oplog_id */
	int64_t environment_id;
	const char *type, *action; /* "sync", "run" */
	const char *state; /* waiting | running | success | failed | timeout | cancelled */
	struct sv message;
	struct sv integration, connection, function, variant; /* names; may be absent */
	int64_t run_id; /* 0 = none */
	struct sv meta, error; /* JSON; absent = none */
	int64_t created_ms, ended_ms; /* ended 0 = open */
};

/* Inside a job. Closing leaves an operation that has ended as it is. */
int oplog_open(struct dbc *c, const struct oplog_operation *op, struct err *err) MUST_CHECK;
int oplog_close(struct dbc *c, const char *id, const char *state, struct sv meta, struct sv error,
	int64_t now_ms, struct err *err) MUST_CHECK;
int oplog_write(struct dbc *c, const char *operation, const char *level, const char *type,
	const char *source, struct sv text, struct sv meta, int64_t now_ms,
	struct err *err) MUST_CHECK;
/* Deletes at most `limit` operations that began before the time, with their messages. */
int oplog_prune(struct dbc *c, int64_t before_ms, int64_t limit, int64_t *ret_deleted,
	struct err *err) MUST_CHECK;

/* From the loop thread. */
struct oplog *oplog_new(struct loop *loop, struct db *db);
/* Everything must have been flushed (oplog_flush); NULL is fine. */
void oplog_free(struct oplog *o);
OWN_FN(struct oplog, oplog_free)

/* All copied. An operation as a whole, open or ended, for those who have no job of their own. */
void oplog_operation(struct oplog *o, const struct oplog_operation *op);
/* level: debug | info | warn | error; type: log | http; source: internal | user. */
void oplog_message(struct oplog *o, const char *operation, const char *level, const char *type,
	const char *source, struct sv text, struct sv meta);

/* Completes op when everything logged before is in the store. */
void oplog_flush(struct oplog *o, struct op *op);
