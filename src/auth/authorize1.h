/*
 * The three steps of OAuth 1.0a by which a customer authorises us (RFC 5849, 2): a request token,
 * the customer's browser, an access token. Pure.
 */
#pragma once

#include "auth/grant.h"

/* The request for a request token; the customer comes back to `callback`. ERR_INVALID. */
int authorize1_begin(
	const struct grant *g, struct sv callback, struct http_request *ret, struct err *err);

/* A token and its secret, in the answer to either request. In the answer, ERR_UPSTREAM. */
struct authorize1_token {
	struct sv token, secret;
};
int authorize1_token(const struct json_t *answer, struct authorize1_token *ret, struct err *err);

/* Where the browser is sent to with that token; params: further ones, may be NULL. */
int authorize1_url(const struct grant *g, struct sv token, const struct json_t *params,
	struct sv *ret, struct err *err);

/* The request that exchanges the request token for an access token. */
int authorize1_exchange(const struct grant *g, const struct authorize1_token *t, struct sv verifier,
	struct http_request *ret, struct err *err);
/* Its answer as credentials, into g->next. */
int authorize1_accept(struct grant *g, const struct json_t *answer, struct err *err);
