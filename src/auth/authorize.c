#include "auth/authorize.h"

#include "auth/quirks.h"
#include "base/sv.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "data/enc.h"
#include "data/json.h"
#include "model/provider.h"

#include <stdio.h>

enum { URL_MAX = 64 * 1024, VERIFIER_BYTES = 32 };

static void base64url(const unsigned char *bytes, size_t len, char out[PKCE_SIZE])
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, PKCE_SIZE);
	enc_base64url(&b, sv_make((const char *)bytes, len));
	snprintf(out, PKCE_SIZE, "%s", b.ptr);
}

void pkce_verifier(char out[PKCE_SIZE])
{
	unsigned char random[VERIFIER_BYTES];

	random_bytes(random, sizeof(random));
	base64url(random, sizeof(random), out);
}

void pkce_challenge(struct sv verifier, char out[PKCE_SIZE])
{
	unsigned char hash[HASH_SHA256_SIZE];

	hash_sha256(verifier, hash);
	base64url(hash, sizeof(hash), out);
}

bool authorize_wants_pkce(const struct provider *p)
{
	return !json_truth(json_member(p->json, SV_LIT("disable_pkce")));
}

/* The scopes as the provider separates them. */
static struct sv scopes_of(const struct grant *g, const struct authorize *a)
{
	struct sv rest = a->scopes, one;
	struct sv separator = json_sv(json_member(g->provider->json, SV_LIT("scope_separator")));
	const struct json_t *defaults = json_member(g->provider->json, SV_LIT("default_scopes"));
	own_in(buf_done) struct buf b = { 0 };

	if (!rest.len)
		rest = json_sv(json_member(g->app, SV_LIT("scopes")));
	if (!separator.len)
		separator = SV_LIT(" ");
	buf_init(&b, URL_MAX);
	for (size_t i = 0; i < json_len(defaults); i++) {
		buf_sv_add(&b, b.len ? separator : SV_LIT(""));
		buf_sv_add(&b, json_sv(json_item(defaults, i)));
	}
	while (rest.len && sv_split(&rest, ',', &one)) {
		if (!sv_trim(one).len)
			continue;
		buf_sv_add(&b, b.len ? separator : SV_LIT(""));
		buf_sv_add(&b, sv_trim(one));
	}
	return arena_sv(g->arena, buf_sv(&b));
}

/* The provider's parameters, then the caller's, then those that must be ours. */
static int params_of(
	const struct grant *g, const struct authorize *a, struct json_t **ret, struct err *err)
{
	own(json_unref) struct json_t *params = NULL;
	struct sv scopes = scopes_of(g, a), key;
	char challenge[PKCE_SIZE];
	struct json_t *val;

	TRY(grant_fill(
		g, json_member(g->provider->json, SV_LIT("authorization_params")), &params, err));
	for (void *it = NULL; json_next(a->params, &it, &key, &val);)
		json_set(params, key, json_clone(val));
	json_set_str(params, "response_type", SV_LIT("code"));
	json_set_str(params, "client_id", grant_client_id(g));
	if (quirk_of(g->provider)->client == QUIRK_CLIENT_KEY)
		json_set_str(params, "client_key", grant_client_id(g));
	json_set_str(params, "redirect_uri", a->redirect_uri);
	json_set_str(params, "state", a->state);
	if (scopes.len)
		json_set_str(params, "scope", scopes);
	if (a->verifier.len) {
		pkce_challenge(a->verifier, challenge);
		json_set_str(params, "code_challenge", sv_str(challenge));
		json_set_str(params, "code_challenge_method", SV_LIT("S256"));
	}
	*ret = take(params);
	return 0;
}

int authorize_url(const struct grant *g, const struct authorize *a, struct sv *ret, struct err *err)
{
	own(json_unref) struct json_t *params = NULL;
	struct sv base;

	if (!grant_client_id(g).len)
		return err_set(
			err, ERR_INVALID, "the integration has no client_id: set its credentials");
	TRY(grant_url(g, "authorization_url", &base, err));
	TRY(params_of(g, a, &params, err));
	return grant_add_params(g, base, params, ret, err);
}

int authorize_ask(const struct grant *g, const struct authorize *a, struct sv code,
	struct http_request *ret, struct err *err)
{
	own(json_unref) struct json_t *params = NULL, *more = NULL;
	struct json_t *val;
	struct sv url, key;

	TRY(grant_url(g, "token_url", &url, err));
	TRY(grant_fill(g, json_member(g->provider->json, SV_LIT("token_params")), &more, err));
	params = json_new_obj();
	json_set_str(params, "grant_type", SV_LIT("authorization_code"));
	json_set_str(params, "code", code);
	json_set_str(params, "redirect_uri", a->redirect_uri);
	if (a->verifier.len)
		json_set_str(params, "code_verifier", a->verifier);
	for (void *it = NULL; json_next(more, &it, &key, &val);)
		json_set(params, key, json_ref(val));
	return grant_oauth2_post(g, SV_NULL, url, params, ret, err);
}
