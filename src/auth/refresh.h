/*
 * Refreshing the tokens of connections. One refresh per connection at a time: requests of this
 * process share it, other processes are kept out by a lease in the store, and the new credentials
 * are written only over those the refresh began with. A refresh that has begun is finished even
 * when nobody waits any more: the provider may have taken the old refresh token back already.
 *
 * A failure is remembered: the connection's errors say so, the app gets a webhook, and nothing is
 * asked again for a while that doubles with each failure; for ever (until the credentials change)
 * when the provider says that the grant is invalid, or after failures on four days. Meanwhile the
 * old token is used as long as it lives. Loop thread.
 */
#pragma once

#include "base/err.h"
#include "io/flow.h"

struct db;
struct http_client;
struct keyring;
struct loop;
struct node;
struct providers;
struct refresher;

/* All borrowed for the refresher's life. */
struct refresher_config {
	struct loop *loop;
	struct db *db;
	struct keyring *keys;
	struct http_client *client;
	const struct providers *providers;
	const struct node *node;
	int64_t backoff_ms; /* after a first failure; 0 = 30 s */
	void (*owed)(void *ctx); /* webhooks were put into the outbox; may be NULL */
	void *ctx;
};

struct refresher *refresher_new(const struct refresher_config *cfg);
void refresher_free(struct refresher *r); /* nothing in flight (refresher_drain); NULL is fine */
OWN_FN(struct refresher, refresher_free)
/* Calls fn, later, when no refresh is in flight. */
void refresher_drain(struct refresher *r, void (*fn)(void *ctx), void *ctx);

/* Since the start; in_flight: now. */
struct refresher_stats {
	int64_t renewed, failed, in_flight;
	int64_t waited; /* times that another server was found at it */
};
struct refresher_stats refresher_stats(const struct refresher *r);

enum refresh_why {
	REFRESH_DUE, /* if the token is about to expire */
	REFRESH_REFUSED, /* the provider refused the token, unless it has just been renewed */
	REFRESH_DEMANDED, /* in any case, failures or not */
};

struct refresh_outcome {
	bool renewed; /* the stored credentials are others than before */
	bool usable; /* they may be used */
	/* Why they were not renewed though they should have been; code empty = nothing to say. */
	char code[40]; /* connection_refresh_backoff, connection_refresh_exhausted... */
	int status; /* the HTTP status that stands for it */
	char message[248];
};

struct refresh_request {
	int64_t connection; /* the internal id */
	enum refresh_why why;
	struct sv known; /* the sealed credentials the caller has: others will do. May be absent */
};

/*
 * op->done comes with ERR_OK also when the refresh failed: *ret says so. req is copied. Cancelling
 * ends the waiting, not the refresh.
 */
void refresh_connection(struct refresher *r, struct op *op, const struct refresh_request *req,
	struct refresh_outcome *ret);
