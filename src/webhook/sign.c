#include "webhook/sign.h"

#include "base/sv.h"
#include "crypto/hash.h"
#include "data/enc.h"

#define SIGNED_MAX ((size_t)80 << 20)

/* Out. */

void sign_legacy(struct sv key, struct sv body, struct buf *out)
{
	unsigned char digest[HASH_SHA256_SIZE];
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, SIGNED_MAX);
	buf_sv_add(&b, key);
	buf_sv_add(&b, body);
	hash_sha256(buf_sv(&b), digest);
	enc_hex(out, sv_make((char *)digest, sizeof(digest)));
}

void sign_hmac(struct sv key, struct sv body, struct buf *out)
{
	unsigned char digest[HASH_SHA256_SIZE];

	hash_hmac_sha256(key, body, digest);
	enc_hex(out, sv_make((char *)digest, sizeof(digest)));
}

/* HMAC-SHA256 of "a<sep>b<sep>body", the shape of most schemes with a timestamp. */
static void hmac_joined(struct sv key, struct sv a, struct sv b, struct sv body, char sep,
	unsigned char digest[HASH_SHA256_SIZE])
{
	own_in(buf_done) struct buf text = { 0 };

	buf_init(&text, SIGNED_MAX);
	buf_sv_add(&text, a);
	buf_char(&text, sep);
	if (b.ptr) {
		buf_sv_add(&text, b);
		buf_char(&text, sep);
	}
	buf_sv_add(&text, body);
	hash_hmac_sha256(key, buf_sv(&text), digest);
}

static void standard_base64(
	struct sv key, struct sv id, struct sv timestamp, struct sv body, struct buf *out)
{
	unsigned char digest[HASH_SHA256_SIZE];

	hmac_joined(key, id, timestamp, body, '.', digest);
	enc_base64(out, sv_make((char *)digest, sizeof(digest)));
}

void sign_standard(
	struct sv key, struct sv id, int64_t timestamp_s, struct sv body, struct buf *out)
{
	own_in(buf_done) struct buf timestamp = { 0 };

	buf_init(&timestamp, 32);
	buf_i64(&timestamp, timestamp_s);
	buf_str(out, "v1,");
	standard_base64(key, id, buf_sv(&timestamp), body, out);
}

/* In. */

static struct sv without_prefix(struct sv s, const char *prefix)
{
	struct sv p = sv_str(prefix);

	return sv_starts(s, p) ? sv_from(s, p.len) : s;
}

/* Hex in any case, of exactly this digest. */
static bool equal_hex(struct sv hex, const unsigned char *digest, size_t len)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 128);
	if (hex.len != 2 * len || !enc_unhex(&b, hex))
		return false;
	return hash_equal(buf_sv(&b), sv_make((const char *)digest, len));
}

static bool equal_base64(struct sv text, const unsigned char *digest, size_t len)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 128);
	if (text.len > 100 || !enc_unbase64_strict(&b, text))
		return false;
	return hash_equal(buf_sv(&b), sv_make((const char *)digest, len));
}

static bool fresh(const struct sign_input *in, struct sv timestamp)
{
	int64_t s;

	if (!sv_to_i64(timestamp, &s))
		return false;
	if (!in->tolerance_ms)
		return true;
	int64_t now_s = in->now_ms / 1000, tolerance_s = in->tolerance_ms / 1000;
	return s >= now_s - tolerance_s && s <= now_s + tolerance_s;
}

static bool verify_hmac256(const struct sign_input *in)
{
	unsigned char digest[HASH_SHA256_SIZE];
	struct sv given = without_prefix(in->signature, "sha256=");

	hash_hmac_sha256(in->secret, in->body, digest);
	if (in->scheme == SIGN_HMAC256_HEX)
		return equal_hex(given, digest, sizeof(digest));
	return equal_base64(given, digest, sizeof(digest));
}

static bool verify_hmac1(const struct sign_input *in)
{
	unsigned char digest[HASH_SHA1_SIZE];

	hash_hmac_sha1(in->secret, in->body, digest);
	return equal_base64(without_prefix(in->signature, "sha1="), digest, sizeof(digest));
}

static bool verify_plain_hash(const struct sign_input *in)
{
	unsigned char digest[HASH_SHA256_SIZE];
	own_in(buf_done) struct buf b = { 0 };
	size_t len = in->scheme == SIGN_SHA1_HEX ? HASH_SHA1_SIZE : HASH_SHA256_SIZE;

	buf_init(&b, SIGNED_MAX);
	buf_sv_add(&b, in->secret);
	buf_sv_add(&b, in->body);
	if (in->scheme == SIGN_SHA1_HEX)
		hash_sha1(buf_sv(&b), digest);
	else
		hash_sha256(buf_sv(&b), digest);
	return equal_hex(in->signature, digest, len);
}

/* "t=123,v1=aa,v1=bb" */
static bool verify_t_v1(const struct sign_input *in)
{
	unsigned char digest[HASH_SHA256_SIZE];
	struct sv rest = in->signature, piece, timestamp = SV_NULL;
	bool good = false;

	while (sv_split(&rest, ',', &piece)) {
		piece = sv_trim(piece);
		if (sv_starts(piece, SV_LIT("t=")))
			timestamp = sv_from(piece, 2);
	}
	if (!timestamp.ptr || !fresh(in, timestamp))
		return false;
	hmac_joined(in->secret, timestamp, SV_NULL, in->body, '.', digest);
	rest = in->signature;
	while (sv_split(&rest, ',', &piece)) {
		piece = sv_trim(piece);
		if (sv_starts(piece, SV_LIT("v1=")))
			good |= equal_hex(sv_from(piece, 3), digest, sizeof(digest));
	}
	return good;
}

/* "v1,<base64> v1,<base64>": any of them; a secret "whsec_..." is base64 of the key. */
static bool verify_standard(const struct sign_input *in)
{
	own_in(buf_done) struct buf key = { 0 };
	own_in(buf_done) struct buf want = { 0 };
	struct sv rest = in->signature, piece;
	bool good = false;

	buf_init(&key, 4096);
	buf_init(&want, 128);
	if (!in->id.ptr || !fresh(in, in->timestamp))
		return false;
	if (sv_starts(in->secret, SV_LIT("whsec_")))
		enc_unbase64(&key, sv_from(in->secret, 6));
	else
		buf_sv_add(&key, in->secret);
	standard_base64(buf_sv(&key), in->id, in->timestamp, in->body, &want);
	while (sv_split(&rest, ' ', &piece))
		if (sv_starts(piece, SV_LIT("v1,")))
			good |= hash_equal(sv_from(piece, 3), buf_sv(&want));
	return good;
}

static bool verify_slack(const struct sign_input *in)
{
	unsigned char digest[HASH_SHA256_SIZE];

	if (!sv_starts(in->signature, SV_LIT("v0=")) || !fresh(in, in->timestamp))
		return false;
	hmac_joined(in->secret, SV_LIT("v0"), in->timestamp, in->body, ':', digest);
	return equal_hex(sv_from(in->signature, 3), digest, sizeof(digest));
}

bool sign_verify(const struct sign_input *in)
{
	if (!in->signature.len || !in->secret.len)
		return false;
	switch (in->scheme) {
	case SIGN_HMAC256_HEX:
	case SIGN_HMAC256_BASE64: return verify_hmac256(in);
	case SIGN_HMAC1_BASE64: return verify_hmac1(in);
	case SIGN_SHA1_HEX:
	case SIGN_SHA256_HEX: return verify_plain_hash(in);
	case SIGN_TOKEN: return hash_equal(in->signature, in->secret);
	case SIGN_T_V1: return verify_t_v1(in);
	case SIGN_STANDARD: return verify_standard(in);
	case SIGN_SLACK: return verify_slack(in);
	case SIGN_NONE: break;
	}
	return false;
}
