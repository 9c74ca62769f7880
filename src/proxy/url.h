/*
 * The URL of a provider request (spec/function-runtime.md 2.2, 2.3): base and endpoint joined,
 * templates filled, normalised as a browser would, parameters set. Pure.
 */
#pragma once

#include "proxy/proxy.h"
#include "proxy/target.h"
#include "proxy/vars.h"

/*
 * Into the arena of v. ERR_INVALID with *code "missing_api_url", "invalid_query_params" or
 * "invalid_url".
 */
int proxy_url_build(const struct proxy_vars *v, const struct proxy_request *req, struct sv *ret,
	const char **code, struct err *err);

/*
 * `text` normalised: scheme and host in lower case, dot segments removed, what
 * must not stand in a URL percent-encoded, no fragment. ERR_INVALID for what is no http(s) URL.
 */
int url_normalise(struct sv text, struct arena *a, struct sv *ret, struct err *err);

/*
 * URLSearchParams.set for each pair, in order; the whole query is encoded anew. Absent when that
 * makes more than 256 KiB or 2000 parameters.
 */
struct sv url_set_params(
	struct sv url, const struct proxy_pair *params, size_t count, struct arena *a);

/* The alternative of "A || B" that the connection decides (2.2 step 4), or the whole text. */
struct sv url_choose_base(const struct proxy_target *t, struct sv base);

/*
 * The key of an integration_config provider (private-api-generic), if it goes into `placement`
 * ("header", "query").
 */
bool proxy_generic_key(const struct proxy_vars *v, const char *placement, struct proxy_pair *ret);

struct url_parts {
	struct sv scheme, host, path, query; /* host with its port; path and query may be empty */
};
/* Splits a normalised URL. */
struct url_parts url_split(struct sv url);
