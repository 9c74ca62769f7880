/*
 * The route table: an array of patterns compiled once and matched against request paths. Segments
 * are literal, `{name}` (one segment) or `{name...}` (everything up to the rest of the pattern:
 * connection ids contain slashes). Literal beats parameter beats tail, segment by segment. A
 * trailing slash of the request is ignored. HEAD is served by GET. Immutable after router_new;
 * pure functions.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct route {
	const char *method; /* "GET"; NULL = any */
	const char *pattern; /* "/connections/{id...}" */
	const void *handler; /* the caller's own */
	size_t body_limit; /* bytes; 0 = no body accepted */
	unsigned flags; /* the caller's own */
};

struct router;

enum { ROUTE_PARAMS_MAX = 8 };

struct route_param {
	struct sv name;
	struct sv value; /* decoded */
	struct sv raw; /* as it came, borrowed from the path */
};

struct route_match {
	const struct route *route;
	struct route_param params[ROUTE_PARAMS_MAX];
	size_t param_count;
	const char *allow; /* of ROUTER_METHOD: "GET, POST", in the arena */
};

enum router_result { ROUTER_OK, ROUTER_NOT_FOUND, ROUTER_METHOD };

/* Compiles; routes is borrowed. ERR_INVALID for a broken or doubled pattern. */
int router_new(const struct route *routes, size_t count, struct router **ret, struct err *err);
void router_free(struct router *r);
OWN_FN(struct router, router_free)

/* raw_path: still percent-encoded, without query. Decoded values live in the arena. */
enum router_result router_match(const struct router *r, struct sv method, struct sv raw_path,
	struct arena *arena, struct route_match *ret);

/* The decoded value of a parameter; absent when the route has none of that name. */
struct sv route_param(const struct route_match *m, const char *name);
