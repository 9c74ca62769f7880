#include "auth/jwt.h"

#include "base/sv.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "data/enc.h"
#include "data/json.h"

enum { PART_MAX = 64 * 1024 };

static void add_part(struct buf *out, const struct json_t *v)
{
	own_in(buf_done) struct buf text = { 0 };

	buf_init(&text, PART_MAX);
	json_dump_compact(v, &text);
	enc_base64url(out, buf_sv(&text));
}

static int add_signature(
	struct sv alg, struct sv key, struct sv bytes, struct buf *out, struct err *err)
{
	own_in(buf_done) struct buf sig = { 0 };
	unsigned char mac[HASH_SHA256_SIZE];

	buf_init(&sig, PART_MAX);
	if (sv_eq_str(alg, "HS256")) {
		hash_hmac_sha256(key, bytes, mac);
		buf_add(&sig, mac, sizeof(mac));
	} else if (sv_eq_str(alg, "RS256")) {
		TRY(sign_bytes(SIGN_RS256, key, bytes, &sig, err));
	} else if (sv_eq_str(alg, "ES256")) {
		TRY(sign_bytes(SIGN_ES256, key, bytes, &sig, err));
	} else {
		return err_set(err, ERR_INVALID,
			"'%.*s' is no algorithm for tokens (RS256, ES256, HS256)", SV(alg));
	}
	buf_char(out, '.');
	enc_base64url(out, buf_sv(&sig));
	return 0;
}

int jwt_sign(const struct json_t *header, const struct json_t *payload, struct sv key,
	struct buf *out, struct err *err)
{
	struct sv alg = json_sv(json_member(header, SV_LIT("alg")));
	own_in(buf_done) struct buf text = { 0 };

	buf_init(&text, 4 * PART_MAX);
	add_part(&text, header);
	buf_char(&text, '.');
	add_part(&text, payload);
	struct sv bytes = buf_sv(&text);
	buf_sv_add(out, bytes);
	return add_signature(alg, key, bytes, out, err);
}

int64_t jwt_expiry_ms(struct sv token)
{
	own(json_unref) struct json_t *claims = NULL;
	own_in(buf_done) struct buf text = { 0 };
	struct sv rest = token, head, body;

	if (!sv_split(&rest, '.', &head) || !sv_split(&rest, '.', &body) || !rest.ptr)
		return 0;
	buf_init(&text, PART_MAX);
	enc_unbase64(&text, body);
	if (!buf_ok(&text) || json_parse(buf_sv(&text), &claims, NULL) < 0)
		return 0;
	double exp = json_num(json_member(claims, SV_LIT("exp")));
	return exp > 0 && exp < 1e11 ? (int64_t)(exp * 1000) : 0;
}
