/*
 * Where an inbound event goes: the connections it is about, the functions subscribed to it, and
 * the app (spec/orchestration.md 6.2, 6.3, 6.5). Synchronous, inside a write job.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "model/integration.h"

struct dbc;
struct json_t;

struct route_event {
	const struct integration *integration;
	const struct json_t
		*headers; /* {lower-case name: value}; ":query" is that of the address */
	struct json_t *body; /* as rule_body gives it */
	bool hello; /* a greeting: for the app only */
	struct sv token; /* that each event must carry, where the rule says so; absent = any */
};

struct route_result {
	unsigned runs, forwards;
};

/* Queues the webhook runs and owes the forwards. Adds to *ret. */
int route_event(struct dbc *c, struct arena *a, const struct route_event *ev,
	struct route_result *ret, struct err *err) MUST_CHECK;
