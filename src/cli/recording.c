#include "cli/recording.h"

#include "base/clock.h"
#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/query.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

/* A text form of one parameter or leaf: numbers, booleans and text compare as text. */
static void text_of(const struct json_t *v, struct buf *out)
{
	if (json_kind(v) == JSON_KIND_STRING)
		buf_sv_add(out, json_sv(v));
	else
		json_dump_compact(v, out);
}

static bool same_text(const struct json_t *a, const struct json_t *b)
{
	own_in(buf_done) struct buf x = { 0 }, y = { 0 };

	buf_init(&x, 64u << 20);
	buf_init(&y, 64u << 20);
	text_of(a, &x);
	text_of(b, &y);
	return sv_eq(buf_sv(&x), buf_sv(&y));
}

static struct sv without_slash(struct sv path)
{
	while (path.len && path.ptr[0] == '/')
		path = sv_from(path, 1);
	return path;
}

/* Splits "path?query"; the query becomes an object of text values in *query. */
static int split_endpoint(
	struct sv endpoint, struct sv *ret_path, struct json_t *query, struct err *err)
{
	own(json_unref) struct json_t *parsed = NULL;
	struct json_t *value;
	struct sv key;
	void *it = NULL;

	ptrdiff_t mark = sv_find_char(endpoint, '?');
	*ret_path = without_slash(mark < 0 ? endpoint : sv_make(endpoint.ptr, (size_t)mark));
	if (mark < 0)
		return 0;
	TRY(query_parse(sv_from(endpoint, (size_t)mark + 1), &parsed, err));
	while (json_next(parsed, &it, &key, &value))
		json_set(query, key, json_ref(value));
	return 0;
}

static int add_exchange(struct recording *r, const char *method, struct sv endpoint,
	struct json_t *entry, struct err *err)
{
	struct recording_exchange *x = &r->exchanges[r->count++];

	if (json_kind(entry) != JSON_KIND_OBJECT)
		return err_set(
			err, ERR_INVALID, "api.%s.%.*s: expected object", method, SV(endpoint));
	*x = (struct recording_exchange){
		.method = method,
		.query = json_new_obj(),
		.entry = entry,
	};
	return split_endpoint(endpoint, &x->path, x->query, err);
}

static size_t count_exchanges(const struct json_t *api)
{
	struct json_t *endpoints, *entries;
	void *it = NULL, *it2;
	struct sv key;
	size_t n = 0;

	while (json_next(api, &it, &key, &endpoints))
		for (it2 = NULL; json_next(endpoints, &it2, &key, &entries);)
			n += json_kind(entries) == JSON_KIND_ARRAY ? json_len(entries) : 1;
	return n;
}

static int add_endpoint(struct recording *r, const char *method, struct sv endpoint,
	struct json_t *entries, struct err *err)
{
	if (json_kind(entries) != JSON_KIND_ARRAY)
		return add_exchange(r, method, endpoint, entries, err);
	for (size_t i = 0; i < json_len(entries); i++)
		TRY(add_exchange(r, method, endpoint, json_item(entries, i), err));
	return 0;
}

int recording_parse(struct sv text, struct recording *ret, struct err *err)
{
	struct json_t *endpoints, *entries;
	void *it = NULL, *it2;
	struct sv method, endpoint;

	*ret = (struct recording){ 0 };
	TRY(json_parse(text, &ret->root, err));
	struct json_t *api = json_member(ret->root, SV_LIT("api"));
	ret->exchanges =
		arena_array(&ret->arena, count_exchanges(api) + 1, sizeof(*ret->exchanges));
	int rc = 0;
	while (rc == 0 && json_next(api, &it, &method, &endpoints)) {
		const char *name = arena_str(&ret->arena, method);
		for (it2 = NULL; rc == 0 && json_next(endpoints, &it2, &endpoint, &entries);)
			rc = add_endpoint(ret, name, endpoint, entries, err);
	}
	if (rc < 0)
		recording_done(ret);
	return rc;
}

void recording_done(struct recording *r)
{
	for (size_t i = 0; i < r->count; i++)
		json_unref(r->exchanges[i].query);
	json_unref(r->root);
	arena_done(&r->arena);
	*r = (struct recording){ 0 };
}

/* A header's value whatever its case; absent when there is none. */
static struct sv header_of(const struct json_t *headers, const char *name)
{
	struct json_t *value;
	void *it = NULL;
	struct sv key;

	while (json_next(headers, &it, &key, &value))
		if (sv_eq_nocase(key, sv_str(name)))
			return json_sv(value);
	return SV_NULL;
}

int64_t recording_date_ms(const struct recording *r)
{
	int64_t first = 0;

	for (size_t i = 0; i < r->count; i++) {
		struct json_t *headers = json_member(r->exchanges[i].entry, SV_LIT("headers"));
		struct sv date = header_of(headers, "date");
		char text[64];
		struct tm tm = { 0 };
		if (!date.ptr || date.len >= sizeof(text))
			continue;
		memcpy(text, date.ptr, date.len);
		text[date.len] = 0;
		/* RFC 9110's preferred form: "Wed, 29 Apr 2026 10:00:00 GMT". */
		if (!strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
			continue;
		int64_t ms = (int64_t)timegm(&tm) * 1000;
		if (!first || ms < first)
			first = ms;
	}
	return first;
}

/* What the function asked for, in comparable form. */
struct asked {
	struct sv method, path;
	struct json_t *params; /* owned */
	struct json_t *headers;
	struct json_t *data; /* owned: parsed body, or its text; NULL without body */
	struct sv body;
};

static void asked_done(struct asked *a)
{
	json_unref(a->params);
	json_unref(a->data);
}

/* params are [[key, value]] or one text. */
static int read_params(struct json_t *params, struct json_t *into, struct err *err)
{
	struct sv path;

	if (json_kind(params) == JSON_KIND_STRING) {
		own_in(buf_done) struct buf b = { 0 };
		buf_init(&b, 1 << 20);
		buf_char(&b, '?');
		buf_sv_add(&b, json_sv(params));
		return split_endpoint(buf_sv(&b), &path, into, err);
	}
	for (size_t i = 0; i < json_len(params); i++) {
		struct json_t *pair = json_item(params, i);
		json_set(into, json_sv(json_item(pair, 0)), json_ref(json_item(pair, 1)));
	}
	return 0;
}

static int read_asked(struct json_t *head, struct sv body, struct asked *ret, struct err *err)
{
	struct sv endpoint = SV_LIT("");

	*ret = (struct asked){ .method = SV_LIT("GET"), .params = json_new_obj(), .body = body };
	TRY(json_opt_str(head, "method", &ret->method, err));
	TRY(json_opt_str(head, "endpoint", &endpoint, err));
	TRY(split_endpoint(endpoint, &ret->path, ret->params, err));
	ret->headers = json_member(head, SV_LIT("headers"));
	if (body.len && json_parse(body, &ret->data, NULL) < 0)
		ret->data = json_new_str(body);
	return read_params(json_member(head, SV_LIT("params")), ret->params, err);
}

/* Equal count and text values. The recorded endpoint's own query counts as parameters. */
static bool same_params(const struct recording_exchange *x, const struct asked *a)
{
	struct json_t *recorded = json_find(x->entry, SV_LIT("request.params"));
	struct json_t *value;
	void *it = NULL;
	struct sv key;
	size_t count = json_len(x->query);

	for (; json_next(x->query, &it, &key, &value);)
		if (!same_text(value, json_member(a->params, key)))
			return false;
	for (it = NULL; json_next(recorded, &it, &key, &value);) {
		if (json_member(x->query, key))
			continue;
		count++;
		if (!same_text(value, json_member(a->params, key)))
			return false;
	}
	/* A recording without request details says nothing about parameters. */
	return !json_member(x->entry, SV_LIT("request")) || count == json_len(a->params);
}

/* Content types that the client library sets by itself are not part of a request's identity. */
static bool is_default_header(struct sv key)
{
	return sv_eq_nocase(key, SV_LIT("content-type")) || sv_eq_nocase(key, SV_LIT("accept"));
}

static bool same_headers(const struct recording_exchange *x, const struct asked *a)
{
	struct json_t *recorded = json_find(x->entry, SV_LIT("request.headers"));
	struct json_t *value;
	void *it = NULL;
	struct sv key;

	while (json_next(recorded, &it, &key, &value)) {
		char name[128];
		if (is_default_header(key) || key.len >= sizeof(name))
			continue;
		memcpy(name, key.ptr, key.len);
		name[key.len] = 0;
		if (!sv_eq(header_of(a->headers, name), json_sv(value)))
			return false;
	}
	return true;
}

static bool is_hashed(const struct json_t *data)
{
	return sv_starts(json_sv(data), SV_LIT("sha1:"));
}

static bool same_hash(const struct json_t *data, struct sv body)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	own_in(buf_done) struct buf hex = { 0 };

	buf_init(&hex, 256);
	if (!EVP_Digest(body.ptr, body.len, md, &len, EVP_sha1(), NULL))
		return false;
	enc_hex(&hex, sv_make((const char *)md, len));
	return sv_eq(sv_from(json_sv(data), 5), buf_sv(&hex));
}

/* 2 = the same, 1 = recorded only as a hash of another text (accepted when nothing is better). */
static int same_data(const struct recording_exchange *x, const struct asked *a)
{
	struct json_t *recorded = json_find(x->entry, SV_LIT("request.data"));

	if (!recorded)
		return 2;
	if (is_hashed(recorded))
		return same_hash(recorded, a->body) ? 2 : 1;
	return json_same(recorded, a->data) || (a->data && same_text(recorded, a->data)) ? 2 : 0;
}

/* 0 = no; higher is better. */
static int match_score(const struct recording_exchange *x, const struct asked *a)
{
	if (strncasecmp(x->method, a->method.ptr, a->method.len) != 0 ||
		strlen(x->method) != a->method.len || !sv_eq(x->path, a->path))
		return 0;
	int data = same_data(x, a);
	if (!data || !same_params(x, a) || !same_headers(x, a))
		return 0;
	return 2 * data + !x->used;
}

/* Says what was asked and which requests of that path are recorded. */
static int no_match(const struct recording *r, const struct asked *a, struct err *err)
{
	own_in(buf_done) struct buf want = { 0 }, have = { 0 };

	buf_init(&want, 4096);
	buf_init(&have, 4096);
	json_dump_compact(a->params, &want);
	for (size_t i = 0; i < r->count; i++) {
		if (!sv_eq(r->exchanges[i].path, a->path))
			continue;
		json_dump_compact(json_find(r->exchanges[i].entry, SV_LIT("request")), &have);
		break;
	}
	return err_set(err, ERR_NOT_FOUND, "not recorded: %.*s /%.*s params %.60s%s%.90s",
		SV(a->method), SV(a->path), want.ptr ? want.ptr : "{}",
		have.len ? "; recorded: " : " (no request of this path is)",
		have.len ? have.ptr : "");
}

int recording_match(struct recording *r, struct json_t *head, struct sv body,
	struct recording_exchange **ret, struct err *err)
{
	own_in(asked_done) struct asked a = { 0 };
	struct recording_exchange *best = NULL;
	int score = 0;

	TRY(read_asked(head, body, &a, err));
	for (size_t i = 0; i < r->count; i++) {
		int s = match_score(&r->exchanges[i], &a);
		if (s > score) {
			score = s;
			best = &r->exchanges[i];
		}
	}
	if (!best)
		return no_match(r, &a, err);
	best->used = true;
	*ret = best;
	return 0;
}

static bool differs(
	const char *what, const struct json_t *want, const struct json_t *got, struct buf *out)
{
	own_in(buf_done) struct buf w = { 0 }, g = { 0 };

	buf_init(&w, 1 << 20);
	buf_init(&g, 1 << 20);
	if (want)
		json_dump_compact(want, &w);
	if (got)
		json_dump_compact(got, &g);
	buf_printf(out, "%s: expected %.200s, got %.200s", what, want ? w.ptr : "nothing",
		got ? g.ptr : "nothing");
	return false;
}

static bool same_object(
	const char *what, const struct json_t *want, const struct json_t *got, struct buf *out)
{
	struct json_t *value;
	void *it = NULL;
	struct sv key;
	char path[512];

	while (json_next(want, &it, &key, &value)) {
		snprintf(path, sizeof(path), "%s.%.*s", what, SV(key));
		if (!recording_same(path, value, json_member(got, key), out))
			return false;
	}
	for (it = NULL; json_next(got, &it, &key, &value);) {
		snprintf(path, sizeof(path), "%s.%.*s", what, SV(key));
		if (!json_member(want, key))
			return differs(path, NULL, value, out);
	}
	return true;
}

bool recording_same(
	const char *what, const struct json_t *want, const struct json_t *got, struct buf *out)
{
	char path[512];

	if (json_same(want, got))
		return true;
	if (json_kind(want) != json_kind(got))
		return differs(what, want, got, out);
	if (json_kind(want) == JSON_KIND_OBJECT)
		return same_object(what, want, got, out);
	if (json_kind(want) != JSON_KIND_ARRAY)
		return differs(what, want, got, out);
	if (json_len(want) != json_len(got)) {
		buf_printf(out, "%s: expected %zu items, got %zu", what, json_len(want),
			json_len(got));
		return false;
	}
	for (size_t i = 0; i < json_len(want); i++) {
		snprintf(path, sizeof(path), "%s[%zu]", what, i);
		if (!recording_same(path, json_item(want, i), json_item(got, i), out))
			return false;
	}
	/* Equal in every part that JSON can tell apart. */
	return true;
}
