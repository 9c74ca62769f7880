/*
 * Sending a customer to a provider to authorise us, and the grant that follows (RFC 6749, 4.1, with
 * PKCE, RFC 7636). Pure.
 */
#pragma once

#include "auth/grant.h"

#define PKCE_SIZE 44

/* A verifier of 43 characters; the challenge that stands for it (S256). */
void pkce_verifier(char out[PKCE_SIZE]);
void pkce_challenge(struct sv verifier, char out[PKCE_SIZE]);

struct authorize {
	struct sv state, redirect_uri;
	struct sv verifier; /* absent: the provider wants none */
	struct sv scopes; /* comma list instead of the integration's; absent = none given */
	const struct json_t *params; /* further ones of the authorisation URL; may be NULL */
};

/* Whether to send a PKCE challenge. */
bool authorize_wants_pkce(const struct provider *p);
/* The URL that the customer's browser is sent to. ERR_INVALID says what is not set up. */
int authorize_url(
	const struct grant *g, const struct authorize *a, struct sv *ret, struct err *err);

/* The request that exchanges the code; its answer is one for grant_oauth2_take. */
int authorize_ask(const struct grant *g, const struct authorize *a, struct sv code,
	struct http_request *ret, struct err *err);
