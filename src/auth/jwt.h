/*
 * JSON Web Tokens (RFC 7515, 7519) that we sign: with a private key or a shared secret. Pure, any
 * thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct json_t;

/*
 * Appends the compact form. The algorithm is header.alg: RS256, ES256 or HS256; anything else is
 * ERR_INVALID. The key is a PEM, or the bytes of the secret.
 */
int jwt_sign(const struct json_t *header, const struct json_t *payload, struct sv key,
	struct buf *out, struct err *err);

/* The "exp" of a JWT in ms, unverified; 0 when the text is none or does not say. */
int64_t jwt_expiry_ms(struct sv token);
