#include "cli/recording.h"

#include "base/clock.h"
#include "base/sv.h"
#include "data/json.h"

#include <stdio.h>
#include <time.h>

static struct sv without_slash(struct sv path)
{
	while (path.len && path.ptr[0] == '/')
		path = sv_from(path, 1);
	return path;
}

void recording_split(struct sv endpoint, struct sv *ret_path, struct params *query)
{
	ptrdiff_t mark = sv_find_char(endpoint, '?');

	*ret_path = without_slash(mark < 0 ? endpoint : sv_make(endpoint.ptr, (size_t)mark));
	if (mark >= 0)
		params_parse(query, sv_from(endpoint, (size_t)mark + 1));
}

/* The endpoint's own query, then what the request says beside it. */
static void read_params(struct recording_exchange *x, struct arena *a)
{
	struct json_t *recorded = json_find(x->entry, SV_LIT("request.params")), *value;
	void *it = NULL;
	struct sv key;

	while (json_next(recorded, &it, &key, &value))
		params_set(&x->params, key, params_text(a, value));
	params_sort(&x->params);
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
		.params = { .arena = &r->arena },
		.entry = entry,
	};
	recording_split(endpoint, &x->path, &x->params);
	read_params(x, &r->arena);
	x->params.arena = NULL; /* complete: the recording may move in memory from now on */
	return 0;
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
	struct json_t *root;

	TRY(json_parse(text, &root, err));
	return recording_from(root, ret, err);
}

int recording_from(struct json_t *root, struct recording *ret, struct err *err)
{
	struct json_t *endpoints, *entries;
	void *it = NULL, *it2;
	struct sv method, endpoint;

	*ret = (struct recording){ .root = root };
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

static int64_t date_ms(const struct recording *r)
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

/* 0 = the recording does not say. */
static int64_t stated_now_ms(const struct recording *r)
{
	struct sv text = json_sv(json_member(r->root, SV_LIT("now")));
	int64_t us;

	return text.ptr && clock_parse_iso(text, &us) ? us / 1000 : 0;
}

bool recording_has_now(const struct recording *r)
{
	return stated_now_ms(r) != 0;
}

int64_t recording_now_ms(const struct recording *r)
{
	int64_t ms = stated_now_ms(r);
	return ms ? ms : date_ms(r);
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
