#include "data/json.h"

#include "data/data_test.h"

static struct json_t *parsed(const char *text)
{
	struct json_t *v = NULL;
	struct err err = { 0 };

	if (json_parse(sv_str(text), &v, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return v;
}

static void refuses_broken_text(void **state UNUSED)
{
	static const struct {
		const char *text, *msg;
	} cases[] = {
		{ "", "line 1 column 0" },
		{ "{\"a\":secret}", "line 1 column 11: invalid token" },
		{ "{\n  \"a\" 1}", "line 2 column 7: ':' expected" },
		{ "1 2", "line 1 column 3: end of file expected" },
		{ "\"\\ud800\"", "line 1 column " },
		{ "1e999", "line 1 column 5: real number overflow" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json_t *v = NULL;
		struct err err = { 0 };
		assert_int_equal(json_parse(sv_str(cases[i].text), &v, &err), ERR_INVALID);
		assert_null(v);
		assert_memory_equal(err.msg, cases[i].msg, strlen(cases[i].msg));
		assert_null(strstr(err.msg, "secret"));
	}
}

static void refuses_deep_text(void **state UNUSED)
{
	char text[2 * JSON_DEPTH_MAX + 8] = { 0 };
	struct json_t *v = NULL;

	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	assert_int_equal(json_parse(sv_str(text), &v, NULL), ERR_LIMIT);
	assert_int_equal(json_parse(sv_make(text + 1, (size_t)2 * JSON_DEPTH_MAX), &v, NULL), 0);
	json_unref(v);
	json_unref(parsed("\"[[\\\"[\""));
}

static void getters_find_by_path(void **state UNUSED)
{
	own(json_unref) struct json_t *v = parsed(
		"{\"a\":{\"s\":\"x\\u0000y\",\"i\":5,\"f\":2.5,\"w\":3.0,\"b\":true,\"n\":null,"
		"\"l\":[1,[2]]},\"d.e\":1,\"d.e\":2}");
	struct sv s;
	int64_t i;
	double f;
	bool b;
	struct json_t *c;

	assert_int_equal(json_get_str(v, "a.s", &s, NULL), 0);
	assert_int_equal(s.len, 3);
	assert_int_equal(json_get_int(v, "a.i", &i, NULL), 0);
	assert_int_equal(i, 5);
	assert_int_equal(json_get_int(v, "a.w", &i, NULL), 0);
	assert_int_equal(i, 3);
	assert_int_equal(json_get_num(v, "a.f", &f, NULL), 0);
	assert_true(f == 2.5);
	assert_int_equal(json_get_bool(v, "a.b", &b, NULL), 0);
	assert_true(b);
	assert_int_equal(json_get_obj(v, "a", &c, NULL), 0);
	assert_int_equal(json_get_arr(v, "a.l", &c, NULL), 0);
	assert_int_equal(json_len(c), 2);
	assert_int_equal(json_get_any(v, "a.n", &c, NULL), 0);
	assert_int_equal(json_int(json_find(v, SV_LIT("a.l[1][0]"))), 2);
	assert_null(json_find(v, SV_LIT("a.l[1]x")));
	assert_null(json_find(v, SV_LIT("a.x.y")));
	assert_int_equal(json_int(json_member(v, SV_LIT("d.e"))), 2);
}

static void getters_say_what_was_wrong(void **state UNUSED)
{
	own(json_unref) struct json_t *v = parsed("{\"a\":{\"s\":1,\"f\":2.5},\"x\":null}");
	struct err err;
	struct sv s = SV_LIT("default");
	int64_t i;

	assert_int_equal(json_get_str(v, "a.s", &s, &err), ERR_INVALID);
	assert_string_equal(err.msg, "$.a.s: expected string, got number");
	json_get_int(v, "a.f", &i, &err);
	assert_string_equal(err.msg, "$.a.f: expected integer, got number");
	json_get_str(v, "a.t", &s, &err);
	assert_string_equal(err.msg, "$.a.t: expected string, got nothing");
	json_get_str(v, "a.s.q", &s, &err);
	assert_string_equal(err.msg, "$.a.s: expected object, got number");
	json_get_str(NULL, "a", &s, &err);
	assert_string_equal(err.msg, "$: expected object, got nothing");
	json_err_at(&err, "items[%d]", 3);
	assert_string_equal(err.msg, "$.items[3]: expected object, got nothing");
	json_err_at(&err, "syncs");
	assert_string_equal(err.msg, "$.syncs.items[3]: expected object, got nothing");
	assert_sv(s, "default");
}

static void options_may_be_missing(void **state UNUSED)
{
	own(json_unref) struct json_t *v = parsed("{\"a\":{\"s\":\"t\"},\"x\":null,\"n\":1}");
	struct err err;
	struct sv s = SV_LIT("default");
	bool b = true;

	assert_int_equal(json_opt_str(v, "q", &s, &err), 0);
	assert_int_equal(json_opt_str(v, "x", &s, &err), 0);
	assert_int_equal(json_opt_str(v, "x.y", &s, &err), 0);
	assert_sv(s, "default");
	assert_int_equal(json_opt_str(v, "a.s", &s, &err), 1);
	assert_sv(s, "t");
	assert_int_equal(json_opt_bool(v, "n", &b, &err), ERR_INVALID);
	assert_int_equal(json_opt_str(v, "n.s", &s, &err), ERR_INVALID);
	assert_string_equal(err.msg, "$.n: expected object, got number");
}

static void unknown_keys_are_named(void **state UNUSED)
{
	own(json_unref) struct json_t *v = parsed("{\"a\":1,\"b\":2}");
	static const char *const both[] = { "b", "a", NULL }, *const one[] = { "a", NULL };
	struct err err;

	assert_int_equal(json_only_keys(v, both, &err), 0);
	assert_int_equal(json_only_keys(v, one, &err), ERR_INVALID);
	assert_string_equal(err.msg, "$.b: unknown key");
}

static void builders_repair_text(void **state UNUSED)
{
	own(json_unref) struct json_t *v = json_new_obj();
	own(json_unref) struct json_t *w =
		parsed("{\"s\":\"\xEF\xBF\xBD\",\"\xEF\xBF\xBD\":[1.0,true,null],\"n\":1}");
	struct json_t *arr = json_new_arr();

	json_set_str(v, "s", SV_LIT("\xff"));
	json_set(v, SV_LIT("\xff"), arr);
	json_push(arr, json_new_int(1));
	json_push(arr, json_new_bool(true));
	json_push(arr, json_new_num(1.0 / 0.0));
	json_set_int(v, "n", 1);
	json_set_int(v, "m", 1);
	json_del(v, SV_LIT("m"));
	assert_true(json_same(v, w));
	own(json_unref) struct json_t *copy = json_clone(v);
	json_set_bool(copy, "n", false);
	assert_false(json_same(v, copy));
}

static void big_integers_become_doubles(void **state UNUSED)
{
	own(json_unref) struct json_t *v = parsed("[12345678901234567890,7]");

	assert_false(json_is_int(json_item(v, 0)));
	assert_true(json_num(json_item(v, 0)) == 12345678901234567890.0);
	assert_true(json_is_int(json_item(v, 1)));
}

int json_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_broken_text),
		cmocka_unit_test(refuses_deep_text),
		cmocka_unit_test(getters_find_by_path),
		cmocka_unit_test(getters_say_what_was_wrong),
		cmocka_unit_test(options_may_be_missing),
		cmocka_unit_test(unknown_keys_are_named),
		cmocka_unit_test(builders_repair_text),
		cmocka_unit_test(big_integers_become_doubles),
	};
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
