#include "data/pattern.h"

#include "data/data_test.h"

static const struct {
	const char *source, *text;
	bool matches;
} cases[] = {
	{ "", "x", true },
	{ "^a+$", "aaa", true },
	{ "^a+$", "aab", false },
	{ "b", "abc", true },
	{ "^\\d{3}-\\w+\\s?$", "123-ab_9 ", true },
	{ "^\\D\\W\\S$", "a-b", true },
	{ "^\\D$", "1", false },
	{ "^[\\w.+-]+@[a-z]+$", "a.b+c-d@x", true },
	{ "^[\\w-.]+$", "a-b.c", true },
	{ "^[^\\s@]+$", "a b", false },
	{ "^[\\-\\]\\^\\\\a]+$", "]-^\\a", true },
	{ "^[\\-\\]\\^\\\\a]+$", "b", false },
	{ "^[[.]+$", "[.", true },
	{ "^[\\^]$", "^", true },
	{ "^[\\^-]$", "-", true },
	{ "^[^^]$", "^", false },
	{ "^[^-]$", "-", false },
	{ "^[a\\-z]$", "b", false },
	{ "^(?:ab|cd)+?$", "abcd", true },
	{ "^a*?b{2,3}?$", "abb", true },
	{ "^a{2}$", "aa", true },
	{ "^{x}$", "{x}", true },
	{ "^a]}$", "a]}", true },
	{ "^\\x41\\u0042\\t\\/\\.\\$$", "AB\t/.$", true },
	{ "^\xC3\xA9+$", "\xC3\xA9\xC3\xA9", true },
	{ "^([A-Z]{2}|0)$", "AB", true },
	{ "^(?:(a+)+,?)+$", "aa,a", true },
	{ "^a{?$", "a{", true },
	{ "^x(|y)$", "x", true },
};

static void matches_as_javascript(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pattern *p = pattern_new(sv_str(cases[i].source));
		if (!p)
			fail_msg("%s not understood", cases[i].source);
		if (pattern_matches(p, sv_str(cases[i].text)) != cases[i].matches)
			fail_msg("%s on %s", cases[i].source, cases[i].text);
		pattern_free(p);
	}
}

static void says_what_it_does_not_know(void **state UNUSED)
{
	static const char *const sources[] = { "^[^]a]$", "(?=a)", "(?!a)", "(?<=a)b", "(?<n>a)",
		"(a)\\1", "\\bx", "\\p{L}", "[\xC3\xA9]", "[^]", "[]", "[a", "\\", "(",
		"a{1000}{1000}", "a{99999999999}", "a++", "a+*",
		"((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+", "^*", "|+", "a)", "[\\S]", "[z-a]",
		"\\u00e9", "*" };

	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		struct pattern *p = pattern_new(sv_str(sources[i]));
		if (p)
			fail_msg("%s understood", sources[i]);
	}
	pattern_free(NULL);
}

int pattern_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_as_javascript),
		cmocka_unit_test(says_what_it_does_not_know),
	};
	return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
