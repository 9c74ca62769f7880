#include "data/json_dump.h"

#include "data/data_test.h"
#include "data/json.h"

static const struct {
	const char *in, *plain, *sorted;
} cases[] = {
	{ "null", "null", "null" },
	{ "{\"b\":1,\"a\":[{\"d\":1,\"c\":2}]}", "{\"b\":1,\"a\":[{\"d\":1,\"c\":2}]}",
		"{\"a\":[{\"c\":2,\"d\":1}],\"b\":1}" },
	{ "{\"10\":1,\"b\":2,\"2\":3,\"01\":4,\"-1\":5,\"4294967295\":6,\"4294967294\":7}",
		"{\"10\":1,\"b\":2,\"2\":3,\"01\":4,\"-1\":5,\"4294967295\":6,\"4294967294\":7}",
		"{\"2\":3,\"10\":1,\"4294967294\":7,\"-1\":5,\"01\":4,\"4294967295\":6,\"b\":2}" },
	{ "{\"\xEF\xBC\xA1\":1,\"\xF0\x9F\x98\x80\":2,\"\xC3\xA9\":3}",
		"{\"\xEF\xBC\xA1\":1,\"\xF0\x9F\x98\x80\":2,\"\xC3\xA9\":3}",
		"{\"\xC3\xA9\":3,\"\xF0\x9F\x98\x80\":2,\"\xEF\xBC\xA1\":1}" },
	{ "[1.0,-0.0,1e21,0.1,1e-7,12345678901234567890,true,\"\\u0001\\/\\u00e9\"]",
		"[1,0,1e+21,0.1,1e-7,12345678901234567000,true,\"\\u0001/\xC3\xA9\"]",
		"[1,0,1e+21,0.1,1e-7,12345678901234567000,true,\"\\u0001/\xC3\xA9\"]" },
	{ "{\"ab\":1,\"a\":2,\"\":3}", "{\"ab\":1,\"a\":2,\"\":3}", "{\"\":3,\"a\":2,\"ab\":1}" },
};

static void prints_as_stringify(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own(json_unref) struct json_t *v = NULL;
		own_in(buf_done) struct buf b = { 0 };
		buf_init(&b, 1000);
		assert_int_equal(json_parse(sv_str(cases[i].in), &v, NULL), 0);
		json_dump_compact(v, &b);
		assert_sv(buf_sv(&b), cases[i].plain);
		buf_clear(&b);
		json_dump_sorted(v, &b);
		assert_sv(buf_sv(&b), cases[i].sorted);
	}
}

int json_dump_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_as_stringify),
	};
	return cmocka_run_group_tests_name("json_dump", tests, NULL, NULL);
}
