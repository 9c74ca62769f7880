/*
 * Signatures of webhooks, outbound and inbound (spec/orchestration.md 5.3, 6.6), as pure functions
 * of bytes. Any thread.
 */
#pragma once

#include "base/buf.h"

/* X-Nango-Signature: hex SHA-256(key || body). Kept for compatibility; prefer the HMAC. */
void sign_legacy(struct sv key, struct sv body, struct buf *out);

/* X-Nango-Hmac-Sha256: hex HMAC-SHA256(key, body). */
void sign_hmac(struct sv key, struct sv body, struct buf *out);

/*
 * webhook-signature of Standard Webhooks: "v1," base64(HMAC-SHA256(key, id.timestamp.body)). The
 * secret that a receiver's library wants is "whsec_" + base64(key).
 */
void sign_standard(
	struct sv key, struct sv id, int64_t timestamp_s, struct sv body, struct buf *out);

/* How a provider signs what it sends. */
enum sign_scheme {
	SIGN_NONE,
	SIGN_HMAC256_HEX, /* hex HMAC-SHA256(secret, body), with or without "sha256=" */
	SIGN_HMAC256_BASE64,
	SIGN_HMAC1_BASE64, /* "sha1=" + base64 HMAC-SHA1(secret, body) */
	SIGN_SHA1_HEX, /* hex SHA-1(secret || body) */
	SIGN_SHA256_HEX, /* hex SHA-256(secret || body) */
	SIGN_TOKEN, /* the header is the secret itself */
	SIGN_T_V1, /* "t=<s>,v1=<hex>": HMAC-SHA256 of "t.body" */
	SIGN_STANDARD, /* webhook-id, webhook-timestamp, webhook-signature (or svix-*) */
	SIGN_SLACK, /* x-slack-signature: v0= hex HMAC-SHA256 of "v0:<timestamp>:body" */
};

struct sign_input {
	enum sign_scheme scheme;
	struct sv secret;
	struct sv signature; /* of the provider's header; absent never verifies */
	struct sv id, timestamp; /* the headers beside it, where the scheme has them */
	struct sv body; /* the bytes as received */
	int64_t now_ms;
	int64_t tolerance_ms; /* age of a signed timestamp; 0 = any */
};

/* Constant time in the secret; false for whatever is not exactly right. */
bool sign_verify(const struct sign_input *in);
