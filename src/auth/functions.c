#include "auth/functions.h"

#include "crypto/hash.h"

static void add_hex(struct buf *out, const unsigned char *digest, size_t len)
{
	char text[HASH_HEX_SIZE];

	buf_str(out, hash_hex(digest, len, text));
}

static void sha256_hex(const struct sv *args, struct buf *out)
{
	unsigned char digest[HASH_SHA256_SIZE];

	hash_sha256(args[0], digest);
	add_hex(out, digest, sizeof(digest));
}

static void sha256_base64(const struct sv *args, struct buf *out)
{
	unsigned char digest[HASH_SHA256_SIZE];
	char text[HASH_BASE64_SIZE];

	hash_sha256(args[0], digest);
	buf_str(out, hash_base64(digest, sizeof(digest), text));
}

static void hmac_sha1_hex(const struct sv *args, struct buf *out)
{
	unsigned char digest[HASH_SHA1_SIZE];

	hash_hmac_sha1(args[1], args[0], digest);
	add_hex(out, digest, sizeof(digest));
}

static const struct {
	const char *name;
	size_t args;
	void (*call)(const struct sv *args, struct buf *out);
} functions[] = {
	{ "sha256Hex", 1, sha256_hex },
	{ "sha256Base64", 1, sha256_base64 },
	{ "hmacSha1Hex", 2, hmac_sha1_hex },
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
		functions[i].call(args, out);
		return 1;
	}
	return 0;
}
