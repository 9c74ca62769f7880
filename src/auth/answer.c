/* What comes back from a token endpoint, and what went wrong there in words without secrets. */
#include "auth/grant.h"

#include "base/clock.h"
#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/query.h"
#include "data/xml.h"

#include <stdio.h>

enum { SECRET_MIN = 4, DESCRIPTION_MAX = 120 };

int64_t grant_number(const struct json_t *v)
{
	const double most = 9e18;
	int64_t n;

	if (json_kind(v) == JSON_KIND_NUMBER) {
		double d = json_num(v);
		return (int64_t)(d > most ? most : d < -most ? -most : d);
	}
	return sv_to_i64(sv_trim(json_sv(v)), &n) ? n : 0;
}

void grant_set_expiry(struct grant *g, const struct json_t *answer, int64_t default_ms)
{
	const struct json_t *at = json_member(answer, SV_LIT("expires_at"));
	int64_t in = grant_number(json_member(answer, SV_LIT("expires_in")));
	char iso[CLOCK_ISO_SIZE];
	struct credentials c = { .json = g->next };
	int64_t ms = 0;

	json_del(g->next, SV_LIT("expires_at"));
	json_del(g->next, SV_LIT("issued_at"));
	if (json_kind(at) == JSON_KIND_NUMBER || json_kind(at) == JSON_KIND_STRING) {
		json_set(g->next, SV_LIT("expires_at"), json_clone(at));
		ms = credentials_expiry_ms(&c);
		json_del(g->next, SV_LIT("expires_at"));
		/* Over as it comes: their clock is another, and the token as good as it would be.
		 */
		if (ms <= g->now_ms)
			ms = 0;
	}
	/* A century is as good as for ever, and cannot overflow. */
	if (!ms && in > 0)
		ms = g->now_ms + (in < 3155760000 ? in : 3155760000) * 1000;
	if (!ms && default_ms)
		ms = g->now_ms + default_ms;
	if (!ms)
		return;
	json_set_str(g->next, "expires_at", sv_str(clock_iso_ms(ms, iso)));
	/* How long it lives is known from the answer, or else by this (token_state). */
	if (in <= 0)
		json_set_str(g->next, "issued_at", sv_str(clock_iso_ms(g->now_ms, iso)));
}

/* Whether text repeats something secret of v. */
static bool repeats(struct sv text, const struct json_t *v)
{
	struct json_t *val;
	struct sv key;

	if (json_kind(v) == JSON_KIND_STRING)
		return json_sv(v).len >= SECRET_MIN && sv_find(text, json_sv(v)) >= 0;
	for (size_t i = 0; json_kind(v) == JSON_KIND_ARRAY && i < json_len(v); i++)
		if (repeats(text, json_item(v, i)))
			return true;
	if (json_kind(v) != JSON_KIND_OBJECT)
		return false;
	for (void *it = NULL; json_next(v, &it, &key, &val);)
		if (!sv_eq_str(key, "type") && repeats(text, val))
			return true;
	return false;
}

static bool shows_secret(const struct grant *g, struct sv text)
{
	return repeats(text, g->credentials) || repeats(text, g->app);
}

/* "invalid_grant": of the characters RFC 6749 knows, or of any that identifiers have. */
static bool is_code(const struct grant *g, struct sv s)
{
	if (!s.len || s.len >= sizeof(((struct grant_refusal *)0)->code) || shows_secret(g, s))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char ch = s.ptr[i];
		if (!(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z') &&
			!(ch >= '0' && ch <= '9') && !strchr("_-. ", ch))
			return false;
	}
	return true;
}

/* The code of an error, where providers put it. */
static struct sv code_in(const struct json_t *answer)
{
	static const char *const paths[] = { "error", "oauth_problem", "error.code", "error.type",
		"error_code", "code", "errorCode", "Error.Code", "ErrorResponse.Error.Code" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct sv s = json_sv(json_find(answer, sv_str(paths[i])));
		if (s.len)
			return s;
	}
	return SV_NULL;
}

static struct sv description_in(const struct json_t *answer)
{
	static const char *const paths[] = { "error_description", "error.message", "message",
		"Error.Message", "ErrorResponse.Error.Message" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct sv s = json_sv(json_find(answer, sv_str(paths[i])));
		if (s.len)
			return s.len > DESCRIPTION_MAX ? sv_make(s.ptr, DESCRIPTION_MAX) : s;
	}
	return SV_NULL;
}

static bool is_final(struct sv code)
{
	static const char *const codes[] = { "invalid_grant", "bad_refresh_token",
		"invalid_refresh_token", "token_revoked", "token_expired" };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (sv_eq_str(code, codes[i]))
			return true;
	return false;
}

/* Only the host: paths and queries may hold secrets. */
static struct sv host_of(struct sv url)
{
	ptrdiff_t scheme = sv_find(url, SV_LIT("://"));
	struct sv rest = scheme >= 0 ? sv_from(url, (size_t)scheme + 3) : url, host = rest;

	for (size_t i = 0; i < rest.len; i++) {
		if (strchr("/?#", rest.ptr[i])) {
			host = sv_make(rest.ptr, i);
			break;
		}
	}
	return host;
}

static int refuse(const struct grant *g, struct sv url, int status, const struct json_t *answer,
	struct grant_refusal *ret, struct err *err)
{
	struct sv code = code_in(answer), text = description_in(answer), host = host_of(url);

	if (!is_code(g, code))
		code = SV_NULL;
	if (!enc_is_utf8(text) || shows_secret(g, text))
		text = SV_NULL;
	if (code.len)
		snprintf(ret->code, sizeof(ret->code), "%.*s", SV(code));
	else
		snprintf(ret->code, sizeof(ret->code), "http_%d", status);
	ret->final = status < 500 && is_final(code);
	return err_set(err, ERR_UPSTREAM, "%.*s answered %d%s%.*s%s%.*s", SV(host), status,
		code.len ? ", " : "", SV(code), text.len ? ": " : "", SV(text));
}

/* GitHub and others answer in the form of a query unless asked otherwise. */
static bool is_form(const struct http_response *res)
{
	struct sv type = http_headers_get(&res->headers, "content-type");

	return sv_starts(type, SV_LIT("application/x-www-form-urlencoded"));
}

static bool is_xml(const struct http_response *res)
{
	struct sv type = http_headers_get(&res->headers, "content-type");

	return (sv_find(type, SV_LIT("xml")) >= 0 && sv_find(type, SV_LIT("html")) < 0) ||
	       sv_starts(buf_sv(&res->body), SV_LIT("<?xml"));
}

static int parse(const struct grant *g, const struct http_response *res, struct json_t **ret)
{
	struct sv text = buf_sv(&res->body);

	if (is_xml(res))
		return xml_parse(text, ret, NULL);
	if (is_form(res))
		return query_parse(text, ret, NULL);
	int rc = json_parse(text, ret, NULL);
	/* Forms are all that OAuth 1 knows, whatever they are called. */
	return rc < 0 && g->type == AUTH_OAUTH1 ? query_parse(text, ret, NULL) : rc;
}

static bool is_refusal(const struct http_response *res, const struct json_t *answer)
{
	const struct json_t *error = json_member(answer, SV_LIT("error"));
	const struct json_t *ok = json_member(answer, SV_LIT("ok"));

	if (res->status < 200 || res->status > 299)
		return true;
	return json_sv(error).len || (json_kind(ok) == JSON_KIND_BOOL && !json_truth(ok));
}

int grant_answer(const struct grant *g, struct sv url, const struct http_response *res,
	struct json_t **ret, struct grant_refusal *refusal, struct err *err)
{
	own(json_unref) struct json_t *answer = NULL;
	struct sv host = host_of(url);

	*refusal = (struct grant_refusal){ 0 };
	if (!res->status) {
		const char *code = res->error.code ? res->error.code : "no_answer";
		snprintf(refusal->code, sizeof(refusal->code), "%s", code);
		return err_set(err, ERR_UPSTREAM, "%.*s could not be asked: %s", SV(host), code);
	}
	bool readable = parse(g, res, &answer) == 0;
	if (is_refusal(res, answer))
		return refuse(g, url, res->status, answer, refusal, err);
	if (!readable) {
		snprintf(refusal->code, sizeof(refusal->code), "invalid_answer");
		return err_set(err, ERR_UPSTREAM,
			"%.*s answered %d with something else than JSON or XML", SV(host),
			res->status);
	}
	*ret = take(answer);
	return 0;
}
