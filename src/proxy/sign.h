/*
 * Requests that are signed: OAuth 1.0a, token-based authentication in the manner of NetSuite (TBA),
 * AWS Signature Version 4. Pure.
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

/*
 * AWS Signature Version 4, over everything that will be sent: last of all. Nothing for other types.
 * ERR_INVALID when keys or the service are missing.
 */
int proxy_sign_aws(const struct proxy_vars *v, struct http_request *req, struct err *err);
