#include "data/yaml_find.h"

#include "data/data_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char text[] = "one:\n" /* 1 */
			   "  a: {b: 1}\n"
			   "two:\n"
			   "  proxy:\n"
			   "    headers:\n" /* 5 */
			   "      x.y: v\n"
			   "      x:\n"
			   "        - p\n"
			   "        - q: 1\n"
			   "          r: 2\n" /* 10 */
			   "  # comment\n"
			   "  last: true\n";

static const struct {
	const char *key, *path;
	size_t line;
} cases[] = {
	{ "one", "$.a.b: expected", 2 },
	{ "two", "$", 3 },
	{ "two", "", 3 },
	{ "two", "there is no provider", 3 },
	{ "two", "$.proxy.headers", 5 },
	{ "two", "$.proxy.headers.x.y: expected text", 6 },
	{ "two", "$.proxy.headers.x: expected text", 7 },
	{ "two", "$.proxy.headers.x[1]", 9 },
	{ "two", "$.proxy.headers.x[1].r: no", 10 },
	{ "two", "$.proxy.headers.x[7].r: no", 7 },
	{ "two", "$.last.x", 12 },
	{ "two", "$.nowhere", 3 },
	{ "three", "$.a", 0 },
};

static void finds(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t line =
			yaml_line_of(sv_str(text), sv_str(cases[i].key), sv_str(cases[i].path));
		if (line != cases[i].line)
			fail_msg("%s %s: line %zu", cases[i].key, cases[i].path, line);
	}
}

static void survives_what_is_no_map(void **state UNUSED)
{
	static const char *const odd[] = { "", "a", "- a", "a: [", "a: b\n\t- c", "[[[",
		"? x\n: y" };

	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		assert_true(yaml_line_of(sv_str(odd[i]), SV_LIT("a"), SV_LIT("$.b.c")) <= 1);
}

int yaml_find_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),
		cmocka_unit_test(survives_what_is_no_map),
	};
	return cmocka_run_group_tests_name("yaml find", tests, NULL, NULL);
}
