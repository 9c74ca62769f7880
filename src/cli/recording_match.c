/* Which recorded exchange answers a request. */
#include "base/sv.h"
#include "cli/recording.h"
#include "data/enc.h"
#include "data/json.h"

#include <openssl/evp.h>
#include <strings.h>

#define BODY_MAX (64u << 20)
/* Bodies above this many UTF-16 units are recorded as the hash of their text. */
enum { HASHED_ABOVE = 1000 };

/* What the function asked for, in comparable form. */
struct asked {
	struct arena arena;
	struct sv method, path;
	struct params params; /* sorted */
	struct params headers; /* names in lower case, without what clients set by themselves */
	struct json_t *data; /* owned: the body as JSON; NULL where it is none */
	struct sv body;
};

static void asked_done(struct asked *a)
{
	json_unref(a->data);
	arena_done(&a->arena);
}

/* params are [[key, value]], which replace, or one text, which is appended. */
static void read_params(struct asked *a, struct json_t *params)
{
	if (json_kind(params) == JSON_KIND_STRING) {
		struct sv text = json_sv(params);
		params_parse(&a->params, sv_starts(text, SV_LIT("?")) ? sv_from(text, 1) : text);
	}
	for (size_t i = 0; json_kind(params) == JSON_KIND_ARRAY && i < json_len(params); i++) {
		struct json_t *pair = json_item(params, i);
		params_set(&a->params, json_sv(json_item(pair, 0)), json_sv(json_item(pair, 1)));
	}
}

/* What the client library sets by itself is not part of a request's identity. */
static bool is_default_header(struct sv key)
{
	static const char *const set[] = { "content-type", "content-length", "accept" };

	for (size_t i = 0; i < ARRAY_LEN(set); i++)
		if (sv_eq_nocase(key, sv_str(set[i])))
			return true;
	return false;
}

/* Given as an object, or as the pairs of a fetch. */
static void read_headers(struct asked *a, struct json_t *headers)
{
	struct json_t *value;
	void *it = NULL;
	struct sv key;

	while (json_next(headers, &it, &key, &value))
		params_set(&a->headers, key, json_sv(value));
	for (size_t i = 0; json_kind(headers) == JSON_KIND_ARRAY && i < json_len(headers); i++)
		params_set(&a->headers, json_sv(json_item(json_item(headers, i), 0)),
			json_sv(json_item(json_item(headers, i), 1)));
}

/* The path and query of an address: a fetch is recorded by them, whatever the host. */
static struct sv path_of_url(struct sv url)
{
	ptrdiff_t at = sv_find(url, SV_LIT("://"));
	struct sv rest = at < 0 ? url : sv_from(url, (size_t)at + 3);

	at = sv_find_char(rest, '/');
	return at < 0 ? SV_LIT("") : sv_from(rest, (size_t)at);
}

static int read_asked(struct json_t *head, struct sv body, struct asked *ret, struct err *err)
{
	struct sv endpoint = SV_LIT(""), url = SV_NULL;

	*ret = (struct asked){ .method = SV_LIT("GET"), .body = body };
	ret->params.arena = ret->headers.arena = &ret->arena;
	TRY(json_opt_str(head, "method", &ret->method, err));
	TRY(json_opt_str(head, "endpoint", &endpoint, err));
	TRY(json_opt_str(head, "url", &url, err));
	recording_split(url.ptr ? path_of_url(url) : endpoint, &ret->path, &ret->params);
	read_params(ret, json_member(head, SV_LIT("params")));
	params_sort(&ret->params);
	read_headers(ret, json_member(head, SV_LIT("headers")));
	if (body.len && json_parse(body, &ret->data, NULL) < 0)
		ret->data = NULL;
	return 0;
}

static struct sv asked_header(const struct asked *a, struct sv name)
{
	for (size_t i = 0; i < a->headers.count; i++)
		if (sv_eq_nocase(a->headers.items[i].name, name))
			return a->headers.items[i].value;
	return SV_NULL;
}

/* A recording without request details says nothing about parameters but what its endpoint has. */
static bool same_params(const struct recording_exchange *x, const struct asked *a)
{
	if (json_member(x->entry, SV_LIT("request")))
		return params_same(&x->params, &a->params);
	for (size_t i = 0, j = 0; i < x->params.count; i++) {
		while (j < a->params.count &&
			!sv_eq(a->params.items[j].name, x->params.items[i].name))
			j++;
		if (j == a->params.count ||
			!sv_eq(a->params.items[j].value, x->params.items[i].value))
			return false;
	}
	return true;
}

static bool same_headers(const struct recording_exchange *x, const struct asked *a)
{
	struct json_t *recorded = json_find(x->entry, SV_LIT("request.headers"));
	struct json_t *value;
	void *it = NULL;
	struct sv key;

	while (json_next(recorded, &it, &key, &value))
		if (!is_default_header(key) && !sv_eq(asked_header(a, key), json_sv(value)))
			return false;
	return true;
}

static struct sv sha1_hex(struct arena *a, struct sv text)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	own_in(buf_done) struct buf hex = { 0 };

	buf_init(&hex, 256);
	if (EVP_Digest(text.ptr, text.len, md, &len, EVP_sha1(), NULL))
		enc_hex(&hex, sv_make((const char *)md, len));
	return arena_sv(a, buf_sv(&hex));
}

static struct sv base64_of(struct arena *a, struct sv bytes)
{
	own_in(buf_done) struct buf text = { 0 };

	buf_init(&text, BODY_MAX);
	enc_base64(&text, bytes);
	return arena_sv(a, buf_sv(&text));
}

/* A form is recorded as the object it was made from. */
static bool same_form(const struct json_t *recorded, struct asked *a)
{
	struct params want = { .arena = &a->arena }, got = { .arena = &a->arena };
	struct json_t *value;
	void *it = NULL;
	struct sv key;

	if (json_kind(recorded) != JSON_KIND_OBJECT || a->data)
		return false;
	while (json_next(recorded, &it, &key, &value))
		params_set(&want, key, params_text(&a->arena, value));
	params_parse(&got, a->body);
	params_sort(&want);
	params_sort(&got);
	return params_same(&want, &got);
}

/* 2 = the same, 1 = recorded only as a hash of another text (accepted when nothing is better). */
static int same_data(const struct recording_exchange *x, struct asked *a)
{
	struct json_t *recorded = json_find(x->entry, SV_LIT("request.data"));
	struct sv text = json_sv(recorded);

	if (!recorded)
		return 2;
	if (sv_starts(text, SV_LIT("sha1:")))
		return sv_eq(sv_from(text, 5), sha1_hex(&a->arena, a->body)) ? 2 : 1;
	if (a->data && json_same(recorded, a->data))
		return 2;
	/* A text that is JSON or a number when it is sent; bytes, recorded as base64. */
	if (sv_eq(params_text(&a->arena, recorded), a->body) ||
		(text.ptr && sv_eq(text, base64_of(&a->arena, a->body))))
		return 2;
	return same_form(recorded, a) ? 2 : 0;
}

/* Identity by hash: what a recording says of its request may have been edited, its hash not. */

static size_t utf16_len(struct sv text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		n += (c & 0xC0) != 0x80;
		n += c >= 0xF0;
	}
	return n;
}

static void add_headers(const struct recording_exchange *x, struct asked *a, struct buf *out)
{
	struct params list = { .arena = &a->arena };
	struct json_t *recorded = json_find(x->entry, SV_LIT("request.headers")), *value;

	for (size_t i = 0; i < a->headers.count; i++) {
		struct param h = a->headers.items[i];
		void *it = NULL;
		struct sv key, name = h.name;
		if (sv_eq_nocase(h.name, SV_LIT("accept")) ||
			(sv_eq_nocase(h.name, SV_LIT("content-type")) &&
				sv_starts(h.value, SV_LIT("application/json"))))
			continue;
		/* The hash knows how the function spelled it; the runtime does not. */
		while (json_next(recorded, &it, &key, &value))
			if (sv_eq_nocase(key, h.name))
				name = key;
		params_set(&list, name, h.value);
	}
	params_sort(&list);
	params_dump(&list, out);
}

static struct sv identity(
	const struct recording_exchange *x, struct asked *a, struct sv body, struct arena *arena)
{
	own_in(buf_done) struct buf text = { 0 };

	buf_init(&text, BODY_MAX);
	buf_printf(&text, "{\"method\":\"%s\",\"endpoint\":", x->method);
	buf_json_str(&text, a->path);
	buf_str(&text, ",\"params\":");
	params_dump(&a->params, &text);
	buf_str(&text, ",\"headers\":");
	add_headers(x, a, &text);
	if (body.len) {
		buf_str(&text, ",\"data\":");
		if (utf16_len(body) > HASHED_ABOVE)
			body = sv_str(arena_printf(arena, "sha1:%.*s", SV(sha1_hex(arena, body))));
		buf_json_str(&text, body);
	}
	buf_char(&text, '}');
	return sha1_hex(arena, buf_sv(&text));
}

static bool same_hash(const struct recording_exchange *x, struct asked *a)
{
	struct sv hash = json_sv(json_member(x->entry, SV_LIT("hash")));

	if (hash.len == 0)
		return false;
	return sv_eq(hash, identity(x, a, a->body, &a->arena)) ||
	       (a->body.len && !a->data &&
		       sv_eq(hash, identity(x, a, base64_of(&a->arena, a->body), &a->arena)));
}

static bool succeeded(const struct recording_exchange *x)
{
	int64_t status = 200;

	json_opt_int(x->entry, "status", &status, NULL);
	return status < 400;
}

/* 0 = no; higher is better. */
static int match_score(const struct recording_exchange *x, struct asked *a)
{
	if (strncasecmp(x->method, a->method.ptr, a->method.len) != 0 ||
		strlen(x->method) != a->method.len || !sv_eq(x->path, a->path))
		return 0;
	if (same_hash(x, a))
		return 7 + !x->used;
	if (!same_params(x, a) || !same_headers(x, a))
		return 0;
	switch (same_data(x, a)) {
	case 2: return 5 + !x->used;
	case 1: return 1 + 2 * succeeded(x) + !x->used;
	default: return 0;
	}
}

/* Says what was asked and which requests of that path are recorded. */
static int no_match(const struct recording *r, const struct asked *a, struct err *err)
{
	own_in(buf_done) struct buf want = { 0 }, have = { 0 };

	buf_init(&want, 4096);
	buf_init(&have, 4096);
	params_dump(&a->params, &want);
	for (size_t i = 0; i < r->count; i++) {
		if (!sv_eq(r->exchanges[i].path, a->path))
			continue;
		json_dump_compact(json_find(r->exchanges[i].entry, SV_LIT("request")), &have);
		break;
	}
	return err_set(err, ERR_NOT_FOUND, "not recorded: %.*s /%.*s params %.60s%s%.90s",
		SV(a->method), SV(a->path), want.ptr,
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
