/* What lints find, and what they must leave alone. */
#include "cli/lint.h"

#include "base/sv.h"

#include <stdio.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

/* Warnings as "line:column text", one after the other, as far as `want` goes; "" = none. */
static const struct {
	const char *source, *want;
} cases[] = {
	{ "await nango.get({ endpoint: '/a' });", "" },
	{ "nango.get({ endpoint: '/a' });", "1:1 nango.get is not awaited" },
	{ "{\n  nango.batchSave<X>([], 'A');\n}", "2:3 nango.batchSave is not awaited" },
	{ "const p = nango.get({}); await p;", "" },
	{ "await Promise.all([nango.get({}), nango.get({})]);", "" },
	{ "return nango.get({});", "" },
	{ "void nango.log('x');", "" },
	{ "nango.get({}).then(f);", "" },
	{ "nango.setLogger({ level: 'off' });", "" },
	{ "// nango.get({});\n/* nango.get({}); */ const t = 'nango.get();';", "" },
	{ "const t = `;nango.get();`; my.nango.get(); xnango.get();", "" },
	{ "await nango.get({ endpoint: '/a', retryOn: [409] });",
		"1:35 retryOn does nothing without retries" },
	{ "await nango.get({ endpoint: '/a', retryOn: [409], retries: 3 });", "" },
	{ "await nango.get({ note: 'retryOn' });", "" },
	{ "await nango.trackDeletesStart('A'); await nango.batchSave(x, 'A'); "
	  "await nango.trackDeletesEnd('A');",
		"" },
	{ "await nango.batchSave(x, 'A');\nawait nango.trackDeletesStart('A');",
		"1:7 batchSave of 'A' before trackDeletesStart" },
	{ "await nango.batchSave(x, 'B');\nawait nango.trackDeletesStart('A');", "" },
	{ "await nango.trackDeletesStart('A');\nawait nango.trackDeletesStart('A');",
		"2:7 a second trackDeletesStart('A')" },
	{ "await nango.trackDeletesStart('A'); await nango.trackDeletesEnd('A');\n"
	  "await nango.batchSave([{ id: 'x' }], 'A');",
		"2:7 batchSave of 'A' behind trackDeletesEnd" },
	{ "await nango.get({});\nawait nango.setMergingStrategy({ strategy: 'override' }, 'A');",
		"2:7 setMergingStrategy comes too late" },
	{ "await nango.setMergingStrategy({ strategy: 'override' }, 'A'); await nango.get({});",
		"" },
	{ "nango.", "" },
	{ "nango.get(", "1:1 nango.get is not awaited" },
	{ "await nango.trackDeletesStart('", "" },
	{ "nango.get<", "" },
	{ "'", "" },
	{ "/*", "" },
};

static void warns_of_what_looks_wrong(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct lint_warning found[4];
		char got[300] = "";
		size_t n = lint_source(sv_str(cases[i].source), found, ARRAY_LEN(found));
		if (n)
			snprintf(got, sizeof(got), "%u:%u %s", found[0].line, found[0].column,
				found[0].text);
		size_t len = strlen(cases[i].want);
		if ((len == 0) != (n == 0) || strncmp(got, cases[i].want, len) != 0)
			fail_msg(
				"%s: expected '%s', got '%s'", cases[i].source, cases[i].want, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(warns_of_what_looks_wrong) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
