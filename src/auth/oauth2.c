/* OAuth 2: how a client asks (RFC 6749, 2.3), what it is answered, and client credentials (4.4). */
#include "auth/grant.h"
#include "auth/quirks.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/provider.h"

enum { CC_LIFE_MS = 55 * 60 * 1000 };

static struct sv text_of(const struct grant *g, const char *key)
{
	return json_sv(json_member(g->provider->json, sv_str(key)));
}

static void copy(struct json_t *to, const struct json_t *from)
{
	struct json_t *val;
	struct sv key;

	for (void *it = NULL; json_next(from, &it, &key, &val);)
		json_set(to, key, json_ref(val));
}

/* Parameters of the provider's entry, filled; an empty object when there are none. */
static int params_of(const struct grant *g, const char *key, struct json_t **ret, struct err *err)
{
	struct json_t *tmpl = json_member(g->provider->json, sv_str(key));

	return grant_fill(g, tmpl, ret, err);
}

/* How the client says who it is: as the entry has it, else as the provider is known to want it. */
static enum quirk_client client_of(const struct grant *g)
{
	bool basic = sv_eq_str(text_of(g, "authorization_method"), "header") ||
		     sv_eq_str(text_of(g, "token_request_auth_method"), "basic");

	return basic ? QUIRK_CLIENT_BASIC : quirk_of(g->provider)->client;
}

/* In the header or among the parameters. */
static void identify(const struct grant *g, struct sv id, struct sv secret, struct grant_ask *a,
	struct json_t *params)
{
	const char *id_name = "client_id", *secret_name = "client_secret";

	if (sv_eq_str(text_of(g, "token_request_auth_method"), "custom"))
		id_name = "username", secret_name = "password";
	switch (client_of(g)) {
	case QUIRK_CLIENT_NONE: return;
	case QUIRK_CLIENT_BASIC:
		a->basic_user = id;
		a->basic_password = secret;
		return;
	case QUIRK_CLIENT_SECRET_AS_USER:
		a->basic_user = secret;
		a->basic_password = SV_LIT("");
		return;
	case QUIRK_CLIENT_KEY: id_name = "client_key"; break;
	case QUIRK_CLIENT_APP_ID: id_name = "app_id", secret_name = "secret"; break;
	case QUIRK_CLIENT_IN_BODY: break;
	}
	json_set_str(params, id_name, id);
	if (secret.len)
		json_set_str(params, secret_name, secret);
}

static int post(const struct grant *g, struct grant_ask *a, struct json_t *params,
	struct http_request *ret, struct err *err)
{
	a->params = params;
	const struct quirk *q = quirk_of(g->provider);

	a->format = text_of(g, "body_format");
	if (!a->format.len)
		a->format = sv_str(q->format);
	a->headers = json_member(g->provider->json, SV_LIT("token_headers"));
	return grant_post(g, a, ret, err);
}

int grant_oauth2_post(const struct grant *g, struct sv method, struct sv url, struct json_t *params,
	struct http_request *ret, struct err *err)
{
	struct grant_ask a = { .url = url, .method = method };

	identify(g, grant_client_id(g), grant_client_secret(g), &a, params);
	return post(g, &a, params, ret, err);
}

/* --- answers --- */

/* Where the answer holds the token, and what goes with it. */
static const struct json_t *token_holder(
	const struct grant *g, const struct json_t *answer, struct sv *ret_token)
{
	struct sv path = text_of(g, "alternate_access_token_response_path");
	const char *holder = quirk_of(g->provider)->holder;
	ptrdiff_t dot = -1;

	if (!path.len && holder)
		path = sv_str(arena_printf(g->arena, "%s.access_token", holder));

	*ret_token = path.len ? json_sv(json_find(answer, path)) : SV_NULL;
	if (!ret_token->len) {
		*ret_token = json_sv(json_member(answer, SV_LIT("access_token")));
		return answer;
	}
	for (size_t i = 0; i < path.len; i++)
		if (path.ptr[i] == '.')
			dot = (ptrdiff_t)i;
	return dot < 0 ? answer : json_find(answer, sv_make(path.ptr, (size_t)dot));
}

int grant_oauth2_take(struct grant *g, const struct json_t *answer, struct err *err)
{
	struct sv token;
	const struct json_t *holder = token_holder(g, answer, &token);
	struct sv refresh = json_sv(json_member(holder, SV_LIT("refresh_token")));

	if (!token.len)
		return err_set(err, ERR_UPSTREAM, "the answer holds no access_token");
	json_set_str(g->next, "access_token", token);
	if (refresh.len)
		json_set_str(g->next, "refresh_token", refresh);
	grant_set_expiry(g, holder, 0);
	json_set(g->next, SV_LIT("raw"), json_clone(answer));
	return 0;
}

/* --- client credentials --- */

static bool cc_able(const struct provider *p, const struct json_t *credentials)
{
	return json_sv(json_member(credentials, SV_LIT("client_id"))).len &&
	       json_member(p->json, SV_LIT("token_url"));
}

/* The scopes that the connection asks for: a text or a list. */
static void add_scopes(const struct grant *g, struct json_t *params)
{
	const struct json_t *v = json_member(g->config, SV_LIT("oauth_scopes"));
	struct sv separator = text_of(g, "scope_separator");
	own_in(buf_done) struct buf b = { 0 };
	struct sv rest = json_sv(v), one;

	buf_init(&b, 16 * 1024);
	while (rest.len && sv_split(&rest, ',', &one)) {
		buf_sv_add(&b, b.len ? (separator.len ? separator : SV_LIT(" ")) : SV_LIT(""));
		buf_sv_add(&b, sv_trim(one));
	}
	for (size_t i = 0; json_kind(v) == JSON_KIND_ARRAY && i < json_len(v); i++) {
		buf_sv_add(&b, b.len ? (separator.len ? separator : SV_LIT(" ")) : SV_LIT(""));
		buf_sv_add(&b, json_sv(json_item(v, i)));
	}
	if (b.len && buf_ok(&b))
		json_set_str(params, "scope", buf_sv(&b));
}

static int cc_identify(
	const struct grant *g, struct grant_ask *a, struct json_t *params, struct err *err)
{
	struct sv id = json_sv(json_member(g->credentials, SV_LIT("client_id")));
	struct sv key = json_sv(json_member(g->credentials, SV_LIT("client_private_key")));
	struct sv assertion;

	if (!sv_eq_str(text_of(g, "token_request_auth_method"), "private_key_jwt")) {
		identify(g, id, json_sv(json_member(g->credentials, SV_LIT("client_secret"))), a,
			params);
		return 0;
	}
	TRY(grant_client_assertion(g, id, key, a->url, &assertion, err));
	json_set_str(params, "client_id", id);
	json_set_str(params, "client_assertion_type",
		SV_LIT("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
	json_set_str(params, "client_assertion", assertion);
	return 0;
}

static int cc_ask(struct grant *g, unsigned step, struct http_request *ret, struct err *err)
{
	own(json_unref) struct json_t *params = NULL, *more = NULL;
	struct grant_ask a = { 0 };

	if (step > 0)
		return 0;
	TRY(grant_url(g, "token_url", &a.url, err));
	TRY(params_of(g, "token_params", &more, err));
	params = json_new_obj();
	json_set_str(params, "grant_type", SV_LIT("client_credentials"));
	add_scopes(g, params);
	copy(params, more);
	TRY(cc_identify(g, &a, params, err));
	TRY(post(g, &a, params, ret, err));
	return 1;
}

static int cc_accept(
	struct grant *g, unsigned step UNUSED, const struct json_t *answer, struct err *err)
{
	static const char *const paths[] = { "access_token", "data.token", "jwt" };
	struct sv token = SV_NULL;

	for (size_t i = 0; i < ARRAY_LEN(paths) && !token.len; i++)
		token = json_sv(json_find(answer, sv_str(paths[i])));
	if (!token.len)
		return err_set(err, ERR_UPSTREAM, "the answer holds no access_token");
	json_set_str(g->next, "token", token);
	grant_set_expiry(g, answer, CC_LIFE_MS);
	json_set(g->next, SV_LIT("raw"), json_clone(answer));
	return 0;
}

const struct grant_mode grant_oauth2_cc = { cc_able, cc_ask, cc_accept };
