/*
 * Authorization headers that sign the request: OAuth 1.0a, and token-based authentication in the
 * manner of NetSuite (TBA). Pure.
 */
#pragma once

#include "proxy/proxy.h"
#include "proxy/vars.h"

/*
 * The header's value for a request whose URL is in v, in the arena of v; absent when the type of
 * the credentials does not sign. ERR_INVALID when there is no consumer key to sign with.
 */
int proxy_sign(const struct proxy_vars *v, const struct proxy_request *req, struct sv *ret,
	struct err *err);
