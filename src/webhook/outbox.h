/*
 * Delivers the webhooks that are owed to the app (model/outbox.h has the rows). Deliveries of one
 * lane happen one after the other in order; lanes are independent. A delivery is tried for three
 * days: 408, 429, 5xx and network errors again with growing waits, everything else once. It may
 * arrive twice after a crash; receivers recognise repeats by `webhook-id`. Loop thread.
 */
#pragma once

#include "base/err.h"
#include "io/loop.h"
#include "model/outbox.h"

struct db;
struct http_client;
struct keyring;
struct node;
struct outbox;

struct outbox_config {
	struct loop *loop;
	struct db *db;
	struct keyring *keys;
	const struct node *node;
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
