#include "auth/functions.h"

#include "crypto/hash.h"
#include "crypto/sign.h"
#include "data/enc.h"

enum { SIGNATURE_MAX = 1024 };

static void add_hex(struct buf *out, const unsigned char *digest, size_t len)
{
	char text[HASH_HEX_SIZE];

	buf_str(out, hash_hex(digest, len, text));
}

static int sha256_hex(const struct sv *args, struct buf *out, struct err *err UNUSED)
{
	unsigned char digest[HASH_SHA256_SIZE];

	hash_sha256(args[0], digest);
	add_hex(out, digest, sizeof(digest));
	return 0;
}

static int sha256_base64(const struct sv *args, struct buf *out, struct err *err UNUSED)
{
	unsigned char digest[HASH_SHA256_SIZE];
	char text[HASH_BASE64_SIZE];

	hash_sha256(args[0], digest);
	buf_str(out, hash_base64(digest, sizeof(digest), text));
	return 0;
}

static int hmac_sha1_hex(const struct sv *args, struct buf *out, struct err *err UNUSED)
{
	unsigned char digest[HASH_SHA1_SIZE];

	hash_hmac_sha1(args[1], args[0], digest);
	add_hex(out, digest, sizeof(digest));
	return 0;
}

static int ed25519_sign(const struct sv *args, struct buf *out, struct err *err)
{
	own_in(buf_done) struct buf sig = { 0 };

	buf_init(&sig, SIGNATURE_MAX);
	TRY(sign_bytes(SIGN_ED25519, args[1], args[0], &sig, err));
	enc_base64(out, buf_sv(&sig));
	return 0;
}

/* As Snowflake and ssh-keygen write it. */
static int fingerprint(const struct sv *args, struct buf *out, struct err *err)
{
	unsigned char digest[HASH_SHA256_SIZE];
	char text[HASH_BASE64_SIZE];

	TRY(sign_key_hash(args[0], digest, err));
	buf_printf(out, "SHA256:%s", hash_base64(digest, sizeof(digest), text));
	return 0;
}

static const struct {
	const char *name;
	size_t args;
	int (*call)(const struct sv *args, struct buf *out, struct err *err);
} functions[] = {
	{ "sha256Hex", 1, sha256_hex },
	{ "sha256Base64", 1, sha256_base64 },
	{ "hmacSha1Hex", 2, hmac_sha1_hex },
	{ "ed25519Sign", 2, ed25519_sign },
	{ "fingerprint", 1, fingerprint },
};

int auth_function_call(void *ctx UNUSED, struct sv fn, const struct sv *args, size_t n,
	struct buf *out, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		if (!sv_eq_str(fn, functions[i].name))
			continue;
		if (n != functions[i].args)
			return err_set(err, ERR_INVALID, "%s takes %zu arguments, got %zu",
				functions[i].name, functions[i].args, n);
		TRY(functions[i].call(args, out, err));
		return 1;
	}
	return 0;
}
