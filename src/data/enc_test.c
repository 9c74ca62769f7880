#include "data/enc.h"

#include "data/data_test.h"

static void base64_goes_both_ways(void **state UNUSED)
{
	static const char *const pairs[][2] = {
		{ "", "" },
		{ "a", "YQ==" },
		{ "ab", "YWI=" },
		{ "abc", "YWJj" },
		{ "\xff\xfe\xfd?", "//79Pw==" },
	};
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		buf_clear(&b);
		enc_base64(&b, sv_str(pairs[i][0]));
		assert_sv(buf_sv(&b), pairs[i][1]);
		buf_clear(&b);
		assert_true(enc_unbase64_strict(&b, sv_str(pairs[i][1])));
		assert_sv(buf_sv(&b), pairs[i][0]);
	}
	buf_clear(&b);
	enc_base64url(&b, SV_LIT("\xff\xfe\xfd?"));
	assert_sv(buf_sv(&b), "__79Pw");
}

static void base64_forgives(void **state UNUSED)
{
	static const char *const pairs[][2] = {
		{ "YQ", "a" },
		{ "YWI", "ab" },
		{ " Y\nW J*j", "abc" },
		{ "__79Pw", "\xff\xfe\xfd?" },
		{ "YQ==YQ==", "a" },
		{ "Y", "" },
		{ "====", "" },
	};
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		buf_clear(&b);
		enc_unbase64(&b, sv_str(pairs[i][0]));
		assert_sv(buf_sv(&b), pairs[i][1]);
	}
}

static void strict_base64_refuses(void **state UNUSED)
{
	static const char *const bad[] = { "YQ", "YQ=", "Y===", "YR==", "YWJ=", "Y Q=", "__79",
		"=" };
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(enc_unbase64_strict(&b, sv_str(bad[i])));
	assert_int_equal(b.len, 0);
}

static void hex_goes_both_ways(void **state UNUSED)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 1000);
	enc_hex(&b, SV_LIT("\x00\x9f\xff"));
	assert_sv(buf_sv(&b), "009fff");
	buf_clear(&b);
	assert_true(enc_unhex(&b, SV_LIT("4aFf")));
	assert_sv(buf_sv(&b), "J\xff");
	assert_false(enc_unhex(&b, SV_LIT("4")));
	assert_false(enc_unhex(&b, SV_LIT("4g")));
}

static void percent_follows_its_rule(void **state UNUSED)
{
	static const struct {
		enum enc_percent rule;
		const char *in, *out;
	} cases[] = {
		{ ENC_COMPONENT, "a b/c?d&(e)!~*'", "a%20b%2Fc%3Fd%26(e)!~*'" },
		{ ENC_RFC3986, "a b(e)!~*'", "a%20b%28e%29%21~%2A%27" },
		{ ENC_FORM, "a b+~*(", "a+b%2B%7E*%28" },
		{ ENC_PATH, "a/b c", "a/b%20c" },
		{ ENC_COMPONENT, "\xc3\xa9", "%C3%A9" },
	};
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&b);
		enc_percent(&b, sv_str(cases[i].in), cases[i].rule);
		assert_sv(buf_sv(&b), cases[i].out);
	}
	buf_clear(&b);
	enc_unpercent(&b, SV_LIT("a%20b+c%2g%4"), false);
	assert_sv(buf_sv(&b), "a b+c%2g%4");
	buf_clear(&b);
	enc_unpercent(&b, SV_LIT("a+%C3%a9"), true);
	assert_sv(buf_sv(&b), "a \xc3\xa9");
}

static void utf8_is_repaired(void **state UNUSED)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 1000);
	enc_utf8(&b, SV_LIT("a\xff\xc3\xa9\xed\xa0\x80\xf0\x9f\x98\x80\xc3"));
	assert_sv(buf_sv(&b), "a\xEF\xBF\xBD\xc3\xa9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
			      "\xf0\x9f\x98\x80\xEF\xBF\xBD");
	assert_true(enc_is_utf8(SV_LIT("\xc3\xa9")));
	assert_false(enc_is_utf8(SV_LIT("\xc0\x80")));
}

int enc_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_goes_both_ways),
		cmocka_unit_test(base64_forgives),
		cmocka_unit_test(strict_base64_refuses),
		cmocka_unit_test(hex_goes_both_ways),
		cmocka_unit_test(percent_follows_its_rule),
		cmocka_unit_test(utf8_is_repaired),
	};
	return cmocka_run_group_tests_name("enc", tests, NULL, NULL);
}
