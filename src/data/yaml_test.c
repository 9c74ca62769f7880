#include "data/yaml.h"

#include "data/data_test.h"
#include "data/json.h"

static const struct {
	const char *yaml, *json;
} good[] = {
	{ "", "null" },
	{ "# nothing\n", "null" },
	{ "a: 1\nb: [x, 'y', \"z\\n\"]\n", "{\"a\":1,\"b\":[\"x\",\"y\",\"z\\n\"]}" },
	{ "a:\n  b:\n    - c: d\n      e: f\n    - 2\n",
		"{\"a\":{\"b\":[{\"c\":\"d\",\"e\":\"f\"},2]}}" },
	{ "[yes, no, on, true, True, FALSE, null, ~, '']",
		"[\"yes\",\"no\",\"on\",true,true,false,null,null,\"\"]" },
	{ "[0o17, 0x1F, 017, -0, +5, 1_000, 12345678901234567890]",
		"[15,31,17,0,5,\"1_000\",12345678901234567000]" },
	{ "[1.5, .5, 1., 1e3, -1.5E-1, 1e, ., .inf, 1.2.3, 2024-01-01, 0x, 0xg, 1:2]",
		"[1.5,0.5,1,1000,-0.15,\"1e\",\".\",\".inf\",\"1.2.3\",\"2024-01-01\",\"0x\","
		"\"0xg\","
		"\"1:2\"]" },
	{ "a:\nb: ''\n", "{\"a\":null,\"b\":\"\"}" },
	{ "a: !!str 1\n", "{\"a\":\"1\"}" },
	{ "1: one\ntrue: t\n", "{\"1\":\"one\",\"true\":\"t\"}" },
	{ "a: {b: 1,\n  c: 2}\n", "{\"a\":{\"b\":1,\"c\":2}}" },
	{ "a: |\n  x\n  y\nb: >\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\\n\"}" },
	{ "u: ${a} || b\nv: https://x.y/z?a=b#c\n",
		"{\"u\":\"${a} || b\",\"v\":\"https://x.y/z?a=b#c\"}" },
};

static const struct {
	const char *yaml, *msg;
} bad[] = {
	{ "a: &x 1\n", "f.yaml:1:4: anchors are not supported" },
	{ "a: &x [1]\n", "f.yaml:1:4: anchors are not supported" },
	{ "a: *x\n", "f.yaml:1:4: aliases are not supported" },
	{ "*x : 1\n", "f.yaml:1:1: aliases are not supported" },
	{ "a: 1\nb: 2\na: 3\n", "f.yaml:3:1: duplicate key" },
	{ "a: 1\n\"b\\0\": 2\n", "f.yaml:2:1: a key cannot contain a NUL character" },
	{ "a: !foo 1\n", "f.yaml:1:4: tags are not supported" },
	{ "? [a]\n: 1\n", "f.yaml:1:3: a key must be a scalar" },
	{ "a: 1\n---\nb: 2\n", "f.yaml:2:1: more than one document" },
	{ "a: [1\n",
		"f.yaml:2:1: while parsing a flow sequence: did not find expected ',' or ']'" },
	{ "a: b: c\n", "f.yaml:1:5: mapping values are not allowed in this context" },
	{ "\tx: 1\n", "f.yaml:1:1: while scanning for the next token: found character that cannot "
		      "start any token" },
	{ "a: \"\xff\"", "f.yaml: byte 4: invalid leading UTF-8 octet" },
};

static void loads(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		own(json_unref) struct json_t *v = NULL;
		own_in(buf_done) struct buf b = { 0 };
		struct err err = { 0 };
		buf_init(&b, 1000);
		if (yaml_load(sv_str(good[i].yaml), "f.yaml", &v, &err) < 0)
			fail_msg("%s: %s", good[i].yaml, err.msg);
		json_dump_compact(v, &b);
		assert_sv(buf_sv(&b), good[i].json);
	}
}

static void refuses(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct json_t *v = NULL;
		struct err err = { 0 };
		assert_int_equal(yaml_load(sv_str(bad[i].yaml), "f.yaml", &v, &err), ERR_INVALID);
		assert_null(v);
		assert_string_equal(err.msg, bad[i].msg);
	}
}

static void limits_hold(void **state UNUSED)
{
	own(json_unref) struct json_t *v = NULL;
	char deep[2 * YAML_DEPTH_MAX + 3] = { 0 };
	struct err err;

	memset(deep, '[', YAML_DEPTH_MAX + 1);
	memset(deep + YAML_DEPTH_MAX + 1, ']', YAML_DEPTH_MAX + 1);
	assert_int_equal(yaml_load(sv_str(deep), "f", &v, &err), ERR_LIMIT);
	assert_string_equal(err.msg, "f:1:65: nested too deeply");
	assert_int_equal(
		yaml_load(sv_make(deep + 1, (size_t)2 * YAML_DEPTH_MAX), "f", &v, &err), 0);
	assert_int_equal(yaml_load_file("no/such/file", &v, &err), ERR_IO);
}

int yaml_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads),
		cmocka_unit_test(refuses),
		cmocka_unit_test(limits_hold),
	};
	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
