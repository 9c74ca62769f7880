/*
 * Digests and message authentication (OpenSSL), for signatures, tokens and content that may be
 * hostile. Pure functions of bytes, any thread.
 */
#pragma once

#include "base/base.h"

enum { HASH_SHA1_SIZE = 20, HASH_SHA256_SIZE = 32 };

void hash_sha1(struct sv bytes, unsigned char ret[HASH_SHA1_SIZE]);
void hash_sha256(struct sv bytes, unsigned char ret[HASH_SHA256_SIZE]);
void hash_hmac_sha1(struct sv key, struct sv bytes, unsigned char ret[HASH_SHA1_SIZE]);
void hash_hmac_sha256(struct sv key, struct sv bytes, unsigned char ret[HASH_SHA256_SIZE]);

/* SHA-256 of bytes that come bit by bit. */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *h); /* NULL is fine */
void sha256_add(struct sha256 *h, struct sv bytes);
/* Of what was added so far; more may follow. */
void sha256_so_far(const struct sha256 *h, unsigned char ret[HASH_SHA256_SIZE]);

/* The text of a digest, NUL-terminated: lower-case hex, padded base64. Returns out. */
#define HASH_HEX_SIZE (2 * HASH_SHA256_SIZE + 1)
#define HASH_BASE64_SIZE 45
char *hash_hex(const unsigned char *digest, size_t len, char out[HASH_HEX_SIZE]);
char *hash_base64(const unsigned char *digest, size_t len, char out[HASH_BASE64_SIZE]);

/* Equality in time that depends on the lengths only: for secrets, tokens, signatures. */
bool hash_equal(struct sv a, struct sv b);
