/* Tokens that are given for something else: an app's signature, a login, several steps. */
#include "auth/grant.h"
#include "auth/jwt.h"
#include "base/clock.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/provider.h"

enum { BILL_LIFE_MS = 35 * 60 * 1000, APP_TOKEN_LIFE_MS = 60 * 60 * 1000 };

static struct sv text_in(const struct json_t *v, const char *path)
{
	return json_sv(json_find(v, sv_str(path)));
}

/* --- APP: the app's token for an installation's token --- */

static bool app_able(const struct provider *p, const struct json_t *credentials)
{
	const struct json_t *id = json_member(credentials, SV_LIT("installation_id"));

	return id && json_member(p->json, SV_LIT("token_url"));
}

static int app_ask(struct grant *g, unsigned step, struct http_request *ret, struct err *err)
{
	own(json_unref) struct json_t *headers = NULL, *params = json_new_obj();
	const struct json_t *urls = json_member(g->provider->json, SV_LIT("token_url"));
	struct grant_ask a = { .format = SV_LIT("json"), .params = params };
	struct sv token;

	if (step > 0)
		return 0;
	/* Providers that know users too have a URL for each. */
	struct sv url = json_kind(urls) == JSON_KIND_OBJECT ? text_in(urls, "APP") : json_sv(urls);
	TRY(grant_eval(g, url, GRANT_URL, &a.url, err));
	TRY(grant_app_token(g, &token, err));
	headers = json_new_obj();
	json_set_str(
		headers, "authorization", sv_str(arena_printf(g->arena, "Bearer %.*s", SV(token))));
	a.headers = headers;
	TRY(grant_post(g, &a, ret, err));
	return 1;
}

static int app_accept(
	struct grant *g, unsigned step UNUSED, const struct json_t *answer, struct err *err)
{
	struct sv token = text_in(answer, "token");

	if (!token.len)
		return err_set(err, ERR_UPSTREAM, "the answer holds no token");
	json_set_str(g->next, "access_token", token);
	grant_set_expiry(g, answer, APP_TOKEN_LIFE_MS);
	json_set(g->next, SV_LIT("raw"), json_clone(answer));
	return 0;
}

const struct grant_mode grant_app = { app_able, app_ask, app_accept };

/* --- BILL: a login for a session --- */

static bool bill_able(const struct provider *p, const struct json_t *credentials)
{
	return json_sv(json_member(credentials, SV_LIT("password"))).len &&
	       json_member(p->json, SV_LIT("token_url"));
}

static int bill_ask(struct grant *g, unsigned step, struct http_request *ret, struct err *err)
{
	static const char *const fields[][2] = { { "username", "username" },
		{ "password", "password" }, { "organizationId", "organization_id" },
		{ "devKey", "dev_key" } };
	own(json_unref) struct json_t *params = json_new_obj();
	struct grant_ask a = { .format = SV_LIT("json"), .params = params };

	if (step > 0)
		return 0;
	TRY(grant_url(g, "token_url", &a.url, err));
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		json_set_str(params, fields[i][0], text_in(g->credentials, fields[i][1]));
	TRY(grant_post(g, &a, ret, err));
	return 1;
}

static int bill_accept(
	struct grant *g, unsigned step UNUSED, const struct json_t *answer, struct err *err)
{
	struct sv session = text_in(answer, "sessionId");

	if (!session.len)
		return err_set(err, ERR_UPSTREAM, "the answer holds no sessionId");
	json_set_str(g->next, "session_id", session);
	json_set_str(g->next, "user_id", text_in(answer, "userId"));
	grant_set_expiry(g, NULL, BILL_LIFE_MS);
	json_set(g->next, SV_LIT("raw"), json_clone(answer));
	return 0;
}

const struct grant_mode grant_bill = { bill_able, bill_ask, bill_accept };

/* --- TWO_STEP: whatever the provider's entry says --- */

static bool two_step_able(const struct provider *p, const struct json_t *credentials)
{
	/* Besides the type and what we put there ourselves there must be something to log in with.
	 */
	return json_member(p->json, SV_LIT("token_url")) && json_len(credentials) > 1;
}

/* The entry that describes a step: the provider's own, then its additional_steps. */
static const struct json_t *entry_of(const struct grant *g, unsigned step)
{
	const struct json_t *more = json_member(g->provider->json, SV_LIT("additional_steps"));

	return step == 0 ? g->provider->json : json_item(more, step - 1);
}

static int two_step_ask(struct grant *g, unsigned step, struct http_request *ret, struct err *err)
{
	const struct json_t *entry = entry_of(g, step);
	own(json_unref) struct json_t *params = NULL;

	if (!entry)
		return 0;
	struct grant_ask a = { .format = text_in(entry, "body_format"),
		.headers = json_member(entry, SV_LIT("token_headers")),
		.method = text_in(entry, "token_request_method") };
	if (sv_eq_str(a.format, "xml"))
		return err_set(err, ERR_INVALID, "logins in XML are not supported");
	if (!a.format.len)
		a.format = SV_LIT("json");
	TRY(grant_fill(g, json_member(entry, SV_LIT("token_params")), &params, err));
	TRY(grant_eval(g, text_in(entry, "token_url"), GRANT_URL, &a.url, err));
	a.params = params;
	TRY(grant_post(g, &a, ret, err));
	return 1;
}

/* What the answer says about the end of the token, by the provider's path and strategy. */
static struct json_t *expiry_in(const struct grant *g, const struct json_t *answer)
{
	const struct json_t *how = json_member(g->provider->json, SV_LIT("token_response"));
	struct sv path = text_in(how, "token_expiration");
	bool at = sv_eq_str(text_in(how, "token_expiration_strategy"), "expireAt");
	struct json_t *said = json_new_obj();
	const struct json_t *v = path.len ? json_find(answer, path) : NULL;

	if (v)
		json_set(said, at ? SV_LIT("expires_at") : SV_LIT("expires_in"), json_clone(v));
	return said;
}

static void set_expiry(struct grant *g, const struct json_t *answer, struct sv token)
{
	own(json_unref) struct json_t *said = expiry_in(g, answer);
	struct credentials c = { .json = g->next };
	int64_t exp = jwt_expiry_ms(token);
	char iso[CLOCK_ISO_SIZE];

	grant_set_expiry(g, said, grant_life_ms(g, 0));
	int64_t ms = credentials_expiry_ms(&c);
	if (exp && (!ms || exp < ms))
		json_set_str(g->next, "expires_at", sv_str(clock_iso_ms(exp, iso)));
}

static int two_step_accept(
	struct grant *g, unsigned step, const struct json_t *answer, struct err *err)
{
	const struct json_t *how = json_member(g->provider->json, SV_LIT("token_response"));
	struct sv path = text_in(how, "token");

	if (entry_of(g, step + 1))
		return 0;
	/* Some answer with the token alone, as a JSON text. */
	struct sv token = path.len ? json_sv(json_find(answer, path)) : json_sv(answer);
	if (!token.len)
		return err_set(err, ERR_UPSTREAM, "the answer holds no token at '%.*s'", SV(path));
	json_set_str(g->next, "token", token);
	set_expiry(g, answer, token);
	json_set(g->next, SV_LIT("raw"), json_clone(answer));
	return 0;
}

const struct grant_mode grant_two_step = { two_step_able, two_step_ask, two_step_accept };
