#include "auth/grant.h"

#include "auth/functions.h"
#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/tmpl.h"
#include "data/xml.h"
#include "model/provider.h"

enum { TEXT_MAX = 256 * 1024, URL_MAX = 64 * 1024, DEPTH_MAX = 16 };

const struct grant_mode *grant_mode(enum auth_type type)
{
	static const struct grant_mode *const modes[AUTH_TYPE_COUNT] = {
		[AUTH_OAUTH2] = &grant_oauth2,
		[AUTH_MCP_OAUTH2] = &grant_oauth2,
		[AUTH_MCP_OAUTH2_GENERIC] = &grant_oauth2,
		[AUTH_OAUTH2_CC] = &grant_oauth2_cc,
		[AUTH_APP] = &grant_app,
		[AUTH_CUSTOM] = &grant_app,
		[AUTH_APP_STORE] = &grant_app_store,
		[AUTH_TWO_STEP] = &grant_two_step,
		[AUTH_JWT] = &grant_jwt,
		[AUTH_SIGNATURE] = &grant_signature,
		[AUTH_BILL] = &grant_bill,
		[AUTH_TABLEAU] = &grant_tableau,
		[AUTH_AWS_SIGV4] = &grant_aws,
	};

	return modes[type];
}

/* --- templates --- */

enum place { PLACE_TEXT, PLACE_HOST, PLACE_PATH };

struct scope {
	const struct grant *g;
	enum place place;
};

static bool under(struct sv name, const char *prefix, struct sv *ret_rest)
{
	if (!sv_starts(name, sv_str(prefix)))
		return false;
	*ret_rest = sv_from(name, strlen(prefix));
	return true;
}

/* "step2.data.token": of the answer to the second request. */
static const struct json_t *step_of(const struct grant *g, struct sv name, struct sv *ret_rest)
{
	struct sv rest;

	if (!under(name, "step", &rest) || rest.len < 3 || rest.ptr[1] != '.')
		return NULL;
	unsigned n = (unsigned)(rest.ptr[0] - '1');
	*ret_rest = sv_from(rest, 2);
	return n < GRANT_STEPS_MAX ? g->answers[n] : NULL;
}

static bool find(const struct grant *g, struct sv name, struct sv *ret)
{
	char *scratch = arena_alloc(g->arena, 32);
	struct sv rest;

	/* What was given with the credentials (an installation_id) need not be in the config too.
	 */
	if (under(name, "connectionConfig.", &rest) || under(name, "connection_config.", &rest))
		return (g->config && tmpl_lookup_json(g->config, rest, scratch, ret)) ||
		       tmpl_lookup_json(g->credentials, rest, scratch, ret);
	if (under(name, "credentials.", &rest))
		return tmpl_lookup_json(g->credentials, rest, scratch, ret);
	if (sv_eq_str(name, "clientId"))
		return (*ret = grant_client_id(g)).ptr != NULL;
	if (sv_eq_str(name, "clientSecret"))
		return (*ret = grant_client_secret(g)).ptr != NULL;
	const struct json_t *answer = step_of(g, name, &rest);
	if (answer)
		return tmpl_lookup_json(answer, rest, scratch, ret);
	return !sv_eq_str(name, "type") && tmpl_lookup_json(g->credentials, name, scratch, ret);
}

/* A value that could lead the request to another host than the provider's author meant. */
static bool host_ok(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.ptr[i];
		if (ch <= ' ' || ch >= 0x7f || strchr("?#@\\", ch))
			return false;
	}
	return true;
}

static int lookup(void *ctx, struct sv name, struct sv *ret)
{
	const struct scope *s = ctx;
	own_in(buf_done) struct buf b = { 0 };

	if (!find(s->g, name, ret))
		return 0;
	if (s->place == PLACE_HOST)
		return host_ok(*ret);
	if (s->place == PLACE_PATH) {
		buf_init(&b, TEXT_MAX);
		enc_percent(&b, *ret, ENC_COMPONENT);
		*ret = arena_sv(s->g->arena, buf_sv(&b));
	}
	return 1;
}

static int eval(
	const struct grant *g, struct sv tmpl, enum place place, struct sv *ret, struct err *err)
{
	struct scope scope = { .g = g, .place = place };
	const struct tmpl_env env = {
		.ctx = &scope,
		.lookup = lookup,
		.call = auth_function_call,
		.now_ms = g->now_ms,
		.random = sv_str(g->random[0] ? g->random : NULL),
	};
	own_in(buf_done) struct buf out = { 0 };
	bool resolved = true;

	buf_init(&out, TEXT_MAX);
	TRY(tmpl_eval(tmpl, &env, &out, &resolved, err));
	if (!resolved)
		return err_set(err, ERR_INVALID,
			"'%.*s' of provider '%.*s' needs a value that the connection does not have",
			SV(tmpl), SV(g->provider->name));
	*ret = arena_sv(g->arena, buf_sv(&out));
	return 0;
}

/* Where the host of a URL template ends: its first / or ? behind "://" and outside of ${}. */
static size_t host_end(struct sv url)
{
	ptrdiff_t scheme = sv_find(url, SV_LIT("://"));
	unsigned depth = 0;

	for (size_t i = scheme >= 0 ? (size_t)scheme + 3 : 0; i < url.len; i++) {
		char ch = url.ptr[i];
		depth += ch == '{';
		depth -= ch == '}' && depth;
		if (!depth && (ch == '/' || ch == '?'))
			return i;
	}
	return url.len;
}

int grant_eval(const struct grant *g, struct sv tmpl, enum grant_place place, struct sv *ret,
	struct err *err)
{
	size_t end = host_end(tmpl);
	struct sv host, path;

	if (place == GRANT_TEXT)
		return eval(g, tmpl, PLACE_TEXT, ret, err);
	/* Alternatives are one text: what they lead to is checked like a host. */
	if (sv_find(tmpl, SV_LIT("||")) >= 0)
		return eval(g, tmpl, PLACE_HOST, ret, err);
	TRY(eval(g, sv_make(tmpl.ptr, end), PLACE_HOST, &host, err));
	TRY(eval(g, sv_from(tmpl, end), PLACE_PATH, &path, err));
	*ret = sv_str(arena_printf(g->arena, "%.*s%.*s", SV(host), SV(path)));
	return 0;
}

static int fill(const struct grant *g, const struct json_t *tmpl, unsigned depth,
	struct json_t **ret, struct err *err)
{
	own(json_unref) struct json_t *out = NULL;
	struct json_t *val, *filled;
	struct sv key, text;
	void *it = NULL;

	if (depth > DEPTH_MAX)
		return err_set(err, ERR_INVALID, "the provider's parameters are nested too deep");
	if (json_kind(tmpl) == JSON_KIND_STRING) {
		TRY(eval(g, json_sv(tmpl), PLACE_TEXT, &text, err));
		out = json_new_str(text);
	} else if (json_kind(tmpl) == JSON_KIND_OBJECT) {
		out = json_new_obj();
		while (json_next(tmpl, &it, &key, &val)) {
			TRY(fill(g, val, depth + 1, &filled, err));
			json_set(out, key, filled);
		}
	} else if (json_kind(tmpl) == JSON_KIND_ARRAY) {
		out = json_new_arr();
		for (size_t i = 0; i < json_len(tmpl); i++) {
			TRY(fill(g, json_item(tmpl, i), depth + 1, &filled, err));
			json_push(out, filled);
		}
	} else {
		out = tmpl ? json_clone(tmpl) : json_new_obj();
	}
	*ret = take(out);
	return 0;
}

int grant_fill(
	const struct grant *g, const struct json_t *tmpl, struct json_t **ret, struct err *err)
{
	return fill(g, tmpl, 0, ret, err);
}

int grant_url(const struct grant *g, const char *key, struct sv *ret, struct err *err)
{
	const struct json_t *v = json_member(g->provider->json, sv_str(key));

	if (json_kind(v) == JSON_KIND_OBJECT)
		v = json_member(v, sv_str(auth_type_name(g->type)));
	if (json_kind(v) != JSON_KIND_STRING)
		return err_set(err, ERR_INVALID, "provider '%.*s' has no %s for %s",
			SV(g->provider->name), key, auth_type_name(g->type));
	return grant_eval(g, json_sv(v), GRANT_URL, ret, err);
}

int grant_add_params(const struct grant *g, struct sv base, const struct json_t *params,
	struct sv *ret, struct err *err)
{
	char joint = sv_find_char(base, '?') >= 0 ? '&' : '?';
	own_in(buf_done) struct buf url = { 0 };
	struct json_t *val;
	struct sv key;

	buf_init(&url, URL_MAX);
	buf_sv_add(&url, base);
	for (void *it = NULL; json_next(params, &it, &key, &val); joint = '&') {
		buf_char(&url, joint);
		enc_percent(&url, key, ENC_COMPONENT);
		buf_char(&url, '=');
		enc_percent(&url, json_sv(val), ENC_COMPONENT);
	}
	if (!buf_ok(&url))
		return err_set(err, ERR_LIMIT, "the authorisation URL is too long");
	*ret = arena_sv(g->arena, buf_sv(&url));
	return 0;
}

/* --- the app --- */

static struct sv client(const struct grant *g, const char *key)
{
	const struct json_t *own_app = json_member(g->credentials, SV_LIT("config_override"));
	struct sv given = json_sv(json_member(own_app, sv_str(key)));

	return given.len ? given : json_sv(json_member(g->app, sv_str(key)));
}

struct sv grant_client_id(const struct grant *g)
{
	return client(g, "client_id");
}

struct sv grant_client_secret(const struct grant *g)
{
	return client(g, "client_secret");
}

/* --- requests --- */

static void add_param(struct buf *b, struct sv key, const struct json_t *val)
{
	own_in(buf_done) struct buf text = { 0 };

	if (b->len)
		buf_char(b, '&');
	enc_percent(b, key, ENC_FORM);
	buf_char(b, '=');
	if (json_kind(val) == JSON_KIND_STRING) {
		enc_percent(b, json_sv(val), ENC_FORM);
		return;
	}
	buf_init(&text, TEXT_MAX);
	json_dump_compact(val, &text);
	enc_percent(b, buf_sv(&text), ENC_FORM);
}

static void write_form(struct buf *b, const struct json_t *params)
{
	struct json_t *val;
	struct sv key;

	for (void *it = NULL; json_next(params, &it, &key, &val);)
		add_param(b, key, val);
}

static struct sv basic(const struct grant *g, struct sv user, struct sv password)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, TEXT_MAX);
	buf_str(&b, "Basic ");
	enc_base64(&b, sv_str(arena_printf(g->arena, "%.*s:%.*s", SV(user), SV(password))));
	return arena_sv(g->arena, buf_sv(&b));
}

static int add_headers(
	const struct grant *g, const struct grant_ask *a, struct http_headers *h, struct err *err)
{
	struct json_t *val;
	struct sv key, text;

	http_headers_add(g->arena, h, SV_LIT("accept"), SV_LIT("application/json"));
	http_headers_add(g->arena, h, SV_LIT("user-agent"), SV_LIT("tidemark/" TIDEMARK_VERSION));
	if (a->basic_user.ptr)
		http_headers_add(g->arena, h, SV_LIT("authorization"),
			basic(g, a->basic_user, a->basic_password));
	for (void *it = NULL; json_next(a->headers, &it, &key, &val);) {
		TRY(grant_eval(g, json_sv(val), GRANT_TEXT, &text, err));
		if (!http_token_ok(key) || !http_header_value_ok(text))
			return err_set(err, ERR_INVALID,
				"'%.*s' would be no header that can be sent", SV(key));
		http_headers_set(g->arena, h, arena_sv(g->arena, key), text);
	}
	return 0;
}

static void add_query(struct grant_ask *a, struct arena *arena, struct sv query)
{
	char joint = sv_find_char(a->url, '?') >= 0 ? '&' : '?';

	if (query.len)
		a->url = sv_str(arena_printf(arena, "%.*s%c%.*s", SV(a->url), joint, SV(query)));
}

/* The parameters in the body, and what they are. */
static int write_body(const struct grant *g, const struct grant_ask *a, struct buf *text,
	struct http_headers *headers, struct err *err)
{
	struct sv type = SV_LIT("application/x-www-form-urlencoded");

	if (sv_eq_str(a->format, "json")) {
		type = SV_LIT("application/json");
		json_dump_compact(a->params, text);
	} else if (sv_eq_str(a->format, "xml")) {
		/* text/xml with SOAP, and much else: the provider's headers may say. */
		type = http_headers_get(headers, "content-type");
		type = type.len ? type : SV_LIT("application/xml");
		TRY(xml_write(a->params, text, err));
	} else {
		write_form(text, a->params);
	}
	http_headers_set(g->arena, headers, SV_LIT("content-type"), type);
	return 0;
}

int grant_post(const struct grant *g, const struct grant_ask *given, struct http_request *ret,
	struct err *err)
{
	struct http_headers headers = { 0 };
	struct grant_ask a = *given;
	own_in(buf_done) struct buf text = { 0 };
	bool get = sv_eq_str(a.method, "GET"), in_query = get || sv_eq_str(a.format, "query");

	TRY(add_headers(g, &a, &headers, err));
	buf_init(&text, TEXT_MAX);
	*ret = (struct http_request){ .method = a.method.len ? a.method : SV_LIT("POST") };
	if (in_query)
		write_form(&text, a.params);
	else
		TRY(write_body(g, &a, &text, &headers, err));
	if (!buf_ok(&text))
		return err_set(err, ERR_LIMIT, "the request for a token is too large");
	if (in_query) {
		add_query(&a, g->arena, buf_sv(&text));
		ret->body = get ? SV_NULL : SV_LIT("");
	} else {
		ret->body = arena_sv(g->arena, buf_sv(&text));
	}
	ret->url = a.url;
	ret->headers = headers.items;
	ret->header_count = headers.count;
	return 0;
}
