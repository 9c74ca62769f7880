/* Tokens that are given for something else: an app's signature, a login, several steps. */
#include "auth/grant.h"
#include "auth/jwt.h"
#include "base/clock.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/provider.h"

enum { BILL_LIFE_MS = 35 * 60 * 1000, APP_TOKEN_LIFE_MS = 60 * 60 * 1000 };
enum { TABLEAU_LIFE_MS = 2 * 3600 * 1000, COOKIES_MAX = 16 * 1024, PATH_MAX_LEN = 1024 };

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

/* --- TABLEAU: a personal access token for a session --- */

static bool tableau_able(const struct provider *p, const struct json_t *credentials)
{
	return json_sv(json_member(credentials, SV_LIT("pat_secret"))).len &&
	       json_member(p->json, SV_LIT("token_url"));
}

static int tableau_ask(struct grant *g, unsigned step, struct http_request *ret, struct err *err)
{
	own(json_unref) struct json_t *params = json_new_obj();
	struct grant_ask a = { .format = SV_LIT("json"), .params = params };

	if (step > 0)
		return 0;
	TRY(grant_url(g, "token_url", &a.url, err));
	struct json_t *who = json_new_obj(), *site = json_new_obj();
	struct sv content_url = text_in(g->credentials, "content_url");
	json_set_str(who, "personalAccessTokenName", text_in(g->credentials, "pat_name"));
	json_set_str(who, "personalAccessTokenSecret", text_in(g->credentials, "pat_secret"));
	json_set_str(site, "contentUrl", content_url.ptr ? content_url : SV_LIT(""));
	json_set(who, SV_LIT("site"), site);
	json_set(params, SV_LIT("credentials"), who);
	TRY(grant_post(g, &a, ret, err));
	return 1;
}

/* "1:59:30", hours first; 0 for what is none. */
static int64_t clock_ms(struct sv text)
{
	int64_t seconds = 0, n;
	struct sv part;

	while (text.len && sv_split(&text, ':', &part)) {
		if (!sv_to_i64(part, &n) || n < 0 || n > 10000)
			return 0;
		seconds = seconds * 60 + n;
	}
	return seconds * 1000;
}

static int tableau_accept(
	struct grant *g, unsigned step UNUSED, const struct json_t *answer, struct err *err)
{
	struct sv token = text_in(answer, "credentials.token");
	int64_t life = clock_ms(text_in(answer, "credentials.estimatedTimeToExpiration"));

	if (!token.len)
		return err_set(err, ERR_UPSTREAM, "the answer holds no credentials.token");
	json_set_str(g->next, "token", token);
	grant_set_expiry(g, NULL, grant_life_ms(g, life ? life : TABLEAU_LIFE_MS));
	json_set(g->next, SV_LIT("raw"), json_clone(answer));
	return 0;
}

const struct grant_mode grant_tableau = { tableau_able, tableau_ask, tableau_accept };

/* --- TWO_STEP: whatever the provider's entry says --- */

static bool two_step_able(const struct provider *p, const struct json_t *credentials)
{
	/* Besides the type and what we put there ourselves there must be something to log in with.
	 */
	return json_member(p->json, SV_LIT("token_url")) && json_len(credentials) > 1;
}

/* A refresh token saves the login, where the provider has a URL for it. */
static bool renews(const struct grant *g)
{
	return !g->long_way && json_member(g->provider->json, SV_LIT("refresh_url")) &&
	       text_in(g->credentials, "refresh_token").len;
}

/* The entry that describes a step: the provider's own, then its additional_steps. */
static const struct json_t *entry_of(const struct grant *g, unsigned step)
{
	const struct json_t *more = json_member(g->provider->json, SV_LIT("additional_steps"));

	if (step == 0)
		return g->provider->json;
	return renews(g) ? NULL : json_item(more, step - 1);
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
	if (!a.format.len)
		a.format = SV_LIT("json");
	g->short_way = renews(g);
	struct sv url = text_in(entry, g->short_way ? "refresh_url" : "token_url");
	const char *with = g->short_way ? "refresh_token_params" : "token_params";
	TRY(grant_fill(g, json_member(entry, sv_str(with)), &params, err));
	TRY(grant_eval(g, url, GRANT_URL, &a.url, err));
	a.params = params;
	TRY(grant_post(g, &a, ret, err));
	return 1;
}

/* "a=1; b=2" of what the answer sets. */
static struct sv cookies_of(const struct grant *g)
{
	own_in(buf_done) struct buf b = { 0 };
	const struct http_headers *h = g->answer_headers;

	buf_init(&b, COOKIES_MAX);
	for (size_t i = 0; h && i < h->count; i++) {
		struct sv rest = h->items[i].value, pair;
		if (!sv_eq_nocase(h->items[i].name, SV_LIT("set-cookie")) ||
			!sv_split(&rest, ';', &pair))
			continue;
		pair = sv_trim(pair);
		ptrdiff_t eq = sv_find_char(pair, '=');
		/* One without value is taken back. */
		if (eq > 0 && (size_t)eq + 1 < pair.len)
			buf_printf(&b, "%s%.*s", b.len ? "; " : "", SV(pair));
	}
	return buf_ok(&b) && b.len ? arena_sv(g->arena, buf_sv(&b)) : SV_NULL;
}

/* Headers of the answer that the provider's entry names become credentials: "_cookies", "_x-id". */
static void keep_header(struct grant *g, struct sv name)
{
	bool cookies =
		sv_eq_nocase(name, SV_LIT("cookies")) || sv_eq_nocase(name, SV_LIT("set-cookie"));
	struct sv value = SV_NULL;

	if (cookies)
		value = cookies_of(g);
	else if (g->answer_headers)
		value = http_headers_get(g->answer_headers, arena_str(g->arena, name));
	if (value.len)
		json_set_str(g->next,
			cookies ? "_cookies" : arena_printf(g->arena, "_%.*s", SV(name)), value);
}

static void keep_headers(struct grant *g)
{
	const struct json_t *names =
		json_member(g->provider->json, SV_LIT("token_response_headers"));

	keep_header(g, json_sv(names));
	for (size_t i = 0; json_kind(names) == JSON_KIND_ARRAY && i < json_len(names); i++)
		keep_header(g, json_sv(json_item(names, i)));
}

/* Paths into XML may have the prefixes of namespaces, which data/xml.h drops. */
static struct json_t *find(const struct grant *g, const struct json_t *answer, struct sv path)
{
	own_in(buf_done) struct buf b = { 0 };
	struct sv rest = path, part;

	if (!path.len || sv_find_char(path, ':') < 0)
		return path.len ? json_find(answer, path) : NULL;
	buf_init(&b, PATH_MAX_LEN);
	while (rest.len && sv_split(&rest, '.', &part)) {
		ptrdiff_t colon = sv_find_char(part, ':');
		buf_printf(&b, "%s%.*s", b.len ? "." : "",
			SV(colon < 0 ? part : sv_from(part, (size_t)colon + 1)));
	}
	return json_find(answer, arena_sv(g->arena, buf_sv(&b)));
}

/* What the answer says about the end of the token, by the provider's path and strategy. */
static struct json_t *expiry_in(const struct grant *g, const struct json_t *answer)
{
	const struct json_t *how = json_member(g->provider->json, SV_LIT("token_response"));
	struct sv path = text_in(how, "token_expiration");
	bool at = sv_eq_str(text_in(how, "token_expiration_strategy"), "expireAt");
	struct json_t *said = json_new_obj();
	const struct json_t *v = find(g, answer, path);

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
	/* One that is over as it comes: clocks differ (grant_set_expiry). */
	if (exp > g->now_ms && (!ms || exp < ms))
		json_set_str(g->next, "expires_at", sv_str(clock_iso_ms(exp, iso)));
}

/* Some answer with the token alone, as a JSON text; some with nothing but cookies. */
static struct sv token_in(const struct grant *g, const struct json_t *answer, struct sv path)
{
	if (path.len)
		return json_sv(find(g, answer, path));
	struct sv alone = json_sv(answer);
	return alone.len ? alone : text_in(g->next, "_cookies");
}

static int two_step_accept(
	struct grant *g, unsigned step, const struct json_t *answer, struct err *err)
{
	const struct json_t *how = json_member(g->provider->json, SV_LIT("token_response"));
	struct sv path = text_in(how, "token");

	keep_headers(g);
	if (entry_of(g, step + 1))
		return 0;
	struct sv token = token_in(g, answer, path);
	struct sv refresh = json_sv(find(g, answer, text_in(how, "refresh_token")));
	if (!token.len)
		return err_set(err, ERR_UPSTREAM, "the answer holds no token at '%.*s'", SV(path));
	json_set_str(g->next, "token", token);
	if (refresh.len)
		json_set_str(g->next, "refresh_token", refresh);
	set_expiry(g, answer, token);
	json_set(g->next, SV_LIT("raw"), json_clone(answer));
	return 0;
}

const struct grant_mode grant_two_step = { two_step_able, two_step_ask, two_step_accept };
