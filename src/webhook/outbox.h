/*
 * Webhooks owed to the app. A row is written in the transaction that caused it, so what was
 * committed is delivered at least once, also after a crash; receivers recognise repeats by
 * `webhook-id`. Deliveries of one lane (connection and sync, per URL) happen one after the other
 * in order; lanes are independent. A delivery is tried for three days.
 *
 * outbox_add and the other functions on a struct dbc run inside a write job; whoever submitted it
 * calls outbox_wake after the commit. The rest is for the loop thread.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "io/loop.h"

struct db;
struct dbc;
struct http_client;
struct keyring;
struct outbox;

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

/* Owes a delivered or dead message again, under the same uuid. ERR_NOT_FOUND. */
int outbox_resend(struct dbc *c, int64_t environment_id, struct sv uuid, struct err *err);

/* Forgets deliveries that ended before `before_ms`. */
int outbox_prune(struct dbc *c, int64_t before_ms, struct err *err);

struct outbox_config {
	struct loop *loop;
	struct db *db;
	struct keyring *keys;
	struct http_client *client; /* its guard decides where webhooks may go */
	unsigned parallel; /* deliveries at once; 0 = 32 */
	int64_t backoff_base_ms; /* 0 = 5 s; tests set less */
};

/* Starts delivering what is due. */
struct outbox *outbox_new(const struct outbox_config *cfg);
/* Something may be due now: looks at once. */
void outbox_wake(struct outbox *o);
/* Stops taking deliveries; done comes on the loop when none is in flight (they are cut short and
 * stay owed). */
void outbox_drain(struct outbox *o, void (*done)(void *ctx), void *ctx);
void outbox_free(struct outbox *o); /* drained; NULL is fine */
OWN_FN(struct outbox, outbox_free)

struct outbox_stats {
	int64_t delivered, failed, dead, in_flight;
};
struct outbox_stats outbox_stats(const struct outbox *o);
