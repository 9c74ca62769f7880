#include "data/sourcemap.h"

#include "data/data_test.h"

/* Made by esbuild: crm/syncs/contacts.ts (from line 20, 34) and crm/util.ts (from line 27). */
static const char bundle[] =
	"var a;\nvar b;\n//# sourceMappingURL=data:application/json;base64,"
	"ewogICJ2ZXJzaW9uIjogMywKICAic291cmNlcyI6IFsiLi4vY3JtL3N5bmNzL2NvbnRhY3RzLnRzIiwgIi4uL2NybS"
	"91"
	"dGlsLnRzIl0sCiAgIm1hcHBpbmdzIjogIjs7Ozs7Ozs7Ozs7Ozs7Ozs7OztBQUFBO0FBQUE7QUFBQTtBQUFBO0FBQU"
	"E7"
	"OztBQ0VPLFNBQVMsS0FBSyxHQUFXLEdBQVE7QUFDdEMsTUFBSSxJQUFJLEdBQUc7QUFDVCxVQUFNLElBQUksTUFBTS"
	"xNQUFNO0FBQUEsRUFDeEI7QUFDRjs7O0FESkEsZUFBTyxJQUEyQixPQUFZO0FBQzVDLFFBQU0sSUFBSTtBQUVWLFNB"
	"QU8sS0FBSyxHQUFHLEtBQUs7QUFDdEI7IiwKICAibmFtZXMiOiBbXQp9Cg==\n";

static struct sourcemap *bundle_map(void)
{
	struct sourcemap *m = NULL;
	struct sv code;
	struct err err = { 0 };

	if (sourcemap_from_bundle(SV_LIT(bundle), &code, &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_sv(code, "var a;\nvar b;\n");
	return m;
}

static void positions_are_found(void **state UNUSED)
{
	static const struct {
		uint32_t line, column;
		const char *source; /* NULL: not known */
		uint32_t source_line, source_column;
	} cases[] = {
		{ 27, 1, "crm/util.ts", 3, 8 },
		{ 28, 7, "crm/util.ts", 4, 7 },
		{ 29, 11, "crm/util.ts", 5, 11 },
		{ 29, 500, "crm/util.ts", 5, 27 },
		{ 34, 1, "crm/syncs/contacts.ts", 3, 1 },
		{ 36, 10, "crm/syncs/contacts.ts", 6, 10 },
		{ 1, 1, NULL, 0, 0 },
		{ 32, 1, NULL, 0, 0 },
		{ 37, 1, "crm/syncs/contacts.ts", 7, 1 },
		{ 38, 1, NULL, 0, 0 },
		{ 99, 1, NULL, 0, 0 },
		{ 0, 0, NULL, 0, 0 },
	};
	own(sourcemap_free) struct sourcemap *m = bundle_map();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sourcemap_pos pos;
		bool found = sourcemap_find(m, cases[i].line, cases[i].column, &pos);
		assert_int_equal(found, cases[i].source != NULL);
		if (!found)
			continue;
		assert_sv(pos.source, cases[i].source);
		assert_int_equal(pos.line, cases[i].source_line);
		assert_int_equal(pos.column, cases[i].source_column);
		assert_null(pos.name.ptr);
	}
}

static void stacks_are_rewritten(void **state UNUSED)
{
	own(sourcemap_free) struct sourcemap *m = bundle_map();
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 10000);
	sourcemap_rewrite_stack(m, 0,
		SV_LIT("deep@crm/syncs/contacts.js:29:20\n"
		       "map@[native code]\n"
		       "call@tidemark:nango.js:4:5\n"
		       "crm/syncs/contacts.js:36:10\n"
		       "@crm/syncs/contacts.js:36:16\n"
		       "global code@crm/syncs/contacts.js:1:7\n"
		       "eval code\n"),
		&b);
	assert_sv(buf_sv(&b), "    at deep (crm/util.ts:5:15)\n"
			      "    at map (native)\n"
			      "    at crm/syncs/contacts.ts:6:10\n"
			      "    at crm/syncs/contacts.ts:6:15\n"
			      "    at crm/syncs/contacts.js:1:7\n"
			      "    at eval code");
	buf_clear(&b);
	sourcemap_rewrite_stack(NULL, 10, SV_LIT("f@x.js:1:15\ng@x.js:1:3\nh@x.js:2:3"), &b);
	assert_sv(buf_sv(&b), "    at f (x.js:1:5)\n    at g (x.js:1:1)\n    at h (x.js:2:3)");
	buf_clear(&b);
	for (int i = 0; i < 100; i++)
		buf_str(&b, "f@x:1:1\n");
	own_in(buf_done) struct buf out = { 0 };
	buf_init(&out, 10000);
	sourcemap_rewrite_stack(NULL, 0, buf_sv(&b), &out);
	assert_int_equal(out.len, 50 * sizeof("    at f (x:1:1)") - 1);
}

static void names_and_disorder(void **state UNUSED)
{
	own(sourcemap_free) struct sourcemap *m = NULL;
	struct sourcemap_pos pos;

	/* Columns 4 (named) and then 0 (nothing known); 0 in order means 4 still has its own. */
	assert_int_equal(
		sourcemap_parse(SV_LIT(")]}'\n{\"version\":3,\"sources\":[\"./.././a.ts\"],"
				       "\"names\":[\"n\"],\"mappings\":\"IAAAA,J\"}"),
			&m, NULL),
		0);
	assert_true(sourcemap_find(m, 1, 5, &pos));
	assert_sv(pos.source, "a.ts");
	assert_sv(pos.name, "n");
	assert_false(sourcemap_find(m, 1, 4, &pos));
}

static void broken_maps_are_refused(void **state UNUSED)
{
	static const char *const cases[] = {
		"",
		"[]",
		"{\"version\":2,\"sources\":[],\"mappings\":\"\"}",
		"{\"version\":3,\"sources\":[],\"sections\":[],\"mappings\":\"\"}",
		"{\"version\":3,\"sources\":[]}",
		"{\"version\":3,\"sources\":[],\"mappings\":\"AAAA\"}",
		"{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"AA\"}",
		"{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"AAAAA\"}",
		"{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"AAAAAA\"}",
		"{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"A!AA\"}",
		"{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"D\"}",
		"{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"g\"}",
		"{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"ggggggggggB\"}",
		"{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"AAADA\"}",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sourcemap *m = NULL;
		if (sourcemap_parse(sv_str(cases[i]), &m, NULL) != ERR_INVALID)
			fail_msg("%s", cases[i]);
		assert_null(m);
	}
}

static void bundles_are_split(void **state UNUSED)
{
	static const struct {
		const char *bundle, *code, *url;
	} cases[] = {
		{ "a\n//# sourceMappingURL=x.map", "a\n", "x.map" },
		{ "a\n//# sourceMappingURL=x.map\r\n\n", "a\n", "x.map" },
		{ "//# sourceMappingURL=x\na", "//# sourceMappingURL=x\na", NULL },
		{ "a //# sourceMappingURL=x", "a //# sourceMappingURL=x", NULL },
		{ "", "", NULL },
		{ "\n", "\n", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sourcemap *m = NULL;
		struct sv code, url;
		sourcemap_split(sv_str(cases[i].bundle), &code, &url);
		assert_sv(code, cases[i].code);
		assert_int_equal(url.ptr != NULL, cases[i].url != NULL);
		if (cases[i].url)
			assert_sv(url, cases[i].url);
		assert_int_equal(
			sourcemap_from_bundle(sv_str(cases[i].bundle), &code, &m, NULL), 0);
		assert_null(m);
	}
}

int sourcemap_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(positions_are_found),
		cmocka_unit_test(stacks_are_rewritten),
		cmocka_unit_test(names_and_disorder),
		cmocka_unit_test(broken_maps_are_refused),
		cmocka_unit_test(bundles_are_split),
	};
	return cmocka_run_group_tests_name("sourcemap", tests, NULL, NULL);
}
