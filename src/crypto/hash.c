#include "crypto/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static void digest(const EVP_MD *md, struct sv bytes, unsigned char *ret)
{
	int rc = EVP_Digest(bytes.ptr ? bytes.ptr : "", bytes.len, ret, NULL, md, NULL);
	assert(rc == 1);
}

void hash_sha1(struct sv bytes, unsigned char ret[HASH_SHA1_SIZE])
{
	digest(EVP_sha1(), bytes, ret);
}

void hash_sha256(struct sv bytes, unsigned char ret[HASH_SHA256_SIZE])
{
	digest(EVP_sha256(), bytes, ret);
}

/* The struct is only a name: what is behind it is OpenSSL's. */
static EVP_MD_CTX *context(const struct sha256 *h)
{
	return (EVP_MD_CTX *)(void *)h;
}

struct sha256 *sha256_new(void)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	assert(c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1);
	return (struct sha256 *)(void *)c;
}

void sha256_free(struct sha256 *h)
{
	EVP_MD_CTX_free(context(h));
}

void sha256_add(struct sha256 *h, struct sv bytes)
{
	int rc = EVP_DigestUpdate(context(h), bytes.ptr ? bytes.ptr : "", bytes.len);
	assert(rc == 1);
}

void sha256_so_far(const struct sha256 *h, unsigned char ret[HASH_SHA256_SIZE])
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();

	assert(copy && EVP_MD_CTX_copy_ex(copy, context(h)) == 1);
	int rc = EVP_DigestFinal_ex(copy, ret, NULL);
	assert(rc == 1);
	EVP_MD_CTX_free(copy);
}

static void hmac(const EVP_MD *md, struct sv key, struct sv bytes, unsigned char *ret)
{
	assert(key.len <= INT32_MAX);
	/* An empty key is a key; a NULL one would mean "the previous". */
	const unsigned char *p = HMAC(md, key.ptr ? key.ptr : "", (int)key.len,
		(const unsigned char *)(bytes.ptr ? bytes.ptr : ""), bytes.len, ret, NULL);
	assert(p);
}

void hash_hmac_sha1(struct sv key, struct sv bytes, unsigned char ret[HASH_SHA1_SIZE])
{
	hmac(EVP_sha1(), key, bytes, ret);
}

void hash_hmac_sha256(struct sv key, struct sv bytes, unsigned char ret[HASH_SHA256_SIZE])
{
	hmac(EVP_sha256(), key, bytes, ret);
}

char *hash_hex(const unsigned char *bytes, size_t len, char out[HASH_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	assert(len <= HASH_SHA256_SIZE);
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * len] = 0;
	return out;
}

char *hash_base64(const unsigned char *bytes, size_t len, char out[HASH_BASE64_SIZE])
{
	assert(len <= HASH_SHA256_SIZE);
	EVP_EncodeBlock((unsigned char *)out, bytes, (int)len);
	return out;
}

bool hash_equal(struct sv a, struct sv b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}
