/*
 * OAuth 1.0a (RFC 5849): the Authorization header that signs a request. Pure, any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"

enum oauth1_method { OAUTH1_HMAC_SHA1, OAUTH1_HMAC_SHA256, OAUTH1_PLAINTEXT };

/* "HMAC-SHA256" and so on, in any case; HMAC-SHA1 for anything else. */
enum oauth1_method oauth1_method(struct sv name);

struct oauth1 {
	enum oauth1_method method;
	struct sv consumer_key, consumer_secret;
	struct sv token, token_secret; /* absent: there is none yet */
	struct sv callback, verifier; /* of the requests for tokens (RFC 5849, 2); absent = none */
	struct sv realm; /* absent = none */
	struct sv nonce;
	int64_t timestamp; /* seconds */
	/* The request. */
	struct sv http_method;
	struct sv url; /* scheme, host and path, normalised, without the query */
	struct sv query; /* as it is sent */
	struct sv form; /* the body when it is a form, else absent */
	bool no_version; /* leaves out oauth_version, which is optional */
};

/* What is signed (3.4.1), in the arena; absent for more than PARAMS_MAX parameters. */
struct sv oauth1_base_string(const struct oauth1 *o, struct arena *a);
/* The value of the header: OAuth realm="...", oauth_consumer_key="..."... In the arena; absent as
 * above. */
struct sv oauth1_header(const struct oauth1 *o, struct arena *a);
