#include "crypto/keyring.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>

#define BUCKETS 64u
#define KEY_BASE64_LEN 44u /* of 32 bytes, with one '=' */

struct entry {
	struct aead_key key;
	int64_t environment;
	struct entry *next;
};

struct master {
	struct master_key key;
	struct master *next;
};

/*
 * Entries are pushed at the front of a chain and never taken away before the ring ends, so readers
 * need no lock.
 */
struct keyring {
	struct master *_Atomic masters;
	struct master *_Atomic wraps; /* one of them */
	void (*on_unknown)(void *ctx, struct keyring *k);
	void *unknown_ctx;
	struct entry *_Atomic buckets[BUCKETS];
};

/* Master keys. */

int master_key_parse(struct sv base64, struct master_key *ret, struct err *err)
{
	unsigned char bytes[AEAD_KEY_SIZE + 1]; /* EVP_DecodeBlock counts the padding */

	while (base64.len && strchr("\r\n ", base64.ptr[base64.len - 1]))
		base64.len--;
	if (base64.len != KEY_BASE64_LEN || base64.ptr[43] != '=' || base64.ptr[42] == '=' ||
		EVP_DecodeBlock(bytes, (const unsigned char *)base64.ptr, KEY_BASE64_LEN) < 0)
		return err_set(err, ERR_INVALID,
			"the encryption key must be 32 bytes in base64 (as `openssl rand -base64 "
			"32` "
			"prints them)");
	aead_key_init(&ret->key, 0, bytes);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return 0;
}

void master_key_done(struct master_key *m)
{
	aead_key_done(&m->key);
}

void master_key_fingerprint(const struct master_key *m, char ret[KEY_FINGERPRINT_SIZE])
{
	unsigned char mac[HASH_SHA256_SIZE];
	char hex[HASH_HEX_SIZE];

	hash_hmac_sha256(sv_make((const char *)m->key.bytes, AEAD_KEY_SIZE),
		SV_LIT("fingerprint of a master key"), mac);
	hash_hex(mac, (KEY_FINGERPRINT_SIZE - 1) / 2, hex);
	memcpy(ret, hex, KEY_FINGERPRINT_SIZE);
}

/* Wrapping. The environment is associated: a key row cannot be moved to another. */

static struct sv wrap_ad(int64_t environment, char out[48])
{
	int n = snprintf(out, 48, "data key of %lld", (long long)environment);
	return sv_make(out, (size_t)n);
}

static void wrap(const struct master_key *m, int64_t environment, const unsigned char *bytes,
	unsigned char ret_wrapped[KEY_WRAPPED_SIZE])
{
	char ad[48];

	aead_seal(&m->key, wrap_ad(environment, ad), sv_make((const char *)bytes, AEAD_KEY_SIZE),
		ret_wrapped);
}

static int open_with(const struct master_key *m, int64_t environment, struct sv wrapped,
	unsigned char ret[AEAD_KEY_SIZE])
{
	char ad[48];
	struct err ignored;

	return aead_open(&m->key, wrap_ad(environment, ad), wrapped, ret, &ignored);
}

/* The master that opens it, or NULL; the bytes come with it. */
static struct master *find_master(
	struct keyring *k, int64_t environment, struct sv wrapped, unsigned char ret[AEAD_KEY_SIZE])
{
	for (struct master *m = atomic_load(&k->masters); m; m = m->next)
		if (open_with(&m->key, environment, wrapped, ret) == 0)
			return m;
	return NULL;
}

static int unwrap(struct keyring *k, int64_t environment, struct sv wrapped,
	unsigned char ret[AEAD_KEY_SIZE], struct master **ret_master, struct err *err)
{
	if (wrapped.len != KEY_WRAPPED_SIZE)
		return err_set(err, ERR_INVALID, "a stored data key has the wrong length");
	struct master *m = find_master(k, environment, wrapped, ret);
	if (!m && k->on_unknown) {
		k->on_unknown(k->unknown_ctx, k);
		m = find_master(k, environment, wrapped, ret);
	}
	if (!m)
		return err_set(err, ERR_INVALID,
			"the encryption key is not the one this data was stored with (restore the "
			"key file, or set TIDEMARK_ENCRYPTION_KEY to the right key)");
	*ret_master = m;
	return 0;
}

int keyring_rewrap(struct keyring *k, const struct master_key *to, int64_t environment,
	struct sv wrapped, unsigned char ret_wrapped[KEY_WRAPPED_SIZE], struct err *err)
{
	unsigned char bytes[AEAD_KEY_SIZE];
	struct master *m;

	TRY(unwrap(k, environment, wrapped, bytes, &m, err));
	wrap(to, environment, bytes, ret_wrapped);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return 0;
}

int keyring_follow(struct keyring *k, int64_t environment, struct sv wrapped, struct err *err)
{
	unsigned char bytes[AEAD_KEY_SIZE];
	struct master *m;

	TRY(unwrap(k, environment, wrapped, bytes, &m, err));
	OPENSSL_cleanse(bytes, sizeof(bytes));
	atomic_store(&k->wraps, m);
	return 0;
}

/* The ring. */

struct keyring *keyring_new(const struct master_key *m)
{
	struct keyring *k = NEW(struct keyring);

	keyring_add_master(k, m);
	atomic_store(&k->wraps, atomic_load(&k->masters));
	return k;
}

void keyring_add_master(struct keyring *k, const struct master_key *m)
{
	struct master *head = atomic_load(&k->masters);

	for (struct master *have = head; have; have = have->next)
		if (memcmp(have->key.key.bytes, m->key.bytes, AEAD_KEY_SIZE) == 0)
			return;
	struct master *more = NEW(struct master);
	aead_key_init(&more->key.key, 0, m->key.bytes);
	more->next = head;
	while (!atomic_compare_exchange_weak(&k->masters, &more->next, more))
		;
}

void keyring_on_unknown(struct keyring *k, void (*fn)(void *ctx, struct keyring *k), void *ctx)
{
	k->on_unknown = fn;
	k->unknown_ctx = ctx;
}

void keyring_fingerprint(const struct keyring *k, char ret[KEY_FINGERPRINT_SIZE])
{
	master_key_fingerprint(&atomic_load(&k->wraps)->key, ret);
}

static void masters_free(struct master *m)
{
	for (struct master *next; m; m = next) {
		next = m->next;
		master_key_done(&m->key);
		mem_free(m);
	}
}

void keyring_free(struct keyring *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct entry *e = atomic_load(&k->buckets[i]), *next; e; e = next) {
			next = e->next;
			aead_key_done(&e->key);
			mem_free(e);
		}
	}
	masters_free(atomic_load(&k->masters));
	mem_free(k);
}

void keyring_make(
	const struct keyring *k, int64_t environment, unsigned char ret_wrapped[KEY_WRAPPED_SIZE])
{
	unsigned char bytes[AEAD_KEY_SIZE];

	random_bytes(bytes, sizeof(bytes));
	wrap(&atomic_load(&k->wraps)->key, environment, bytes, ret_wrapped);
	OPENSSL_cleanse(bytes, sizeof(bytes));
}

static size_t bucket(int64_t environment)
{
	return (uint64_t)environment % BUCKETS;
}

int keyring_add(
	struct keyring *k, int64_t environment, int64_t id, struct sv wrapped, struct err *err)
{
	unsigned char bytes[AEAD_KEY_SIZE];
	struct entry *_Atomic *head = &k->buckets[bucket(environment)];
	struct master *master;

	if (id <= 0 || id > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "data key id %lld is out of range", (long long)id);
	TRY(unwrap(k, environment, wrapped, bytes, &master, err));
	const struct aead_key *have = keyring_find(k, environment, (uint32_t)id);
	if (have && memcmp(have->bytes, bytes, AEAD_KEY_SIZE) == 0) {
		OPENSSL_cleanse(bytes, sizeof(bytes));
		return 0;
	}
	struct entry *e = NEW(struct entry);
	aead_key_init(&e->key, (uint32_t)id, bytes);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	e->environment = environment;
	e->next = atomic_load(head);
	while (!atomic_compare_exchange_weak(head, &e->next, e))
		;
	return 0;
}

const struct aead_key *keyring_current(const struct keyring *k, int64_t environment)
{
	const struct aead_key *best = NULL;

	for (struct entry *e = atomic_load(&k->buckets[bucket(environment)]); e; e = e->next)
		if (e->environment == environment && (!best || e->key.id > best->id))
			best = &e->key;
	return best;
}

const struct aead_key *keyring_find(const struct keyring *k, int64_t environment, uint32_t id)
{
	for (struct entry *e = atomic_load(&k->buckets[bucket(environment)]); e; e = e->next)
		if (e->environment == environment && e->key.id == id)
			return &e->key;
	return NULL;
}

int keyring_seal(const struct keyring *k, int64_t environment, struct sv ad, struct sv plain,
	struct buf *out, struct err *err)
{
	const struct aead_key *key = keyring_current(k, environment);

	if (!key)
		return err_set(err, ERR_NOT_FOUND, "environment %lld has no data key",
			(long long)environment);
	char *at = buf_reserve(out, plain.len + AEAD_OVERHEAD);
	if (!at)
		return err_set(err, ERR_LIMIT, "a value to be sealed is too large");
	aead_seal(key, ad, plain, (unsigned char *)at);
	buf_grow(out, plain.len + AEAD_OVERHEAD);
	return 0;
}

int keyring_open(const struct keyring *k, int64_t environment, struct sv ad, struct sv sealed,
	struct buf *out, struct err *err)
{
	uint32_t id;

	TRY(aead_key_id(sealed, &id, err));
	const struct aead_key *key = keyring_find(k, environment, id);
	if (!key)
		return err_set(err, ERR_NOT_FOUND, "data key %lu of environment %lld is unknown",
			(unsigned long)id, (long long)environment);
	char *at = buf_reserve(out, sealed.len - AEAD_OVERHEAD);
	if (!at)
		return err_set(err, ERR_LIMIT, "a sealed value is too large");
	TRY(aead_open(key, ad, sealed, (unsigned char *)at, err));
	buf_grow(out, sealed.len - AEAD_OVERHEAD);
	return 0;
}
