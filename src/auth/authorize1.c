#include "auth/authorize1.h"

#include "auth/oauth1.h"
#include "base/sv.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "data/json.h"
#include "model/provider.h"

#include <ctype.h>

enum { NONCE_BYTES = 16 };

static struct sv text_of(const struct grant *g, const char *key)
{
	return json_sv(json_member(g->provider->json, sv_str(key)));
}

static struct sv method_of(const struct grant *g, const char *key)
{
	struct sv given = text_of(g, key);
	char *method = given.len ? arena_str(g->arena, given) : NULL;

	for (char *at = method; at && *at; at++)
		*at = (char)toupper((unsigned char)*at);
	return method ? sv_str(method) : SV_LIT("POST");
}

/* A request without body, signed by what is in *o already and the integration's client. */
static int sign(const struct grant *g, struct sv url, struct sv method, struct oauth1 *o,
	struct http_request *ret, struct err *err)
{
	ptrdiff_t question = sv_find_char(url, '?');
	unsigned char random[NONCE_BYTES];
	struct http_headers headers = { 0 };
	char nonce[HASH_HEX_SIZE];

	random_bytes(random, sizeof(random));
	o->nonce = sv_str(hash_hex(random, sizeof(random), nonce));
	o->method = oauth1_method(text_of(g, "signature_method"));
	o->consumer_key = grant_client_id(g);
	o->consumer_secret = grant_client_secret(g);
	o->timestamp = g->now_ms / 1000;
	o->http_method = method;
	o->url = question < 0 ? url : sv_make(url.ptr, (size_t)question);
	o->query = question < 0 ? SV_NULL : sv_from(url, (size_t)question + 1);
	if (!o->consumer_key.len)
		return err_set(
			err, ERR_INVALID, "the integration has no client_id: set its credentials");
	struct sv header = oauth1_header(o, g->arena);
	if (!header.ptr)
		return err_set(err, ERR_LIMIT, "too many parameters to sign");
	http_headers_add(g->arena, &headers, SV_LIT("accept"), SV_LIT("*/*"));
	http_headers_add(
		g->arena, &headers, SV_LIT("user-agent"), SV_LIT("tidemark/" TIDEMARK_VERSION));
	http_headers_add(g->arena, &headers, SV_LIT("authorization"), header);
	*ret = (struct http_request){ .method = method,
		.url = url,
		.headers = headers.items,
		.header_count = headers.count,
		.body = sv_eq_str(method, "GET") ? SV_NULL : SV_LIT("") };
	return 0;
}

int authorize1_begin(
	const struct grant *g, struct sv callback, struct http_request *ret, struct err *err)
{
	struct oauth1 o = { .callback = callback };
	struct sv url;

	TRY(grant_url(g, "request_url", &url, err));
	return sign(g, url, method_of(g, "request_http_method"), &o, ret, err);
}

int authorize1_token(const struct json_t *answer, struct authorize1_token *ret, struct err *err)
{
	ret->token = json_sv(json_member(answer, SV_LIT("oauth_token")));
	ret->secret = json_sv(json_member(answer, SV_LIT("oauth_token_secret")));
	if (ret->token.len && ret->secret.ptr)
		return 0;
	return err_set(err, ERR_UPSTREAM, "the answer holds no oauth_token and oauth_token_secret");
}

int authorize1_url(const struct grant *g, struct sv token, const struct json_t *params,
	struct sv *ret, struct err *err)
{
	own(json_unref) struct json_t *all = NULL;
	struct json_t *val;
	struct sv url, key;

	TRY(grant_url(g, "authorization_url", &url, err));
	TRY(grant_fill(
		g, json_member(g->provider->json, SV_LIT("authorization_params")), &all, err));
	for (void *it = NULL; json_next(params, &it, &key, &val);)
		json_set(all, key, json_clone(val));
	json_set_str(all, "oauth_token", token);
	return grant_add_params(g, url, all, ret, err);
}

int authorize1_exchange(const struct grant *g, const struct authorize1_token *t, struct sv verifier,
	struct http_request *ret, struct err *err)
{
	struct oauth1 o = { .token = t->token, .token_secret = t->secret, .verifier = verifier };
	struct sv url;

	TRY(grant_url(g, "token_url", &url, err));
	return sign(g, url, method_of(g, "token_http_method"), &o, ret, err);
}

int authorize1_accept(struct grant *g, const struct json_t *answer, struct err *err)
{
	struct authorize1_token t;

	TRY(authorize1_token(answer, &t, err));
	json_set_str(g->next, "oauth_token", t.token);
	json_set_str(g->next, "oauth_token_secret", t.secret);
	json_set(g->next, SV_LIT("raw"), json_clone(answer));
	return 0;
}
