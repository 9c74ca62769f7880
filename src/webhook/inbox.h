/*
 * Webhooks of providers: POST /webhook/{environment uuid}/{integration}. The event is stored
 * before it is acknowledged and only once, verified when the integration has a secret (no valid
 * signature: 401), then routed: to the connections it is about, one queued webhook run for each
 * of their subscribed functions, and forwarded to the app. What each provider does differently is
 * one row of webhook/rules.def.
 *
 * Everything here is synchronous, inside a write job.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "http/header.h"

struct dbc;
struct keyring;
struct providers;

/* What inbox needs of the process; borrowed. */
struct inbox {
	struct keyring *keys;
	const struct providers *providers;
};

struct inbox_event {
	struct sv environment_uuid, integration; /* of the path, decoded */
	const struct http_header *headers;
	size_t header_count;
	struct sv query; /* raw, without '?'; may be absent */
	struct sv body; /* as received */
};

struct inbox_result {
	int status;
	const char *content_type; /* NULL: no body */
	struct sv body; /* in the job's arena (db_arena) or static */
	int64_t id; /* of the stored event, 0 = none */
	bool duplicate; /* seen before: acknowledged, nothing done */
	unsigned runs; /* queued: wake the scheduler after the commit */
	unsigned forwards; /* owed: wake the outbox after the commit */
};

/*
 * Receives an event; refusals are results too (404 unknown_environment, 401...). An error means
 * that it could not be stored: answer 503, so that the provider sends it again. When routing fails
 * the event stays stored as pending, for inbox_route_pending.
 */
int inbox_receive(struct dbc *c, const struct inbox *in, const struct inbox_event *ev,
	struct arena *arena, struct inbox_result *ret, struct err *err);

/* Routes up to `limit` events that were stored but not routed; at start and now and then. */
int inbox_route_pending(struct dbc *c, const struct inbox *in, unsigned limit,
	struct inbox_result *ret, struct err *err);

/* Forgets events received before `before_ms`, looking at the oldest `limit`: the window in which
 * repeats are recognised. */
int inbox_prune(
	struct dbc *c, int64_t before_ms, int64_t limit, int64_t *ret_deleted, struct err *err);
