#include "records/json_canon.h"

#include "data/jsnum.h"
#include "records/json_scan.h"
#include "records/json_walk.h"

#define XXH_INLINE_ALL
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define DEPTH_DEFAULT 100
#define METADATA "_nango_metadata"
#define REPLACEMENT "\xEF\xBF\xBD"

struct jc_scratch {
	struct scan scan;
};

struct jc_scratch *jc_scratch_new(void)
{
	return NEW(struct jc_scratch);
}

void jc_scratch_free(struct jc_scratch *s)
{
	if (!s)
		return;
	scan_done(&s->scan);
	mem_free(s);
}

/* Ids. */

static size_t utf16_units(struct sv s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		n += (c & 0xC0) != 0x80; /* one per character, */
		n += c >= 0xF0; /* two for those that take four bytes */
	}
	return n;
}

/* The canonical text of a string without U+0000, which it can only hold as \u0000. */
static struct sv without_nul(struct sv text, struct arena *arena)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len;) {
		size_t step = text.ptr[i] == '\\' ? (text.ptr[i + 1] == 'u' ? 6 : 2) : 1;
		if (step != 6 || memcmp(text.ptr + i, "\\u0000", 6) != 0) {
			memcpy(out + n, text.ptr + i, step);
			n += step;
		}
		i += step;
	}
	return sv_make(out, n);
}

/* UTF-8 of the canonical text of a string; a lone surrogate, which has none, becomes U+FFFD. */
static struct sv unescaped(struct sv text, struct arena *arena, size_t *ret_units)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t n = 0, lone = 0;

	for (size_t i = 0; i < text.len; i++) {
		static const char letters[] = "\"\\bfnrt", meant[] = "\"\\\b\f\n\r\t";
		if (text.ptr[i] != '\\') {
			out[n++] = text.ptr[i];
		} else if (text.ptr[++i] != 'u') {
			out[n++] = meant[strchr(letters, text.ptr[i]) - letters];
		} else if (text.ptr[i + 1] == 'd') {
			memcpy(out + n, REPLACEMENT, 3);
			n += 3;
			i += 4;
			lone++;
		} else {
			char high = text.ptr[i + 3], low = text.ptr[i + 4];
			out[n++] = (char)((high - '0') << 4 |
					  (low <= '9' ? low - '0' : low - 'a' + 10));
			i += 4;
		}
	}
	*ret_units = utf16_units(sv_make(out, n));
	return sv_make(out, n);
}

/* What a record's id is: as text, and as the canonical JSON string that is hashed. */
struct id {
	struct sv text, json;
};

static bool id_from_string(struct sv json, struct arena *arena, struct id *ret)
{
	struct sv body = sv_make(json.ptr + 1, json.len - 2);
	size_t units = body.len;

	ret->json = json;
	ret->text = body;
	if (memchr(body.ptr, '\\', body.len))
		ret->text = unescaped(body, arena, &units);
	else if (units > JC_ID_UNITS_MAX)
		units = utf16_units(body);
	if (units > JC_ID_UNITS_MAX)
		return false;
	if (ret->text.len && memchr(ret->text.ptr, 0, ret->text.len)) {
		ret->json = without_nul(json, arena);
		body = sv_make(ret->json.ptr + 1, ret->json.len - 2);
		ret->text = unescaped(body, arena, &units);
	}
	return ret->text.len > 0;
}

static bool id_from_number(struct sv json, struct arena *arena, struct id *ret)
{
	char text[JSNUM_SIZE];
	size_t digits = 0;

	while (digits < json.len && json.ptr[digits] >= '0' && json.ptr[digits] <= '9')
		digits++;
	struct sv s = json;
	/* Integers of so few digits print as they are written. */
	if (digits < json.len || digits > 15) {
		double v = strtod(arena_str(arena, json), NULL);
		if (!isfinite(v))
			return false;
		s = sv_make(text, jsnum_format(v, text));
	}
	char *quoted = arena_alloc(arena, s.len + 2);
	quoted[0] = quoted[s.len + 1] = '"';
	memcpy(quoted + 1, s.ptr, s.len);
	ret->json = sv_make(quoted, s.len + 2);
	ret->text = sv_make(quoted + 1, s.len);
	return true;
}

static bool id_from(struct sv json, struct arena *arena, struct id *ret)
{
	if (json.ptr[0] == '"')
		return id_from_string(json, arena, ret);
	if (json.ptr[0] == '-' || (json.ptr[0] >= '0' && json.ptr[0] <= '9'))
		return id_from_number(json, arena, ret);
	return false;
}

/* Records. */

static bool key_is(const struct scan *c, const struct member *m, struct sv key)
{
	return m->key.len == key.len && sv_eq(scan_sv(c, m->key), key);
}

/*
 * Drops what does not count and finds the id among the members of a record: its index, -1 when it
 * has none. A key that had to be respelled makes the record untidy, as later readers of
 * the payload look for keys as they are written.
 */
static ptrdiff_t sift(struct scan *c, bool *untidy)
{
	ptrdiff_t id = -1;
	size_t kept = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct member *m = &c->members[i];
		if (key_is(c, m, SV_LIT(METADATA))) {
			*untidy = true;
			c->plain = false;
			continue;
		}
		*untidy |= m->key.at & SCAN_OUT;
		if (key_is(c, m, SV_LIT("id")))
			id = (ptrdiff_t)kept;
		c->members[kept++] = *m;
	}
	c->n = kept;
	return id;
}

/* Reads the object at '{'. False: the scan failed, or only *ret_bad_id is set. */
static bool read_record(
	struct scan *c, struct arena *arena, struct jc_record *ret, bool *ret_bad_id)
{
	struct jc_record r = { .payload.ptr = c->p };
	struct id id;
	bool sorted;

	c->plain = true;
	c->out_len = 0;
	c->n = 0;
	if (!scan_members(c, &sorted))
		return false;
	r.payload.len = (size_t)(c->p - r.payload.ptr);

	ptrdiff_t at = sift(c, &r.untidy);
	if (at < 0 || !id_from(scan_sv(c, c->members[at].val), arena, &id)) {
		*ret_bad_id = true;
		return false;
	}
	r.id = c->members[at].val.at & SCAN_OUT ? arena_sv(arena, id.text) : id.text;
	if (id.json.ptr != scan_sv(c, c->members[at].val).ptr &&
		!scan_put(c, id.json, &c->members[at].val))
		return false;
	if (!sorted)
		r.untidy |= scan_sort(c, 0);
	struct sv text = r.payload;
	if ((!sorted || !c->plain) && !scan_gather(c, 0, &text))
		return false;
	XXH128_hash_t hash = XXH3_128bits(text.ptr, text.len);
	r.hash[0] = hash.low64;
	r.hash[1] = hash.high64;
	*ret = r;
	return true;
}

static int explain(const struct scan *c, const char *what, struct err *err)
{
	return err_set(
		err, c->code, "%s: byte %zu: %s", what, (size_t)(c->where - c->start), c->what);
}

/* One record at '{' with everything that can be wrong with it. */
static int checked_record(struct scan *c, const struct jc_limits *limits, struct arena *arena,
	const char *what, struct jc_record *ret, struct err *err)
{
	struct jc_record r;
	bool bad_id = false;

	if (scan_peek(c) != '{')
		return err_set(err, ERR_INVALID, "%s: expected an object", what);
	if (!read_record(c, arena, &r, &bad_id))
		return bad_id ? err_set(err, ERR_INVALID,
					"%s.id: expected a string of 1 to %d characters or a "
					"number",
					what, JC_ID_UNITS_MAX)
			      : explain(c, what, err);
	if (limits->record_bytes && r.payload.len > limits->record_bytes)
		return err_set(
			err, ERR_LIMIT, "%s: larger than %zu bytes", what, limits->record_bytes);
	*ret = r;
	return 1;
}

static unsigned depth_limit(const struct jc_limits *limits)
{
	assert(limits->depth <= JC_DEPTH_MAX);
	return limits->depth ? limits->depth : DEPTH_DEFAULT;
}

void jc_batch_init(struct jc_batch *b, struct sv text, struct jc_limits limits,
	struct jc_scratch *scratch, struct arena *arena)
{
	*b = (struct jc_batch){ .limits = limits, .scratch = scratch, .arena = arena };
	if (text.len > JC_BATCH_BYTES_MAX) {
		err_set(&b->failed, ERR_LIMIT, "records: larger than %u bytes", JC_BATCH_BYTES_MAX);
		text.len = 0;
	}
	scan_begin(&scratch->scan, text, depth_limit(&limits));
}

/* Between records: 1 when another one follows, 0 at the end. */
static int advance(struct jc_batch *b, struct scan *c, struct err *err)
{
	int c0 = scan_peek(c);

	if (!b->begun) {
		if (c0 != '[')
			return err_set(err, ERR_INVALID, "records: expected an array");
		c->p++;
		b->begun = true;
		if (scan_peek(c) != ']')
			return 1;
	} else if (c0 == ',') {
		c->p++;
		return 1;
	} else if (c0 != ']') {
		scan_fail(c, ERR_INVALID, c->p,
			c->p < c->end ? "expected ',' or ']'" : "unexpected end");
		return explain(c, "records", err);
	}
	c->p++;
	scan_peek(c);
	if (c->p == c->end)
		return 0;
	scan_fail(c, ERR_INVALID, c->p, "unexpected text after the array");
	return explain(c, "records", err);
}

int jc_next(struct jc_batch *b, struct jc_record *ret, struct err *err)
{
	struct scan *c = &b->scratch->scan;
	char what[40];

	if (b->done)
		return 0;
	if (!b->failed.code) {
		int more = advance(b, c, &b->failed);
		if (more == 0) {
			b->done = true;
			return 0;
		}
		snprintf(what, sizeof(what), "records[%zu]", b->index++);
		if (more > 0 && checked_record(c, &b->limits, b->arena, what, ret, &b->failed) > 0)
			return 1;
	}
	if (err)
		*err = b->failed;
	return b->failed.code;
}

int jc_one(struct sv text, struct jc_limits limits, struct jc_scratch *scratch, struct arena *arena,
	struct jc_record *ret, struct err *err)
{
	struct scan *c = &scratch->scan;
	struct jc_record r;

	if (text.len > JC_BATCH_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "record: larger than %u bytes", JC_BATCH_BYTES_MAX);
	scan_begin(c, text, depth_limit(&limits));
	TRY(checked_record(c, &limits, arena, "record", &r, err));
	scan_peek(c);
	if (c->p < c->end) {
		scan_fail(c, ERR_INVALID, c->p, "unexpected text after the object");
		return explain(c, "record", err);
	}
	*ret = r;
	return 0;
}

/* Stored payloads. */

struct sv jc_find(struct sv object, struct sv key)
{
	struct sv k, v, found = SV_NULL;
	struct walk w;

	walk_begin(&w, object);
	while (walk_next(&w, &k, &v))
		if (sv_eq(k, key))
			found = v;
	return found;
}

struct sv jc_key(struct sv written, struct arena *arena)
{
	if (!memchr(written.ptr, '\\', written.len))
		return written; /* only escapes have several spellings */
	own(jc_scratch_free) struct jc_scratch *scratch = jc_scratch_new();
	struct piece key;
	char *quoted = arena_alloc(arena, written.len + 2);

	quoted[0] = quoted[written.len + 1] = '"';
	memcpy(quoted + 1, written.ptr, written.len);
	scan_begin(&scratch->scan, sv_make(quoted, written.len + 2), 1);
	bool valid = scan_string(&scratch->scan, &key);
	assert(valid);
	return arena_sv(arena, scan_sv(&scratch->scan, key));
}

/* A member while tidying: where it stands, and whose value it shows. */
struct place {
	struct sv key, value;
	size_t shows;
	bool dropped;
};

/* Of members with one key only the first stays, with the value of the last. */
static void merge_places(struct scan *c, struct place *places)
{
	struct sv previous = SV_NULL;
	size_t first = 0;

	for (size_t i = 0; i < c->n; i++)
		c->members[i].val.at = (uint32_t)i;
	scan_sort_all(c, 0);
	for (size_t i = 0; i < c->n; i++) {
		size_t at = c->members[i].val.at;
		struct sv key = scan_sv(c, c->members[i].key);
		if (i && sv_eq(key, previous)) {
			places[first].shows = at;
			places[at].dropped = true;
		} else {
			first = at;
		}
		previous = key;
	}
}

static void put_places(const struct place *places, size_t n, struct buf *out)
{
	bool comma = false;

	buf_char(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (places[i].dropped)
			continue;
		buf_str(out, comma ? ",\"" : "\"");
		buf_sv_add(out, places[i].key);
		buf_str(out, "\":");
		buf_sv_add(out, places[places[i].shows].value);
		comma = true;
	}
	buf_char(out, '}');
}

void jc_tidy(struct sv object, struct buf *out)
{
	own(jc_scratch_free) struct jc_scratch *scratch = jc_scratch_new();
	struct scan *c = &scratch->scan;
	struct walk w;
	struct sv key;
	bool sorted;

	scan_begin(c, object, JC_DEPTH_MAX);
	bool valid = scan_peek(c) == '{' && scan_members(c, &sorted);
	assert(valid);
	own_mem struct place *places = mem_array(c->n + 1, sizeof(*places));
	walk_begin(&w, object);
	for (size_t i = 0; i < c->n && walk_next(&w, &key, &places[i].value); i++) {
		places[i].key = scan_sv(c, c->members[i].key);
		places[i].shows = i;
		places[i].dropped = sv_eq(places[i].key, SV_LIT(METADATA));
	}
	size_t n = c->n;
	merge_places(c, places);
	put_places(places, n, out);
}

void jc_render(struct sv payload, struct sv id, struct sv metadata_json, struct buf *out)
{
	struct sv key = SV_NULL, value = SV_NULL;
	const char *end = payload.ptr + payload.len;
	struct walk w;

	buf_reserve(out, payload.len + 2 * id.len + metadata_json.len + 64);
	while (end > payload.ptr && *--end != '}')
		;
	walk_begin(&w, payload);
	const char *inside = w.p, *rest = inside;
	while (!sv_eq_str(key, "id") && walk_next(&w, &key, &value))
		;
	buf_char(out, '{');
	if (sv_eq_str(key, "id")) {
		buf_add(out, inside, (size_t)(value.ptr - inside));
		rest = value.ptr + value.len;
	} else {
		buf_str(out, "\"id\":");
	}
	buf_json_str(out, id);
	if (rest == inside && key.ptr)
		buf_char(out, ',');
	buf_add(out, rest, (size_t)(end - rest));
	buf_str(out, ",\"" METADATA "\":");
	buf_sv_add(out, metadata_json);
	buf_char(out, '}');
}
