/* Tokens that nobody has to be asked for: we sign them ourselves. */
#include "auth/grant.h"
#include "auth/jwt.h"
#include "base/clock.h"
#include "base/sv.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/uuid.h"
#include "model/provider.h"

enum { TOKEN_MAX = 256 * 1024, LIFE_MS = 5 * 60 * 1000, APP_LIFE_S = 600 };
enum { STORE_LIFE_S = 20 * 60, NONCE_BYTES = 16, HEX_KEY_MIN = 32 };

static struct sv given(const struct grant *g, const char *key)
{
	return json_sv(json_member(g->credentials, sv_str(key)));
}

static void keep(struct grant *g, const char *key, struct sv token, int64_t life_ms)
{
	json_set_str(g->next, key, token);
	grant_set_expiry(g, NULL, life_ms);
}

static int sign(const struct grant *g, const struct json_t *header, const struct json_t *payload,
	struct sv key, struct sv *ret, struct err *err)
{
	own_in(buf_done) struct buf out = { 0 };

	buf_init(&out, TOKEN_MAX);
	TRY(jwt_sign(header, payload, key, &out, err));
	if (!buf_ok(&out))
		return err_set(err, ERR_LIMIT, "the token would be too large");
	*ret = arena_sv(g->arena, buf_sv(&out));
	return 0;
}

int64_t grant_life_ms(const struct grant *g, int64_t otherwise)
{
	static const char *const keys[] = { "token.expires_in_ms", "token_expires_in_ms" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		int64_t ms = grant_number(json_find(g->provider->json, sv_str(keys[i])));
		if (ms > 0)
			return ms;
	}
	return otherwise;
}

/* --- JWT --- */

static bool jwt_able(const struct provider *p, const struct json_t *credentials UNUSED)
{
	return json_find(p->json, SV_LIT("token.signing_key")) != NULL;
}

/* Shared secrets are often the hex text of what signs. */
static struct sv key_bytes(const struct grant *g, struct sv alg, struct sv key)
{
	struct sv as = json_sv(json_find(g->provider->json, SV_LIT("token.signing_key_encoding")));
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, TOKEN_MAX);
	if (!sv_eq_str(alg, "HS256") || sv_eq_str(as, "utf8") ||
		(!as.len && key.len < HEX_KEY_MIN) || !enc_unhex(&b, key))
		return key;
	return arena_sv(g->arena, buf_sv(&b));
}

/* Times in templates are text; in a token they are numbers. */
static void number_times(struct json_t *payload)
{
	static const char *const names[] = { "iat", "exp", "nbf" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct json_t *v = json_member(payload, sv_str(names[i]));
		if (json_kind(v) == JSON_KIND_STRING)
			json_set_int(payload, names[i], grant_number(v));
	}
}

static void default_time(struct json_t *payload, const char *name, int64_t seconds)
{
	if (!json_member(payload, sv_str(name)))
		json_set_int(payload, name, seconds);
}

static int jwt_ask(
	struct grant *g, unsigned step UNUSED, struct http_request *ret UNUSED, struct err *err)
{
	const struct json_t *entry = g->provider->json;
	own(json_unref) struct json_t *header = NULL, *payload = NULL;
	int64_t life = grant_life_ms(g, LIFE_MS);
	struct sv key, token;

	TRY(grant_fill(g, json_find(entry, SV_LIT("token.header")), &header, err));
	TRY(grant_fill(g, json_find(entry, SV_LIT("token.payload")), &payload, err));
	TRY(grant_eval(
		g, json_sv(json_find(entry, SV_LIT("token.signing_key"))), GRANT_TEXT, &key, err));
	number_times(payload);
	default_time(payload, "iat", g->now_ms / 1000);
	default_time(payload, "exp", (g->now_ms + life) / 1000);
	struct sv alg = json_sv(json_member(header, SV_LIT("alg")));
	TRY(sign(g, header, payload, key_bytes(g, alg, key), &token, err));
	keep(g, "token", token, life);
	return 0;
}

const struct grant_mode grant_jwt = { jwt_able, jwt_ask, NULL };

/* --- what GitHub and Apple want --- */

static struct json_t *header_of(const char *alg, struct sv kid)
{
	struct json_t *header = json_new_obj();

	json_set_str(header, "alg", sv_str(alg));
	json_set_str(header, "typ", SV_LIT("JWT"));
	if (kid.len)
		json_set_str(header, "kid", kid);
	return header;
}

int grant_app_token(const struct grant *g, struct sv *ret, struct err *err)
{
	own(json_unref) struct json_t *header = header_of("RS256", SV_NULL);
	own(json_unref) struct json_t *payload = json_new_obj();
	struct sv id = json_sv(json_member(g->app, SV_LIT("app_id")));
	struct sv key = json_sv(json_member(g->app, SV_LIT("private_key")));

	if (!id.len)
		id = given(g, "app_id");
	if (!id.len || !key.len)
		return err_set(err, ERR_INVALID,
			"the integration has no app_id and private_key: set its credentials");
	/* A minute ago, and a minute less: clocks differ. */
	json_set_int(payload, "iat", g->now_ms / 1000 - 60);
	json_set_int(payload, "exp", g->now_ms / 1000 + APP_LIFE_S - 60);
	json_set_str(payload, "iss", id);
	return sign(g, header, payload, key, ret, err);
}

int grant_client_assertion(const struct grant *g, struct sv client, struct sv key, struct sv url,
	struct sv *ret, struct err *err)
{
	own(json_unref) struct json_t *header = header_of("RS256", SV_NULL);
	own(json_unref) struct json_t *payload = json_new_obj();
	char id[UUID_TEXT_SIZE];

	json_set_str(payload, "iss", client);
	json_set_str(payload, "sub", client);
	json_set_str(payload, "aud", url);
	json_set_str(payload, "jti", sv_str(uuid_format(uuid_v4(), id)));
	json_set_int(payload, "iat", g->now_ms / 1000);
	json_set_int(payload, "exp", g->now_ms / 1000 + LIFE_MS / 1000);
	return sign(g, header, payload, key, ret, err);
}

static bool store_able(const struct provider *p UNUSED, const struct json_t *credentials)
{
	return json_sv(json_member(credentials, SV_LIT("privateKey"))).len > 0;
}

static int store_ask(
	struct grant *g, unsigned step UNUSED, struct http_request *ret UNUSED, struct err *err)
{
	own(json_unref) struct json_t *header = header_of("ES256", given(g, "privateKeyId"));
	own(json_unref) struct json_t *payload = json_new_obj();
	const struct json_t *scope = json_member(g->credentials, SV_LIT("scope"));
	struct sv token;

	json_set_str(payload, "iss", given(g, "issuerId"));
	json_set_int(payload, "iat", g->now_ms / 1000);
	json_set_int(payload, "exp", g->now_ms / 1000 + STORE_LIFE_S);
	json_set_str(payload, "aud", SV_LIT("appstoreconnect-v1"));
	if (scope)
		json_set(payload, SV_LIT("scope"), json_clone(scope));
	TRY(sign(g, header, payload, given(g, "privateKey"), &token, err));
	keep(g, "access_token", token, (int64_t)STORE_LIFE_S * 1000);
	return 0;
}

const struct grant_mode grant_app_store = { store_able, store_ask, NULL };

/* --- SIGNATURE: WS-Security user name tokens in a header (WSSE) --- */

static bool wsse_able(const struct provider *p UNUSED, const struct json_t *credentials)
{
	return json_sv(json_member(credentials, SV_LIT("password"))).ptr != NULL;
}

static int wsse_ask(struct grant *g, unsigned step UNUSED, struct http_request *ret UNUSED,
	struct err *err UNUSED)
{
	unsigned char random[NONCE_BYTES], digest[HASH_SHA1_SIZE];
	char nonce[HASH_HEX_SIZE], hex[HASH_HEX_SIZE], created[CLOCK_ISO_SIZE];
	own_in(buf_done) struct buf base64 = { 0 };
	struct sv user = given(g, "username"), password = given(g, "password");

	random_bytes(random, sizeof(random));
	hash_hex(random, sizeof(random), nonce);
	clock_iso_ms(g->now_ms, created);
	hash_sha1(sv_str(arena_printf(g->arena, "%s%s%.*s", nonce, created, SV(password))), digest);
	/* Of the hex text, not of the bytes: so it is done there. */
	buf_init(&base64, TOKEN_MAX);
	enc_base64(&base64, sv_str(hash_hex(digest, sizeof(digest), hex)));
	keep(g, "token",
		sv_str(arena_printf(g->arena,
			"UsernameToken Username=\"%.*s\", PasswordDigest=\"%s\", Nonce=\"%s\", "
			"Created=\"%s\"",
			SV(user), base64.ptr, nonce, created)),
		grant_life_ms(g, LIFE_MS));
	return 0;
}

const struct grant_mode grant_signature = { wsse_able, wsse_ask, NULL };
