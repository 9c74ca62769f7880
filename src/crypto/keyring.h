/*
 * The keys of a server. A master key (from the environment, or a file made at the first start)
 * wraps one or more data keys per environment; data keys seal everything else. So rotating the
 * master re-wraps a few rows, and what is sealed stays. The rows of wrapped keys are the caller's
 * (table data_keys): this is pure computation.
 *
 * A keyring may be used from any thread; keys are only ever added. The newest (highest id) of an
 * environment seals, all of them open.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "crypto/aead.h"

struct master_key {
	struct aead_key key;
};

/* 32 bytes as base64: the text of a setting. */
int master_key_parse(struct sv base64, struct master_key *ret, struct err *err) MUST_CHECK;
void master_key_done(struct master_key *m); /* wipes it */

/* Tells master keys apart without telling anything about them: 16 hex digits. */
enum { KEY_FINGERPRINT_SIZE = 17 };
void master_key_fingerprint(const struct master_key *m, char ret[KEY_FINGERPRINT_SIZE]);

enum { KEY_WRAPPED_SIZE = AEAD_KEY_SIZE + AEAD_OVERHEAD };

struct keyring;
struct keyring *keyring_new(const struct master_key *m); /* copies the key */
void keyring_free(struct keyring *k); /* wipes all keys; NULL is fine */
OWN_FN(struct keyring, keyring_free)

/*
 * While the master key is rotated there are two. Each opens what it wrapped; the first one wraps
 * until keyring_follow says otherwise. Copies the key; one that is there already is fine.
 */
void keyring_add_master(struct keyring *k, const struct master_key *m);

/*
 * Called when no master opens a row: the place they came from may hold another one by now, which
 * it hands to keyring_add_master. Set before the ring is shared; ctx must outlive the ring.
 */
void keyring_on_unknown(struct keyring *k, void (*fn)(void *ctx, struct keyring *k), void *ctx);

/* The master that opens this stored key wraps from now on. ERR_INVALID: none does. */
int keyring_follow(
	struct keyring *k, int64_t environment, struct sv wrapped, struct err *err) MUST_CHECK;

/* The master that wraps. */
void keyring_fingerprint(const struct keyring *k, char ret[KEY_FINGERPRINT_SIZE]);

/* A new data key for an environment, wrapped: store it, then keyring_add it with its row's id. */
void keyring_make(
	const struct keyring *k, int64_t environment, unsigned char ret_wrapped[KEY_WRAPPED_SIZE]);

/*
 * Adds a stored key; one that is there already is fine. Another one of the same id takes its place:
 * the first was added by a transaction that did not come to its end. ERR_INVALID: the master key is
 * wrong.
 */
int keyring_add(struct keyring *k, int64_t environment, int64_t id, struct sv wrapped,
	struct err *err) MUST_CHECK;

/* Wraps a stored key for another master: rotation is this for every row. */
int keyring_rewrap(struct keyring *k, const struct master_key *to, int64_t environment,
	struct sv wrapped, unsigned char ret_wrapped[KEY_WRAPPED_SIZE], struct err *err) MUST_CHECK;

/* NULL when the environment has no key yet, or none of this id. They live as long as the ring. */
const struct aead_key *keyring_current(const struct keyring *k, int64_t environment);
const struct aead_key *keyring_find(const struct keyring *k, int64_t environment, uint32_t id);

/* For single values: appends to out. `ad` as in aead.h. ERR_NOT_FOUND: the key is not in the ring
 * (another server may have made it: add it and try again). */
int keyring_seal(const struct keyring *k, int64_t environment, struct sv ad, struct sv plain,
	struct buf *out, struct err *err) MUST_CHECK;
int keyring_open(const struct keyring *k, int64_t environment, struct sv ad, struct sv sealed,
	struct buf *out, struct err *err) MUST_CHECK;
