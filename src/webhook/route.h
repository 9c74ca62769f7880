/*
 * Where an inbound event goes: the connections it is about, the functions subscribed to it, and
 * the app (spec/orchestration.md 6.2, 6.3, 6.5). Synchronous, inside a write job.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "model/integration.h"
#include "webhook/sign.h"

struct dbc;
struct json_t;

struct route_rule {
	const char *provider;
	enum sign_scheme scheme;
	const char *signature_header;
	const char *identifier, *property; /* "" = every connection */
	const char *type_path, *type_header;
};

/* The rule of a provider, or the general one. */
const struct route_rule *route_rule_of(struct sv provider);

struct route_event {
	const struct integration *integration;
	struct json_t *headers; /* {lower-case name: value}; ":query" is that of the address */
	struct sv body; /* as received */
};

struct route_result {
	unsigned runs, forwards;
};

/* Queues the webhook runs and owes the forwards. Adds to *ret. */
int route_event(struct dbc *c, struct arena *a, const struct route_event *ev,
	struct route_result *ret, struct err *err) MUST_CHECK;
