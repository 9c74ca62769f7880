/*
 * OAuth 2: a new access token for a refresh token (RFC 6749, 6), and what some providers want
 * besides or instead (quirks.h).
 */
#include "auth/grant.h"
#include "auth/quirks.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/provider.h"

/* A token whose end nobody tells is asked about again after an hour. */
enum { UNKNOWN_LIFE_MS = 3600 * 1000, ALIVE_MIN_MS = 60 * 1000 };

static struct sv text_in(const struct json_t *v, const char *path)
{
	return json_sv(json_find(v, sv_str(path)));
}

/* --- the plan: what is asked for, in order --- */

enum part {
	PART_CHECK, /* does the token live, and how long? */
	PART_RENEW,
	PART_END, /* how long does the new one live? */
	PART_USER, /* the user's token */
	PART_SHAREPOINT, /* a token for SharePoint */
	PART_NONE,
};

static bool tenant_ok(struct sv s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!(s.ptr[i] >= 'a' && s.ptr[i] <= 'z') &&
			!(s.ptr[i] >= 'A' && s.ptr[i] <= 'Z') &&
			!(s.ptr[i] >= '0' && s.ptr[i] <= '9') && s.ptr[i] != '-')
			return false;
	return s.len > 0;
}

static int64_t end_of(const struct json_t *answer)
{
	int64_t exp = grant_number(json_member(answer, SV_LIT("exp")));

	return exp > 0 && exp < 100000000000 ? exp * 1000 : 0;
}

static bool is_alive(const struct grant *g, const struct json_t *answer)
{
	int64_t end = end_of(answer);

	return json_truth(json_member(answer, SV_LIT("active"))) &&
	       (!end || end - g->now_ms > ALIVE_MIN_MS);
}

static enum part part_of(const struct grant *g, unsigned step)
{
	const struct quirk *q = quirk_of(g->provider);
	enum part plan[PART_NONE];
	unsigned n = 0;
	bool checks = q->introspects && !g->forced;

	if (checks && step > 0 && is_alive(g, g->answers[0]))
		return PART_NONE;
	if (checks)
		plan[n++] = PART_CHECK;
	plan[n++] = PART_RENEW;
	if (q->introspects)
		plan[n++] = PART_END;
	if (q->user_token && text_in(g->credentials, "raw.authed_user.refresh_token").len)
		plan[n++] = PART_USER;
	if (q->sharepoint && tenant_ok(text_in(g->config, "tenant")))
		plan[n++] = PART_SHAREPOINT;
	return step < n ? plan[step] : PART_NONE;
}

/* --- asking --- */

static bool renew_able(const struct provider *p, const struct json_t *credentials)
{
	const char *with = quirk_of(p)->exchange ? "access_token" : "refresh_token";

	return text_in(credentials, with).len && json_member(p->json, SV_LIT("token_url"));
}

static int refresh_url(const struct grant *g, struct sv *ret, struct err *err)
{
	const struct quirk *q = quirk_of(g->provider);

	if (json_member(g->provider->json, SV_LIT("refresh_url")))
		return grant_url(g, "refresh_url", ret, err);
	if (!q->refresh_url)
		return grant_url(g, "token_url", ret, err);
	*ret = sv_str(q->refresh_url);
	return 0;
}

static int ask_with(const struct grant *g, struct sv refresh_token, struct sv scope,
	struct http_request *ret, struct err *err)
{
	own(json_unref) struct json_t *params = json_new_obj(), *more = NULL;
	bool special = json_member(g->provider->json, SV_LIT("refresh_params")) != NULL;
	const struct quirk *q = quirk_of(g->provider);
	struct json_t *val;
	struct sv url, key;

	TRY(refresh_url(g, &url, err));
	TRY(grant_fill(g,
		json_member(g->provider->json,
			special ? SV_LIT("refresh_params") : SV_LIT("token_params")),
		&more, err));
	/* token_params are those of a first token: their grant type is another. */
	if (!special)
		json_del(more, SV_LIT("grant_type"));
	if (q->exchange) {
		json_set_str(params, "grant_type", sv_str(q->exchange_grant));
		json_set_str(params, q->exchange, text_in(g->credentials, "access_token"));
	} else {
		json_set_str(params, "grant_type", SV_LIT("refresh_token"));
		json_set_str(params, "refresh_token", refresh_token);
	}
	for (void *it = NULL; json_next(more, &it, &key, &val);)
		json_set(params, key, json_ref(val));
	if (scope.len)
		json_set_str(params, "scope", scope);
	return grant_oauth2_post(g, q->get ? SV_LIT("GET") : SV_NULL, url, params, ret, err);
}

/* Beside the token endpoint, unless the entry says where. */
static int introspection_url(const struct grant *g, struct sv *ret, struct err *err)
{
	struct sv url;
	size_t end;

	if (json_member(g->provider->json, SV_LIT("introspection_url")))
		return grant_url(g, "introspection_url", ret, err);
	TRY(grant_url(g, "token_url", &url, err));
	for (end = url.len; end > 0 && url.ptr[end - 1] != '/';)
		end--;
	*ret = sv_str(arena_printf(g->arena, "%.*sintrospect", SV(sv_make(url.ptr, end))));
	return 0;
}

static int introspect(const struct grant *g, struct http_request *ret, struct err *err)
{
	own(json_unref) struct json_t *params = json_new_obj();
	struct sv url;

	TRY(introspection_url(g, &url, err));
	json_set_str(params, "token", text_in(g->next, "access_token"));
	json_set_str(params, "token_type_hint", SV_LIT("access_token"));
	return grant_oauth2_post(g, SV_NULL, url, params, ret, err);
}

static int renew_ask(struct grant *g, unsigned step, struct http_request *ret, struct err *err)
{
	enum part part = part_of(g, step);
	struct sv scope = SV_NULL, token = text_in(g->next, "refresh_token");

	if (part == PART_NONE)
		return 0;
	if (quirk_of(g->provider)->client != QUIRK_CLIENT_NONE && !grant_client_id(g).len)
		return err_set(err, ERR_INVALID,
			"integration has no client_id to refresh tokens with: set its credentials");
	if (part == PART_CHECK || part == PART_END) {
		TRY(introspect(g, ret, err));
		return 1;
	}
	if (part == PART_USER)
		token = text_in(g->credentials, "raw.authed_user.refresh_token");
	if (part == PART_SHAREPOINT)
		scope = sv_str(arena_printf(g->arena, "https://%.*s.sharepoint.com/.default",
			SV(text_in(g->config, "tenant"))));
	TRY(ask_with(g, token, scope, ret, err));
	return 1;
}

/* --- answers --- */

static int take_token(struct grant *g, const struct json_t *answer, struct err *err)
{
	const struct json_t *user = json_find(g->credentials, SV_LIT("raw.authed_user"));

	TRY(grant_oauth2_take(g, answer, err));
	/* The user's token is told once; what it was stays until it is renewed itself. */
	if (user && quirk_of(g->provider)->user_token &&
		!json_member(answer, SV_LIT("authed_user")))
		json_set(json_member(g->next, SV_LIT("raw")), SV_LIT("authed_user"),
			json_clone(user));
	return 0;
}

static void take_end(struct grant *g, const struct json_t *answer)
{
	own(json_unref) struct json_t *said = json_new_obj();

	if (end_of(answer))
		json_set_int(said, "expires_at", end_of(answer));
	grant_set_expiry(g, said, UNKNOWN_LIFE_MS);
}

static void take_user(struct grant *g, const struct json_t *answer)
{
	static const char *const kept[] = { "access_token", "refresh_token", "expires_in" };
	struct json_t *user = json_find(g->next, SV_LIT("raw.authed_user"));

	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		const struct json_t *v = json_member(answer, sv_str(kept[i]));
		if (v)
			json_set(user, sv_str(kept[i]), json_clone(v));
	}
}

static void take_sharepoint(struct grant *g, const struct json_t *answer)
{
	struct json_t *copy = json_clone(answer);

	/* The refresh token is good for both, and kept once. */
	json_del(copy, SV_LIT("refresh_token"));
	json_set(g->next, SV_LIT("sharepoint"), copy);
}

static int renew_accept(
	struct grant *g, unsigned step, const struct json_t *answer, struct err *err)
{
	switch (part_of(g, step)) {
	case PART_CHECK:
		if (is_alive(g, answer))
			take_end(g, answer);
		break;
	case PART_RENEW: return take_token(g, answer, err);
	case PART_END: take_end(g, answer); break;
	case PART_USER:
		if (answer)
			take_user(g, answer);
		break;
	case PART_SHAREPOINT:
		if (answer)
			take_sharepoint(g, answer);
		break;
	case PART_NONE: break;
	}
	return 0;
}

/* Only the renewal itself has to succeed: its token must not be lost for anything else. */
static bool renew_optional(const struct grant *g, unsigned step)
{
	return part_of(g, step) != PART_RENEW;
}

const struct grant_mode grant_oauth2 = { renew_able, renew_ask, renew_accept, renew_optional };
