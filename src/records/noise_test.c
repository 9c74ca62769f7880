#include "records/noise_test.h"

enum { MEMBERS_MAX = 24 };

unsigned noise_pick(struct noise *n, unsigned below)
{
	n->state = n->state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(n->state >> 33) % below;
}

bool noise_hit(struct noise *n, unsigned in)
{
	return noise_pick(n, in) == 0;
}

static const char *const keys[] = { "a", "b", "name", "d e", "\u00e9t\u00e9", "constructor", "10",
	"nested", "" };
static const char *const texts[] = { "", "x", "a/b", "\"q\"\\", "line\nfeed\t", "\u00e9",
	"\U0001F600", "10", "\x7f\x01" };

struct json_t *noise_object(struct noise *n, unsigned depth)
{
	struct json_t *v = json_new_obj();

	for (unsigned i = noise_pick(n, 4); i; i--)
		json_set(v, sv_str(keys[noise_pick(n, ARRAY_LEN(keys))]), noise_value(n, depth));
	return v;
}

static struct json_t *noise_array(struct noise *n, unsigned depth)
{
	struct json_t *v = json_new_arr();

	for (unsigned i = noise_pick(n, 3); i; i--)
		json_push(v, noise_value(n, depth));
	return v;
}

struct json_t *noise_value(struct noise *n, unsigned depth)
{
	switch (noise_pick(n, depth ? 8 : 6)) {
	case 0: return json_new_null();
	case 1: return json_new_bool(noise_hit(n, 2));
	case 2: return json_new_num((int)noise_pick(n, 5) - 1.5);
	case 3: return json_new_str(sv_str(texts[noise_pick(n, ARRAY_LEN(texts))]));
	case 6: return noise_array(n, depth - 1);
	case 7: return noise_object(n, depth - 1);
	default: return json_new_int((int)noise_pick(n, 5) - 1);
	}
}

/* Spelling. */

static void blank(struct noise *n, bool plain, struct buf *out)
{
	static const char *const blanks[] = { " ", "\n", "\t", "\r", "  " };

	if (!plain && noise_hit(n, 6))
		buf_str(out, blanks[noise_pick(n, ARRAY_LEN(blanks))]);
}

static void spell_number(struct noise *n, double v, bool plain, struct buf *out)
{
	const char *sign = v < 0 || (v == 0 && !plain && noise_hit(n, 3)) ? "-" : "";
	int tenths = (int)(v < 0 ? -v * 10 : v * 10);

	buf_str(out, sign);
	switch (plain ? 9 : noise_pick(n, 8)) {
	case 0: buf_printf(out, "%d.%d", tenths / 10, tenths % 10); return;
	case 1: buf_printf(out, "%d.%d00", tenths / 10, tenths % 10); return;
	case 2: buf_printf(out, "%de-1", tenths); return;
	case 3: buf_printf(out, "0.%03dE+2", tenths); return;
	case 4: buf_printf(out, tenths ? "%d00E-03" : "%dE-03", tenths); return;
	default: break;
	}
	buf_printf(out, tenths % 10 ? "%d.%d" : "%d", tenths / 10, tenths % 10);
}

/* The code point at *at, which moves behind it. The text is valid UTF-8. */
static unsigned code_point(struct sv s, size_t *at)
{
	unsigned char c = (unsigned char)s.ptr[(*at)++];
	int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	unsigned code = more ? c & (0x3fu >> more) : c;

	while (more--)
		code = code << 6 | ((unsigned char)s.ptr[(*at)++] & 0x3f);
	return code;
}

static void escape(struct noise *n, unsigned code, struct buf *out)
{
	bool small = noise_hit(n, 2);

	if (code > 0xffff) {
		escape(n, 0xd800 + ((code - 0x10000) >> 10), out);
		code = 0xdc00 + ((code - 0x10000) & 0x3ff);
	}
	buf_printf(out, small ? "\\u%04x" : "\\u%04X", code);
}

static void spell_string(struct noise *n, struct sv s, bool plain, struct buf *out)
{
	if (plain) {
		buf_json_str(out, s);
		return;
	}
	buf_char(out, '"');
	for (size_t at = 0; at < s.len;) {
		size_t from = at;
		unsigned code = code_point(s, &at);
		if (code < 0x20 || noise_hit(n, 4))
			escape(n, code, out);
		else if (code == '"' || code == '\\' || (code == '/' && noise_hit(n, 2)))
			buf_printf(out, "\\%c", (char)code);
		else
			buf_add(out, s.ptr + from, at - from);
	}
	buf_char(out, '"');
}

struct member {
	struct sv key;
	const struct json_t *value;
};

static size_t members_shuffled(
	struct noise *n, const struct json_t *v, bool plain, struct member list[MEMBERS_MAX])
{
	struct json_t *value;
	void *it = NULL;
	struct sv key;
	size_t count = 0;

	while (json_next(v, &it, &key, &value)) {
		assert(count < MEMBERS_MAX);
		list[count++] = (struct member){ key, value };
	}
	for (size_t i = count; !plain && i > 1; i--) {
		size_t j = noise_pick(n, (unsigned)i);
		struct member m = list[i - 1];
		list[i - 1] = list[j];
		list[j] = m;
	}
	return count;
}

static void spell_member(
	struct noise *n, const struct member *m, const char *id, bool plain, struct buf *out)
{
	bool plain_key = plain || id;

	if (!plain && !id && noise_hit(n, 12)) { /* the last of repeated keys counts */
		spell_string(n, m->key, plain_key, out);
		buf_str(out, ":{\"old\":1},");
	}
	spell_string(n, m->key, plain_key, out);
	blank(n, plain, out);
	buf_char(out, ':');
	blank(n, plain, out);
	if (id)
		buf_str(out, id);
	else
		noise_spell(n, m->value, plain, out);
	blank(n, plain, out);
}

void noise_spell_record(struct noise *n, const struct json_t *record, const char *id,
	const char *extra, bool plain, struct buf *out)
{
	struct member list[MEMBERS_MAX];
	size_t count = members_shuffled(n, record, plain, list);

	buf_char(out, '{');
	blank(n, plain, out);
	if (!plain && id && noise_hit(n, 12))
		buf_str(out, "\"_nango_metadata\":{\"cursor\":1},");
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_char(out, ',');
		spell_member(
			n, &list[i], id && sv_eq_str(list[i].key, "id") ? id : NULL, plain, out);
	}
	if (extra)
		buf_printf(out, "%s%s", count ? "," : "", extra);
	buf_char(out, '}');
}

void noise_spell(struct noise *n, const struct json_t *v, bool plain, struct buf *out)
{
	switch (json_kind(v)) {
	case JSON_KIND_NUMBER: spell_number(n, json_num(v), plain, out); return;
	case JSON_KIND_STRING: spell_string(n, json_sv(v), plain, out); return;
	case JSON_KIND_OBJECT: noise_spell_record(n, v, NULL, NULL, plain, out); return;
	case JSON_KIND_BOOL: buf_str(out, json_truth(v) ? "true" : "false"); return;
	case JSON_KIND_NULL: buf_str(out, "null"); return;
	case JSON_KIND_ARRAY: break;
	case JSON_KIND_ABSENT: assert(false);
	}
	buf_char(out, '[');
	for (size_t i = 0; i < json_len(v); i++) {
		blank(n, plain, out);
		if (i)
			buf_char(out, ',');
		blank(n, plain, out);
		noise_spell(n, json_item(v, i), plain, out);
		blank(n, plain, out);
	}
	buf_char(out, ']');
}
