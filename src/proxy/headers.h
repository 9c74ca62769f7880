/*
 * The header fields of a provider request (spec/function-runtime.md 2.5): what every request
 * sends, the authorization that the type of the credentials means, the provider's templates, the
 * caller's fields; each later one replaces earlier ones of its name. Pure.
 */
#pragma once

#include "http/header.h"
#include "proxy/proxy.h"
#include "proxy/target.h"
#include "proxy/vars.h"

/* Names are in lower case, in the arena of v. ERR_INVALID for what cannot be a header. */
int proxy_headers_build(const struct proxy_vars *v, const struct proxy_request *req,
	struct http_headers *ret, struct err *err);
