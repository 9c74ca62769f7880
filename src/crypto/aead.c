#include "crypto/aead.h"

#include "crypto/random.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

enum { VERSION = 1, ID_AT = 1, NONCE_AT = 5, NONCE_SIZE = 12, TEXT_AT = 17, TAG_SIZE = 16 };

/* Setting a key up costs as much as sealing half a kilobyte: each thread remembers the last. */
struct context {
	EVP_CIPHER_CTX *ctx;
	uint64_t serial;
};

static _Thread_local struct context contexts[2]; /* 0 opens, 1 seals, as OpenSSL counts */

static void contexts_free(void *arg)
{
	struct context *c = arg;

	EVP_CIPHER_CTX_free(c[0].ctx);
	EVP_CIPHER_CTX_free(c[1].ctx);
	c[0] = c[1] = (struct context){ 0 };
}

static pthread_key_t at_exit;

static void at_exit_make(void)
{
	int rc = pthread_key_create(&at_exit, contexts_free);
	assert(rc == 0);
}

static EVP_CIPHER_CTX *context_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	assert(ctx);
	pthread_once(&once, at_exit_make);
	pthread_setspecific(at_exit, contexts);
	return ctx;
}

/* A context for this key and nonce. */
static EVP_CIPHER_CTX *context_get(const struct aead_key *k, bool seal, const unsigned char *nonce)
{
	struct context *c = &contexts[seal];
	int rc = 1;

	assert(k->serial);
	if (!c->ctx)
		c->ctx = context_new();
	if (c->serial != k->serial)
		rc = EVP_CipherInit_ex(c->ctx, EVP_aes_256_gcm(), NULL, k->bytes, NULL, seal);
	c->serial = k->serial;
	rc &= EVP_CipherInit_ex(c->ctx, NULL, NULL, NULL, nonce, seal);
	assert(rc == 1);
	return c->ctx;
}

void aead_key_init(struct aead_key *k, uint32_t id, const unsigned char bytes[AEAD_KEY_SIZE])
{
	static _Atomic uint64_t last;

	k->serial = atomic_fetch_add(&last, 1) + 1;
	k->id = id;
	memcpy(k->bytes, bytes, AEAD_KEY_SIZE);
}

void aead_key_done(struct aead_key *k)
{
	OPENSSL_cleanse(k, sizeof(*k));
}

static void put_u32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t get_u32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The header is authenticated too: nobody can point a blob at another key. */
static int add_data(EVP_CIPHER_CTX *ctx, const unsigned char *head, struct sv ad)
{
	int n;

	assert(ad.len <= INT32_MAX);
	return EVP_CipherUpdate(ctx, NULL, &n, head, NONCE_AT) &
	       (ad.len == 0 ||
		       EVP_CipherUpdate(ctx, NULL, &n, (const unsigned char *)ad.ptr, (int)ad.len));
}

static int crypt(EVP_CIPHER_CTX *ctx, struct sv in, unsigned char *out)
{
	int n;

	assert(in.len <= INT32_MAX);
	return in.len == 0 ||
	       EVP_CipherUpdate(ctx, out, &n, (const unsigned char *)in.ptr, (int)in.len);
}

void aead_seal(const struct aead_key *k, struct sv ad, struct sv plain, unsigned char *out)
{
	int n;

	out[0] = VERSION;
	put_u32(out + ID_AT, k->id);
	random_bytes(out + NONCE_AT, NONCE_SIZE);
	EVP_CIPHER_CTX *ctx = context_get(k, true, out + NONCE_AT);
	unsigned char *end = out + TEXT_AT + plain.len;
	int rc = add_data(ctx, out, ad) & crypt(ctx, plain, out + TEXT_AT);
	rc &= EVP_CipherFinal_ex(ctx, end, &n);
	rc &= EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, end);
	assert(rc == 1);
}

int aead_key_id(struct sv sealed, uint32_t *ret, struct err *err)
{
	if (sealed.len < AEAD_OVERHEAD || sealed.ptr[0] != VERSION)
		return err_set(err, ERR_INVALID, "not a sealed value");
	*ret = get_u32((const unsigned char *)sealed.ptr + ID_AT);
	return 0;
}

int aead_open(const struct aead_key *k, struct sv ad, struct sv sealed, unsigned char *out,
	struct err *err)
{
	unsigned char tag[TAG_SIZE], none[1];
	uint32_t id;
	int n;

	TRY(aead_key_id(sealed, &id, err));
	if (id != k->id)
		return err_set(err, ERR_INVALID, "sealed with another key");
	const unsigned char *head = (const unsigned char *)sealed.ptr;
	struct sv text = sv_make(sealed.ptr + TEXT_AT, sealed.len - AEAD_OVERHEAD);
	memcpy(tag, text.ptr + text.len, TAG_SIZE);
	EVP_CIPHER_CTX *ctx = context_get(k, false, head + NONCE_AT);
	int rc = add_data(ctx, head, ad) & crypt(ctx, text, out);
	rc &= EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag);
	rc = rc == 1 ? EVP_CipherFinal_ex(ctx, none, &n) : rc;
	if (rc != 1)
		return err_set(
			err, ERR_INVALID, "a sealed value does not open (damaged, or moved)");
	return 0;
}
