/*
 * Sealed blobs: AES-256-GCM with associated data. A blob is: version (1 byte), key id (4, little
 * endian), nonce (12, random), ciphertext, tag (16). It opens only with the same key and the same
 * associated data, which says what the blob is and where it belongs; so a blob copied to another
 * row does not open there.
 *
 * Any thread; cipher contexts are kept per thread, with the key last used set up in them.
 */
#pragma once

#include "base/err.h"

enum { AEAD_KEY_SIZE = 32, AEAD_OVERHEAD = 1 + 4 + 12 + 16 };

struct aead_key {
	uint64_t serial; /* tells keys apart in the threads' contexts; set by aead_key_init */
	uint32_t id; /* as written into blobs */
	unsigned char bytes[AEAD_KEY_SIZE];
};

void aead_key_init(struct aead_key *k, uint32_t id, const unsigned char bytes[AEAD_KEY_SIZE]);
void aead_key_done(struct aead_key *k); /* wipes it */

/* Writes plain.len + AEAD_OVERHEAD bytes. */
void aead_seal(const struct aead_key *k, struct sv ad, struct sv plain, unsigned char *out);

/* Writes sealed.len - AEAD_OVERHEAD bytes, and nothing to rely on after an error. */
int aead_open(const struct aead_key *k, struct sv ad, struct sv sealed, unsigned char *out,
	struct err *err) MUST_CHECK;

/* The id of the key that sealed this. ERR_INVALID when it is no sealed blob. */
int aead_key_id(struct sv sealed, uint32_t *ret, struct err *err) MUST_CHECK;
