/*
 * Connections that functions for the event validate-connection have yet to accept. From the commit
 * that stores the credentials until the verdict, the connection's errors name the operation of the
 * validation, a new one has no syncs, and its row here says so; a verdict takes that row away and
 * does what follows in the same transaction. If whoever waits for the functions dies, the row
 * stays, and validation_sweep refuses the connection in his place. Synchronous, inside write jobs.
 */
#pragma once

#include "base/err.h"
#include "model/oplog.h"

struct connection;
struct dbc;
struct providers;

/* Begins it, or begins it anew: a verdict on the former credentials counts no more. */
int validation_begin(struct dbc *c, const struct connection *conn, bool created, int64_t until_ms,
	char ret_operation[OPLOG_ID_SIZE], struct err *err);

/* Nobody is to be asked any more. *ret_new: the connection was never accepted; else as it was. */
int validation_forget(struct dbc *c, int64_t connection, bool *ret_new, struct err *err);

/*
 * Accepted: its errors are cleared. ERR_NOT_FOUND when other credentials came in the meantime, or
 * it was deleted: then there is nothing to accept.
 */
int validation_accept(
	struct dbc *c, int64_t connection, const char *operation, bool *ret_new, struct err *err);

/*
 * Refused, for this reason: a new connection is deleted for good; another stays in error, its token
 * is not refreshed any more, and the app is told (*ret_owed webhooks). ERR_NOT_FOUND as above.
 */
int validation_reject(struct dbc *c, const struct providers *providers, int64_t connection,
	const char *operation, struct sv reason, int64_t *ret_owed, struct err *err);

/* Refuses those whose time is over, at most 100. */
struct validation_swept {
	int64_t refused, owed; /* connections; webhooks */
};
int validation_sweep(struct dbc *c, const struct providers *providers, struct validation_swept *ret,
	struct err *err);
/* Where no other server can be: what a killed one was in the middle of is over. */
int validation_expire_all(struct dbc *c, struct err *err);
