#include "crypto/sign.h"

#include "base/sv.h"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

enum { PEM_MAX = 64 * 1024, PEM_LINE = 64, EC_BYTES = 32 };

static void free_key(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static void free_bio(BIO **p)
{
	BIO_free(*p);
}

static void free_digest(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}

static void free_ecdsa(ECDSA_SIG **p)
{
	ECDSA_SIG_free(*p);
}

/* The text between the lines of dashes, without anything that is no Base64. */
static void add_body(struct buf *out, struct sv body)
{
	size_t column = 0;

	for (size_t i = 0; i < body.len; i++) {
		char ch = body.ptr[i];
		/* The n of a \n is no Base64 either. */
		if (ch == '\\' && i + 1 < body.len) {
			i++;
			continue;
		}
		if (ch <= ' ')
			continue;
		buf_char(out, ch);
		if (++column % PEM_LINE == 0)
			buf_char(out, '\n');
	}
	if (column % PEM_LINE)
		buf_char(out, '\n');
}

/* "-----BEGIN X-----", body, "-----END X-----", each on lines of its own again. */
static bool repair(struct sv text, struct buf *out)
{
	struct sv dashes = SV_LIT("-----"), begin = SV_LIT("-----BEGIN "),
		  end = SV_LIT("-----END ");
	ptrdiff_t at = sv_find(text, begin), label, stop;

	if (at < 0)
		return false;
	text = sv_from(text, (size_t)at);
	label = sv_find(sv_from(text, begin.len), dashes);
	if (label < 0)
		return false;
	size_t head = begin.len + (size_t)label + dashes.len;
	stop = sv_find(text, end);
	if (stop < 0 || (size_t)stop < head)
		return false;
	struct sv name = sv_make(text.ptr + begin.len, (size_t)label);
	buf_printf(out, "-----BEGIN %.*s-----\n", SV(name));
	add_body(out, sv_make(text.ptr + head, (size_t)stop - head));
	buf_printf(out, "-----END %.*s-----\n", SV(name));
	return buf_ok(out);
}

/* The whole PEM in Base64: decoded, or nothing. */
static bool decode(struct sv text, struct buf *out)
{
	own_in(buf_done) struct buf plain = { 0 }, joined = { 0 };

	buf_init(&joined, PEM_MAX);
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] > ' ')
			buf_char(&joined, text.ptr[i]);
	if (!buf_ok(&joined) || joined.len % 4)
		return false;
	buf_init(&plain, PEM_MAX);
	char *at = buf_reserve(&plain, joined.len);
	int n = at ? EVP_DecodeBlock(
			     (unsigned char *)at, (unsigned char *)joined.ptr, (int)joined.len)
		   : -1;
	if (n <= 0)
		return false;
	buf_grow(&plain, (size_t)n);
	return repair(buf_sv(&plain), out);
}

static EVP_PKEY *read_key(struct sv text)
{
	own_in(buf_done) struct buf pem = { 0 };
	__attribute__((cleanup(free_bio))) BIO *bio = NULL;

	if (text.len > PEM_MAX)
		return NULL;
	buf_init(&pem, PEM_MAX * 2);
	if (!repair(text, &pem) && !decode(text, &pem))
		return NULL;
	bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	assert(bio);
	/* A password that is never right: no prompt on a terminal. */
	return PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"");
}

/* DER to r and s. */
static int add_ecdsa(struct buf *out, const unsigned char *der, size_t len, struct err *err)
{
	__attribute__((cleanup(free_ecdsa))) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
	unsigned char raw[2 * EC_BYTES];

	if (!sig || BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, EC_BYTES) < 0 ||
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + EC_BYTES, EC_BYTES) < 0)
		return err_set(err, ERR_INVALID, "the private key is not on the curve P-256");
	buf_add(out, raw, sizeof(raw));
	return 0;
}

/* How OpenSSL and people call what each algorithm signs with. */
static const struct {
	const char *kind, *name;
} keys[] = {
	[SIGN_RS256] = { "RSA", "RSA" },
	[SIGN_ES256] = { "EC", "EC" },
	[SIGN_ED25519] = { "ED25519", "Ed25519" },
};

int sign_bytes(enum sign_alg alg, struct sv pem, struct sv bytes, struct buf *out, struct err *err)
{
	__attribute__((cleanup(free_key))) EVP_PKEY *key = read_key(pem);
	__attribute__((cleanup(free_digest))) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	/* Ed25519 hashes by itself. */
	const EVP_MD *digest = alg == SIGN_ED25519 ? NULL : EVP_sha256();
	unsigned char sig[1024];
	size_t len = sizeof(sig);

	if (!key)
		return err_set(err, ERR_INVALID, "the private key is no PEM that can be read");
	if (!EVP_PKEY_is_a(key, keys[alg].kind))
		return err_set(err, ERR_INVALID, "the private key is no %s key", keys[alg].name);
	if (!ctx || EVP_DigestSignInit(ctx, NULL, digest, NULL, key) != 1 ||
		EVP_DigestSign(ctx, sig, &len, (const unsigned char *)bytes.ptr, bytes.len) != 1)
		return err_set(err, ERR_INVALID, "the private key does not sign");
	if (alg == SIGN_ES256)
		return add_ecdsa(out, sig, len, err);
	buf_add(out, sig, len);
	return 0;
}

int sign_key_hash(struct sv pem, unsigned char ret[32], struct err *err)
{
	__attribute__((cleanup(free_key))) EVP_PKEY *key = read_key(pem);
	unsigned char *der = NULL;

	if (!key)
		return err_set(err, ERR_INVALID, "the private key is no PEM that can be read");
	int len = i2d_PUBKEY(key, &der);
	bool ok = len > 0 && EVP_Digest(der, (size_t)len, ret, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	return ok ? 0 : err_set(err, ERR_INVALID, "the private key has no public one");
}
