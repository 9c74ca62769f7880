/*
 * Signatures with a private key in PEM, as JSON Web Tokens want them (RFC 7518). The key may have
 * lost its line breaks, have them as \n, or be in Base64 as a whole: that is how people paste keys
 * into forms. Pure, any thread; neither keys nor messages are in error texts.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum sign_alg {
	SIGN_RS256, /* RSASSA-PKCS1-v1_5 with SHA-256 */
	SIGN_ES256, /* ECDSA on P-256 with SHA-256; the signature is r and s, 32 bytes each */
	SIGN_ED25519, /* RFC 8032 */
};

/*
 * The SHA-256 of the public key that belongs to a private one (as SubjectPublicKeyInfo).
 * ERR_INVALID for a key that is none.
 */
int sign_key_hash(struct sv pem, unsigned char ret[32], struct err *err);

/* Appends the signature. ERR_INVALID for a key that is none, or of another kind. */
int sign_bytes(enum sign_alg alg, struct sv pem, struct sv bytes, struct buf *out, struct err *err);
