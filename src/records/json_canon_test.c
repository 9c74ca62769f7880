#include "records/json_canon.h"

#include "data/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct hash {
	uint64_t h[2];
};

static struct jc_scratch *scratch;
static struct arena arena;

static int setup(void **state UNUSED)
{
	scratch = jc_scratch_new();
	return 0;
}

static int teardown(void **state UNUSED)
{
	jc_scratch_free(scratch);
	arena_done(&arena);
	return 0;
}

static struct hash hash_of(struct sv text)
{
	struct jc_record r;
	struct err err = { 0 };

	if (jc_one(text, (struct jc_limits){ 0 }, scratch, &arena, &r, &err) < 0)
		fail_msg("%.*s: %s", SV(text), err.msg);
	return (struct hash){ { r.hash[0], r.hash[1] } };
}

/* Hash of {"id":"x","v":<value>}. */
static struct hash value_hash(const char *value)
{
	return hash_of(sv_str(arena_printf(&arena, "{\"id\":\"x\",\"v\":%s}", value)));
}

static bool same(struct hash a, struct hash b)
{
	return a.h[0] == b.h[0] && a.h[1] == b.h[1];
}

static void equal_values_hash_alike(void **state UNUSED)
{
	static const char *const groups[][8] = {
		{ "1", "1.0", "1e0", "10e-1", "0.1E+1", "1.000", "100e-2" },
		{ "0", "-0", "0.0", "-0.000e5", "0e-99999999999999999999", "0E0" },
		{ "100", "1e2", "1E+2", "100.0", "0.0001e6" },
		{ "-1.5", "-15e-1", "-0.15e1", "-1.50" },
		{ "1e21", "1E21", "1000000000000000000000", "10.0e20" },
		{ "123456789012345678901234567890", "1.2345678901234567890123456789e29",
			"12345678901234567890123456789e1" },
		{ "0.000001", "1e-6", "0.0000010" },
		{ "1e-7", "0.0000001", "0.00000010", "10e-8" },
		{ "1e400", "10e399", "0.1e401" },
		{ "1e00000000000000000000000005", "100000" },
		{ "\"A\"", "\"\\u0041\"" },
		{ "\"/\"", "\"\\/\"", "\"\\u002f\"", "\"\\u002F\"" },
		{ "\"\\n\"", "\"\\u000a\"", "\"\\u000A\"" },
		{ "\"\\u001f\"", "\"\\u001F\"" },
		{ "\"\\\"\\\\\"", "\"\\u0022\\u005c\"" },
		{ "\"\xF0\x9F\x98\x80\"", "\"\\ud83d\\ude00\"", "\"\\uD83D\\uDE00\"" },
		{ "\"\\ud83d\"", "\"\\uD83D\"" },
		{ "\"\xC3\xA9\xE2\x82\xAC\"", "\"\\u00e9\\u20ac\"" },
		{ "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", " { \"b\" : 2.0 ,\n\"\\u0061\":1 } ",
			"{\"a\":5,\"b\":2,\"a\":1}", "{\"\\u0061\":5,\"b\":7,\"a\":1,\"b\":2}" },
		{ "[]", " [ ] " },
		{ "{}", "{ }" },
		{ "[1,{\"x\":[2]}]", "[1.0, {\"x\":[2]}]" },
		{ "{\"aaaaaaaab\":1,\"aaaaaaaac\":2,\"aaaaaaaa\":3}",
			"{\"aaaaaaaa\":3,\"aaaaaaaab\":1,\"aaaaaaaac\":2}" },
	};

	for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
		struct hash first = value_hash(groups[g][0]);
		for (size_t i = 1; i < 8 && groups[g][i]; i++)
			if (!same(first, value_hash(groups[g][i])))
				fail_msg("%s and %s differ", groups[g][0], groups[g][i]);
		for (size_t h = 0; h < g; h++)
			if (same(first, value_hash(groups[h][0])))
				fail_msg("%s and %s collide", groups[g][0], groups[h][0]);
	}
}

static void different_values_hash_apart(void **state UNUSED)
{
	static const char *const pairs[][2] = {
		{ "9007199254740992", "9007199254740993" },
		{ "0.1", "0.1000000000000000055" },
		{ "1", "\"1\"" },
		{ "null", "\"null\"" },
		{ "true", "false" },
		{ "[]", "{}" },
		{ "[1,2]", "[2,1]" },
		{ "[[1],2]", "[1,[2]]" },
		{ "[\"a,b\"]", "[\"a\",\"b\"]" },
		{ "{\"a\":{\"b\":1},\"c\":2}", "{\"a\":{\"b\":1,\"c\":2}}" },
		{ "\"\\ud83d\"", "\"\\ude00\"" },
		{ "\"\\ude00\\ud83d\"", "\"\\ud83d\\ude00\"" },
		{ "\"\\ud83d\"", "\"\\\\ud83d\"" },
		{ "1e99999999999999999999", "1e99999999999999999998" },
		{ "1e-5", "1e5" },
		{ "12", "1.2" },
		{ "{\"id\":1}", "{\"id\":\"1\"}" },
		{ "{\"_nango_metadata\":1}", "{}" },
		{ "\"\"", "null" },
		{ "\"\\u0000\"", "\"\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (same(value_hash(pairs[i][0]), value_hash(pairs[i][1])))
			fail_msg("%s and %s hash alike", pairs[i][0], pairs[i][1]);
	assert_false(same(
		hash_of(SV_LIT("{\"id\":\"x\",\"v\":null}")), hash_of(SV_LIT("{\"id\":\"x\"}"))));
}

static void top_level_is_special(void **state UNUSED)
{
	struct hash h = hash_of(SV_LIT("{\"a\":1,\"id\":\"7\"}"));

	assert_true(same(h, hash_of(SV_LIT("{\"id\":7,\"a\":1}"))));
	assert_true(same(h, hash_of(SV_LIT("{\"id\":7.0,\"a\":1}"))));
	assert_true(same(h, hash_of(SV_LIT("{\"id\":\"\\u00007\",\"a\":1}"))));
	assert_true(same(h, hash_of(SV_LIT("{\"id\":3,\"a\":1,\"id\":7}"))));
	assert_true(same(
		h, hash_of(SV_LIT("{\"_nango_metadata\":{\"x\":1},\"a\":1,\"\\u0069d\":\"7\"}"))));
	assert_false(same(h, hash_of(SV_LIT("{\"a\":1,\"id\":\"8\"}"))));
}

/* Hashes are kept for years: this text may only change together with a migration. */
static void canonical_text_is_pinned(void **state UNUSED)
{
	static const char canonical[] = "{\"\":\"\\ud800\\u0001\",\"a\":{\"Z\":null,\"y\":true},"
					"\"b\":[1.5,\"\xC3\xA9/\\n\",1e+21,1e-7,100],\"id\":\"1\"}";
	XXH128_hash_t want = XXH3_128bits(canonical, sizeof(canonical) - 1);
	struct hash h =
		hash_of(SV_LIT("{\"id\":1,\"b\":[1.50, \"\\u00e9\\/\\u000a\",1E21,10e-8,1e2],"
			       "\"a\":{\"y\":true,\"Z\":null},\"\":\"\\uD800\\u0001\"}"));

	assert_int_equal(h.h[0], want.low64);
	assert_int_equal(h.h[1], want.high64);
}

static void ids_are_read(void **state UNUSED)
{
	char at_limit[300], beyond[300], wide[1100];
	const struct {
		const char *json, *id; /* NULL: refused */
	} cases[] = {
		{ "\"abc\"", "abc" },
		{ "\"a\\u0000b\"", "ab" },
		{ "\"a\\\"\\n\\u00e9\\u001f\"", "a\"\n\xC3\xA9\x1f" },
		{ "\"\\ud800x\"", "\xEF\xBF\xBDx" },
		{ "0", "0" },
		{ "-0", "0" },
		{ "12", "12" },
		{ "1.50", "1.5" },
		{ "1e21", "1e+21" },
		{ "-3", "-3" },
		{ "123456789012345", "123456789012345" },
		{ "9007199254740993", "9007199254740992" },
		{ "1e-99999999999999999999", "0" },
		{ "1e999", NULL },
		{ "null", NULL },
		{ "true", NULL },
		{ "{}", NULL },
		{ "[1]", NULL },
		{ "\"\"", NULL },
		{ "\"\\u0000\"", NULL },
		{ at_limit, at_limit + 300 },
		{ beyond, NULL },
		{ wide, NULL },
	};

	snprintf(at_limit, sizeof(at_limit), "\"%0255d\"", 7);
	snprintf(beyond, sizeof(beyond), "\"%0256d\"", 7);
	/* 128 characters outside the BMP are 256 units. */
	for (int i = 0; i < 128; i++)
		memcpy(wide + 1 + 4 * i, "\xF0\x9F\x98\x80", 4);
	wide[0] = '"';
	memcpy(wide + 513, "\"", 2);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sv text = sv_str(arena_printf(&arena, "{\"id\":%s}", cases[i].json));
		struct jc_record r;
		struct err err;
		int rc = jc_one(text, (struct jc_limits){ 0 }, scratch, &arena, &r, &err);
		if (!cases[i].id) {
			assert_int_equal(rc, ERR_INVALID);
			assert_string_equal(err.msg, "record.id: expected a string of 1 to 255 "
						     "characters or a number");
			continue;
		}
		assert_int_equal(rc, 0);
		if (cases[i].json == at_limit)
			assert_int_equal(r.id.len, 255);
		else if (!sv_eq_str(r.id, cases[i].id))
			fail_msg("%s gave '%.*s'", cases[i].json, SV(r.id));
	}
}

static void broken_batches_are_explained(void **state UNUSED)
{
	static const struct {
		const char *text;
		int records; /* good ones before */
		const char *msg;
	} cases[] = {
		{ "", 0, "records: expected an array" },
		{ "{}", 0, "records: expected an array" },
		{ "[1]", 0, "records[0]: expected an object" },
		{ "[{\"id\":1},null]", 1, "records[1]: expected an object" },
		{ "[{\"id\":1},{}]", 1,
			"records[1].id: expected a string of 1 to 255 characters or a number" },
		{ "[{\"id\":1}", 1, "records: byte 9: unexpected end" },
		{ "[{\"id\":1}{}]", 1, "records: byte 9: expected ',' or ']'" },
		{ "[{\"id\":1},]", 1, "records[1]: expected an object" },
		{ "[{\"id\":1}] x", 1, "records: byte 11: unexpected text after the array" },
		{ "[{\"id\":1,}]", 0, "records[0]: byte 9: expected a key" },
		{ "[{\"id\" 1}]", 0, "records[0]: byte 7: expected ':'" },
		{ "[{\"id\":01}]", 0, "records[0]: byte 8: expected ',' or '}'" },
		{ "[{\"id\":-}]", 0, "records[0]: byte 8: expected a digit" },
		{ "[{\"id\":1.}]", 0, "records[0]: byte 9: expected a digit" },
		{ "[{\"id\":1e+}]", 0, "records[0]: byte 10: expected a digit" },
		{ "[{\"id\":\"a\tb\"}]", 0, "records[0]: byte 9: control character in a string" },
		{ "[{\"id\":\"a\\x\"}]", 0, "records[0]: byte 9: unknown escape" },
		{ "[{\"id\":\"a\\u12g4\"}]", 0, "records[0]: byte 9: unknown escape" },
		{ "[{\"id\":\"a\xC0\x80\"}]", 0, "records[0]: byte 9: invalid UTF-8" },
		{ "[{\"id\":\"a\xED\xA0\x80\"}]", 0, "records[0]: byte 9: invalid UTF-8" },
		{ "[{\"id\":\"abc", 0, "records[0]: byte 11: unexpected end" },
		{ "[{\"id\":tru}]", 0, "records[0]: byte 7: expected a value" },
		{ "[{\"id\":NaN}]", 0, "records[0]: byte 7: expected a value" },
		{ "[{\"id\":1,\"a\":[1 2]}]", 0, "records[0]: byte 16: expected ',' or ']'" },
		{ "[{\"id\":1,'a':1}]", 0, "records[0]: byte 9: expected a key" },
		{ "[{\"id\":1}/**/]", 1, "records: byte 9: expected ',' or ']'" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct jc_batch b;
		struct jc_record r;
		struct err err = { 0 };
		int n = 0, rc;
		jc_batch_init(&b, sv_str(cases[i].text), (struct jc_limits){ 0 }, scratch, &arena);
		while ((rc = jc_next(&b, &r, &err)) == 1)
			n++;
		if (rc != ERR_INVALID || strcmp(err.msg, cases[i].msg) != 0)
			fail_msg("%s: %d %s", cases[i].text, rc, err.msg);
		assert_int_equal(n, cases[i].records);
		assert_int_equal(jc_next(&b, &r, &err), ERR_INVALID);
	}
}

static void limits_hold(void **state UNUSED)
{
	const struct jc_limits limits = { .depth = 3, .record_bytes = 20 };
	struct jc_record r;
	struct err err;

	assert_int_equal(
		jc_one(SV_LIT("{\"id\":1,\"a\":[[]]}"), limits, scratch, &arena, &r, &err), 0);
	assert_int_equal(
		jc_one(SV_LIT("{\"id\":1,\"a\":[[[]]]}"), limits, scratch, &arena, &r, &err),
		ERR_LIMIT);
	assert_string_equal(err.msg, "record: byte 14: nested too deeply");
	assert_int_equal(
		jc_one(SV_LIT("{\"id\":1,\"abcd\":1234}"), limits, scratch, &arena, &r, &err), 0);
	assert_int_equal(
		jc_one(SV_LIT("{\"id\":1,\"abcd\":12345}"), limits, scratch, &arena, &r, &err),
		ERR_LIMIT);
	assert_string_equal(err.msg, "record: larger than 20 bytes");
}

static void batches_are_split(void **state UNUSED)
{
	struct sv text = SV_LIT(" [ {\"id\":\"a\",\"x\":[{\"id\":3}]} ,{\"id\":2} ] ");
	struct jc_batch b;
	struct jc_record r;

	jc_batch_init(&b, text, (struct jc_limits){ 0 }, scratch, &arena);
	assert_int_equal(jc_next(&b, &r, NULL), 1);
	assert_true(sv_eq_str(r.payload, "{\"id\":\"a\",\"x\":[{\"id\":3}]}"));
	assert_true(sv_eq_str(r.id, "a"));
	assert_false(r.untidy);
	assert_int_equal(jc_next(&b, &r, NULL), 1);
	assert_true(sv_eq_str(r.payload, "{\"id\":2}"));
	assert_true(sv_eq_str(r.id, "2"));
	assert_int_equal(jc_next(&b, &r, NULL), 0);
	assert_int_equal(jc_next(&b, &r, NULL), 0);
	jc_batch_init(&b, SV_LIT("[]"), (struct jc_limits){ 0 }, scratch, &arena);
	assert_int_equal(jc_next(&b, &r, NULL), 0);
}

static void tidying(void **state UNUSED)
{
	static const char *const cases[][2] = {
		{ "{\"id\":1,\"a\":1,\"id\":{\"z\":\"}\",\"a\":[1]},\"b\":\"\\\\\"}",
			"{\"id\":{\"z\":\"}\",\"a\":[1]},\"a\":1,\"b\":\"\\\\\"}" },
		{ "{ \"_nango_metadata\" : {\"x\":1}, \"\\u0069d\" : 1.0 }", "{\"id\":1.0}" },
		{ "{\"_nango_metadata\":1,\"a\":1,\"_nango_metadata\":2}", "{\"a\":1}" },
		{ "{}", "{}" },
	};
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&b);
		jc_tidy(sv_str(cases[i][0]), &b);
		assert_string_equal(b.ptr, cases[i][1]);
	}
	struct jc_record r;
	const struct jc_limits limits = { 0 };
	jc_one(SV_LIT("{\"id\":1,\"a\":1,\"a\":2}"), limits, scratch, &arena, &r, NULL);
	assert_true(r.untidy);
	jc_one(SV_LIT("{\"id\":1,\"b\":{\"a\":1,\"a\":2},\"a\":2}"), limits, scratch, &arena, &r,
		NULL);
	assert_false(r.untidy);
	jc_one(SV_LIT("{\"id\":1,\"_nango_metadata\":2}"), limits, scratch, &arena, &r, NULL);
	assert_true(r.untidy);
	jc_one(SV_LIT("{\"\\u0069d\":1}"), limits, scratch, &arena, &r, NULL);
	assert_true(r.untidy);
}

static void rendering(void **state UNUSED)
{
	static const char *const cases[][2] = {
		{ "{\"a\":1,\"id\":12,\"b\":[2]}",
			"{\"a\":1,\"id\":\"x\\\"\",\"b\":[2],\"_nango_metadata\":{}}" },
		{ "{\"id\":\"1\\\"\"}", "{\"id\":\"x\\\"\",\"_nango_metadata\":{}}" },
		{ "{\"a\":{\"id\":1}}",
			"{\"id\":\"x\\\"\",\"a\":{\"id\":1},\"_nango_metadata\":{}}" },
		{ "{}", "{\"id\":\"x\\\"\",\"_nango_metadata\":{}}" },
		{ "{ \"id\" : 5 }", "{ \"id\" : \"x\\\"\" ,\"_nango_metadata\":{}}" },
	};
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&b);
		jc_render(sv_str(cases[i][0]), SV_LIT("x\""), SV_LIT("{}"), &b);
		assert_string_equal(b.ptr, cases[i][1]);
	}
	assert_true(
		sv_eq_str(jc_find(SV_LIT("{\"a\":{\"id\":1},\"id\" : \"\\\"\" }"), SV_LIT("id")),
			"\"\\\"\""));
	assert_null(jc_find(SV_LIT("{\"a\":{\"id\":1}}"), SV_LIT("id")).ptr);
}

/* Random documents, compared with jansson's idea of equality. */

static uint64_t seed;

static unsigned rnd(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static struct json_t *random_string(void)
{
	static const char *const parts[] = { "a", "b", "key", "\n", "\"", "\\", "\x01", "\xC3\xA9",
		"\xF0\x9F\x98\x80", "longer text without anything special in it", "/", "id", "" };
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 1000);
	for (unsigned i = rnd(5); i > 0; i--)
		buf_str(&b, parts[rnd(ARRAY_LEN(parts))]);
	return json_new_str(buf_sv(&b));
}

static struct json_t *random_value(unsigned depth)
{
	struct json_t *v;

	switch (rnd(depth ? 8 : 6)) {
	case 0: return json_new_null();
	case 1: return json_new_bool(rnd(2));
	case 2: return json_new_int((int64_t)rnd(2000) - 1000);
	case 3: return json_new_num((rnd(20000) - 10000.0) / 1024 * (rnd(2) ? 1 : 1e30));
	case 4:
	case 5: return random_string();
	case 6:
		v = json_new_arr();
		for (unsigned i = rnd(5); i > 0; i--)
			json_push(v, random_value(depth - 1));
		return v;
	default:
		v = json_new_obj();
		for (unsigned i = rnd(rnd(20) ? 6 : 80); i > 0; i--) {
			struct json_t *key = random_string();
			json_set(v, json_sv(key), random_value(depth - 1));
			json_unref(key);
		}
		return v;
	}
}

static void spell_space(struct buf *b)
{
	static const char *const some[] = { " ", "\n", "\t ", "\r" };
	if (rnd(6) == 0)
		buf_str(b, some[rnd(4)]);
}

static void spell_string(struct sv s, struct buf *b)
{
	own_in(buf_done) struct buf plain = { 0 };

	buf_init(&plain, 10000);
	buf_json_str(&plain, s);
	for (size_t i = 0; i < plain.len; i++) {
		char c = plain.ptr[i];
		if (c == '\\') {
			size_t n = plain.ptr[i + 1] == 'u' ? 6 : 2;
			buf_add(b, plain.ptr + i, n);
			i += n - 1;
		} else if (i && i + 1 < plain.len && (c & 0x80) == 0 && rnd(8) == 0) {
			buf_printf(b, rnd(2) ? "\\u%04x" : "\\u%04X", c);
		} else {
			buf_char(b, c);
		}
	}
}

static void spell_number(const struct json_t *v, struct buf *b)
{
	own_in(buf_done) struct buf plain = { 0 };

	buf_init(&plain, 100);
	json_dump_compact(v, &plain);
	buf_sv_add(b, buf_sv(&plain));
	if (strchr(plain.ptr, 'e'))
		return;
	bool fraction = strchr(plain.ptr, '.');
	switch (rnd(5)) {
	case 0: buf_str(b, fraction ? "0" : ".0"); break;
	case 1: buf_str(b, "e0"); break;
	case 2: buf_str(b, fraction ? "00E+00" : "000e-3"); break;
	default: break;
	}
}

static void spell(const struct json_t *v, struct buf *b);

static void spell_members(const struct json_t *v, struct buf *b)
{
	size_t n = json_len(v), i = 0;
	own_mem struct sv *keys = mem_array(n + 1, sizeof(*keys));
	struct json_t *val;

	for (void *it = NULL; json_next(v, &it, &keys[i], &val); i++)
		;
	for (i = n; i > 1; i--) {
		size_t j = rnd((unsigned)i);
		struct sv t = keys[j];
		keys[j] = keys[i - 1];
		keys[i - 1] = t;
	}
	for (i = 0; i < n; i++) {
		buf_str(b, i ? "," : "");
		/* A value that a later one of the same key overrides. */
		if (rnd(10) == 0) {
			spell_string(keys[i], b);
			buf_str(b, ":[1],");
		}
		spell_space(b);
		spell_string(keys[i], b);
		spell_space(b);
		buf_char(b, ':');
		spell_space(b);
		spell(json_member(v, keys[i]), b);
	}
}

/* The text of v in one of the many ways to write it. */
static void spell(const struct json_t *v, struct buf *b)
{
	spell_space(b);
	switch (json_kind(v)) {
	case JSON_KIND_OBJECT:
		buf_char(b, '{');
		spell_members(v, b);
		buf_char(b, '}');
		break;
	case JSON_KIND_ARRAY:
		buf_char(b, '[');
		for (size_t i = 0; i < json_len(v); i++) {
			buf_str(b, i ? "," : "");
			spell(json_item(v, i), b);
		}
		buf_char(b, ']');
		break;
	case JSON_KIND_STRING: spell_string(json_sv(v), b); break;
	case JSON_KIND_NUMBER: spell_number(v, b); break;
	case JSON_KIND_NULL:
	case JSON_KIND_BOOL:
	case JSON_KIND_ABSENT: json_dump_compact(v, b); break;
	}
	spell_space(b);
}

/* Changes one thing somewhere in a container; false when there was nothing to change. */
static bool mutate(struct json_t *v)
{
	size_t n = json_len(v), i = n ? rnd((unsigned)n) : 0;
	struct json_t *child = NULL;
	struct sv key = SV_NULL;

	if (n == 0)
		return false;
	if (json_kind(v) == JSON_KIND_ARRAY) {
		child = json_item(v, i);
	} else {
		void *it = NULL;
		for (size_t k = 0; k <= i; k++)
			json_next(v, &it, &key, &child);
	}
	if (rnd(3) && mutate(child))
		return true;
	struct json_t *fresh = random_value(1);
	bool changed = !json_same(fresh, child);
	if (json_kind(v) == JSON_KIND_ARRAY)
		json_put(v, i, fresh);
	else
		json_set(v, key, fresh);
	return changed;
}

static void random_documents_agree_with_jansson(void **state UNUSED)
{
	own_in(buf_done) struct buf a = { 0 }, b = { 0 };

	buf_init(&a, 1 << 20);
	buf_init(&b, 1 << 20);
	for (unsigned i = 0; i < 3000; i++) {
		seed = i;
		own(json_unref) struct json_t *doc = json_new_obj();
		json_set(doc, SV_LIT("data"), random_value(5));
		json_set_str(doc, "id", SV_LIT("k"));
		buf_clear(&a);
		json_dump_compact(doc, &a);
		struct hash h = hash_of(buf_sv(&a));
		for (int k = 0; k < 3; k++) {
			buf_clear(&b);
			spell(doc, &b);
			if (!same(h, hash_of(buf_sv(&b))))
				fail_msg("seed %u: differ:\n%s\n%s", i, a.ptr, b.ptr);
		}
		struct json_t *data = json_member(doc, SV_LIT("data"));
		own(json_unref) struct json_t *before = json_clone(data);
		mutate(data);
		buf_clear(&b);
		json_dump_compact(doc, &b);
		if (same(h, hash_of(buf_sv(&b))) != json_same(before, data))
			fail_msg("seed %u: alike or apart wrongly:\n%s\n%s", i, a.ptr, b.ptr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_values_hash_alike),
		cmocka_unit_test(different_values_hash_apart),
		cmocka_unit_test(top_level_is_special),
		cmocka_unit_test(canonical_text_is_pinned),
		cmocka_unit_test(ids_are_read),
		cmocka_unit_test(broken_batches_are_explained),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(batches_are_split),
		cmocka_unit_test(tidying),
		cmocka_unit_test(rendering),
		cmocka_unit_test(random_documents_agree_with_jansson),
	};
	return cmocka_run_group_tests_name("json_canon", tests, setup, teardown);
}
