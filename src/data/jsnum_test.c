#include "data/jsnum.h"

#include "data/data_test.h"

#include <math.h>

static const struct {
	double v;
	const char *text;
} cases[] = {
	{ 0, "0" },
	{ -0.0, "0" },
	{ 1, "1" },
	{ -1.5, "-1.5" },
	{ 0.1, "0.1" },
	{ 0.30000000000000004, "0.30000000000000004" },
	{ 1e21, "1e+21" },
	{ 123456789012345680000.0, "123456789012345680000" },
	{ 1e-6, "0.000001" },
	{ 1e-7, "1e-7" },
	{ 1.25e-9, "1.25e-9" },
	{ 5e-324, "5e-324" },
	{ 2.2250738585072014e-308, "2.2250738585072014e-308" },
	{ 1.7976931348623157e308, "1.7976931348623157e+308" },
	{ 9007199254740993.0, "9007199254740992" },
	{ 4.35, "4.35" },
	{ 100, "100" },
	{ 0x1p-44, "5.684341886080802e-14" },
	{ 9.5367431640625e-7, "9.5367431640625e-7" },
	{ INFINITY, "Infinity" },
	{ -INFINITY, "-Infinity" },
};

static void prints_as_javascript(void **state UNUSED)
{
	char text[JSNUM_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = jsnum_format(cases[i].v, text);
		assert_string_equal(text, cases[i].text);
		assert_int_equal(n, strlen(text));
	}
	jsnum_format(NAN, text);
	assert_string_equal(text, "NaN");
}

int jsnum_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_as_javascript),
	};
	return cmocka_run_group_tests_name("jsnum", tests, NULL, NULL);
}
