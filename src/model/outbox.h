/*
 * Webhooks owed to the app, as rows: written in the transaction that caused them, so that what was
 * committed is delivered (by webhook/outbox.h) at least once, also after a crash. Within a lane,
 * per URL, they are delivered in the order they were added.
 *
 * Synchronous, inside a write job; whoever submitted it wakes the outbox after the commit. Rows
 * are added by outbox_add only: it keeps the order of lanes and the users' log.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;

struct outbox_message {
	int64_t environment_id;
	const char *type; /* sync | auth | forward | async_action */
	const char *action; /* for the users' log: sync, connection_create, forward... */
	struct sv lane; /* what must stay in order among itself; absent = nothing */
	struct sv body; /* exactly the bytes that are signed and sent */
	struct sv headers; /* JSON object of further headers; absent = none */
	struct sv url_override; /* the connection's; absent or blank = none */
	struct sv integration, connection, function, variant; /* for the log; may be absent */
	int64_t run_id; /* for the log; 0 = none */
};

/*
 * Owes the message to the primary and the secondary URL of the environment, or to the override
 * alone. Returns the number of deliveries owed: 0 when no URL is set.
 */
int outbox_add(struct dbc *c, const struct outbox_message *m, struct err *err) MUST_CHECK;

/*
 * The operation of a delivery in the users' log ("<created_ms>_<end of the uuid>"), opened when it
 * is owed and closed when it has ended. In the arena.
 */
const char *outbox_operation(struct arena *a, int64_t created_ms, struct sv uuid);

/* Owes a delivered or dead message again, under the same uuid. ERR_NOT_FOUND. */
int outbox_resend(struct dbc *c, int64_t environment_id, struct sv uuid, struct err *err);

/* Forgets deliveries that ended before `before_ms`, looking at the oldest `limit`. */
int outbox_prune(
	struct dbc *c, int64_t before_ms, int64_t limit, int64_t *ret_deleted, struct err *err);
