#include "data/schema.h"

#include "data/data_test.h"
#include "data/json.h"

#include <stdio.h>

static struct json_t *parse(const char *text)
{
	struct json_t *v = NULL;
	struct err err = { 0 };

	if (json_parse(sv_str(text), &v, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return v;
}

/* expect: NULL = valid, else "keyword path" of the first issue. */
static const struct {
	const char *schema, *value, *expect;
} cases[] = {
	{ "true", "1", NULL },
	{ "false", "1", "false " },
	{ "{\"type\":\"string\"}", "\"a\"", NULL },
	{ "{\"type\":\"string\"}", "1", "type " },
	{ "{\"type\":[\"string\",\"null\"]}", "null", NULL },
	{ "{\"type\":\"integer\"}", "1.0", NULL },
	{ "{\"type\":\"integer\"}", "1.5", "type " },
	{ "{\"enum\":[1,\"a\"]}", "\"a\"", NULL },
	{ "{\"enum\":[1,\"a\"]}", "\"b\"", "enum " },
	{ "{\"const\":{\"a\":1}}", "{\"a\":1.0}", NULL },
	{ "{\"properties\":{\"a\":{\"type\":\"number\"}}}", "{\"a\":\"x\"}", "type /a" },
	{ "{\"required\":[\"a\"]}", "{}", "required " },
	{ "{\"required\":[\"a\"]}", "{\"a\":null}", NULL },
	{ "{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1}", NULL },
	{ "{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"b\":1}",
		"additionalProperties " },
	{ "{\"required\":[\"b\"],\"additionalProperties\":false}", "{\"b\":1}",
		"additionalProperties " },
	{ "{\"additionalProperties\":{\"type\":\"string\"}}", "{\"b\":1}", "type /b" },
	{ "{\"patternProperties\":{\"^x\":{\"type\":\"string\"}}}", "{\"xa\":1}", "type /xa" },
	{ "{\"propertyNames\":{\"maxLength\":2}}", "{\"abc\":1}", "propertyNames " },
	{ "{\"items\":{\"type\":\"number\"}}", "[1,\"a\"]", "type /1" },
	{ "{\"items\":[{\"type\":\"number\"}],\"additionalItems\":false}", "[1,2]", "false /1" },
	{ "{\"prefixItems\":[true,{\"type\":\"number\"}],\"items\":false}", "[1,\"a\"]",
		"type /1" },
	{ "{\"prefixItems\":[true],\"items\":false}", "[1,2]", "false /1" },
	{ "{\"properties\":{\"a/b~\":{\"type\":\"null\"}}}", "{\"a/b~\":1}", "type /a~1b~0" },
	{ "{\"definitions\":{\"a b/c\":{\"type\":\"null\"}},\"$ref\":\"#/definitions/a%20b~1c\"}",
		"1", "type " },
	{ "{\"required\":[\"b\",\"a\"],\"properties\":{\"z\":{},\"a\":{},\"b\":{}}}",
		"{\"a\":1,\"z\":1}", "required " },
	{ "{\"minItems\":2}", "[1]", "minItems " },
	{ "{\"uniqueItems\":true}", "[1,2,1.0]", "uniqueItems " },
	{ "{\"contains\":{\"const\":2}}", "[1,3]", "contains " },
	{ "{\"minLength\":2}", "\"\xC3\xA9\"", "minLength " },
	{ "{\"maxLength\":1}", "\"\xC3\xA9\"", NULL },
	{ "{\"pattern\":\"^a+$\"}", "\"b\"", "pattern " },
	{ "{\"format\":\"date-time\"}", "\"2026-01-02T03:04:05Z\"", NULL },
	{ "{\"format\":\"date-time\"}", "\"yesterday\"", "format " },
	{ "{\"format\":\"no-such\"}", "\"x\"", NULL },
	{ "{\"minimum\":2}", "2", NULL },
	{ "{\"exclusiveMinimum\":2}", "2", "exclusiveMinimum " },
	{ "{\"maximum\":2}", "3", "maximum " },
	{ "{\"multipleOf\":0.1}", "0.3", NULL },
	{ "{\"multipleOf\":2}", "3", "multipleOf " },
	{ "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "1", "anyOf " },
	{ "{\"oneOf\":[{\"minimum\":1},{\"minimum\":2}]}", "3", "oneOf " },
	{ "{\"allOf\":[{\"minimum\":1},{\"maximum\":2}]}", "3", "maximum " },
	{ "{\"not\":{\"type\":\"string\"}}", "\"a\"", "not " },
	{ "{\"if\":{\"type\":\"string\"},\"then\":{\"minLength\":2}}", "\"a\"", "minLength " },
	{ "{\"if\":{\"type\":\"string\"},\"else\":{\"minimum\":2}}", "1", "minimum " },
	{ "{\"definitions\":{\"a\":{\"type\":\"string\"}},\"$ref\":\"#/definitions/a\"}", "1",
		"type " },
	{ "{\"definitions\":{\"n\":{\"properties\":{\"next\":{\"$ref\":\"#/definitions/n\"},"
	  "\"v\":{\"type\":\"number\"}}}},\"$ref\":\"#/definitions/n\"}",
		"{\"next\":{\"next\":{\"v\":\"x\"}}}", "type /next/next/v" },
	{ "{\"$ref\":\"#\"}", "1", NULL },
};

static void judges_values(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own(json_unref) struct json_t *doc = parse(cases[i].schema);
		own(json_unref) struct json_t *v = parse(cases[i].value);
		own(schema_free) struct schema *s = NULL;
		struct schema_issue issue = { 0 };
		struct err err = { 0 };
		char got[160] = "";
		if (schema_new(doc, SV_LIT("#"), &s, &err) < 0)
			fail_msg("%s: %s", cases[i].schema, err.msg);
		size_t n = schema_check(s, v, &issue, 1);
		if (n)
			snprintf(got, sizeof(got), "%s %s", issue.keyword, issue.path);
		if (strcmp(got, cases[i].expect ? cases[i].expect : "") != 0)
			fail_msg("%s with %s: got '%s'", cases[i].schema, cases[i].value, got);
	}
}

/* As item of an array, so that whatever is valid is one text. */
static bool accepts(const struct schema *s, const char *value)
{
	char text[300];

	assert_true(snprintf(text, sizeof(text), " [ %s ]", value) < (int)sizeof(text));
	return schema_accepts(s, sv_str(text));
}

static void a_quick_yes_is_true(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own(json_unref) struct json_t *doc = parse(cases[i].schema);
		own(schema_free) struct schema *s = NULL;
		assert_int_equal(schema_new(doc, SV_LIT("#"), &s, NULL), 0);
		if (cases[i].expect && accepts(s, cases[i].value))
			fail_msg("%s accepts %s", cases[i].schema, cases[i].value);
	}
}

/* What models are made of must not take the long way. */
static void common_schemas_are_judged_quickly(void **state UNUSED)
{
	static const char model[] =
		"{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"id\",\"tags\"]"
		","
		"\"properties\":{\"id\":{\"type\":\"string\",\"minLength\":1},"
		"\"n\":{\"type\":\"integer\",\"minimum\":-5},"
		"\"kind\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"]},"
		"\"when\":{\"anyOf\":[{\"type\":\"string\",\"format\":\"date-time\"},{\"type\":"
		"\"null\"}]},"
		"\"tags\":{\"type\":\"array\",\"maxItems\":2,\"items\":{\"type\":[\"string\","
		"\"null\"]}},"
		"\"child\":{\"$ref\":\"#\"},\"any\":{},"
		"\"more\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"boolean\"}}}}";
	static const struct {
		const char *value;
		bool quick;
	} values[] = {
		{ "{\"id\":\"1\",\"tags\":[]}", true },
		{ "{ \"tags\" : [ \"\\u00e9\" , null ] , \"id\" : \"\xC3\xA9\" }", true },
		{ "{\"id\":\"1\",\"tags\":[],\"n\":-5,\"kind\":\"b\",\"when\":null}", true },
		{ "{\"id\":\"1\",\"tags\":[],\"when\":\"2026-01-02T03:04:05Z\"}", true },
		{ "{\"id\":\"1\",\"tags\":[],\"any\":{\"]\":[{},\"}\\\"\",-1.5e3]},\"more\":{\"x\":"
		  "true}}",
			true },
		{ "{\"id\":\"1\",\"tags\":[],\"child\":{\"id\":\"2\",\"tags\":[]}}", true },
		{ "{\"id\":\"1\",\"id\":\"2\",\"tags\":[]}", true },
		/* right, but not at first sight */
		{ "{\"id\":\"\\u0031\",\"tags\":[]}", false },
		{ "{\"\\u0069d\":\"1\",\"tags\":[]}", false },
		{ "{\"id\":\"1\",\"tags\":[],\"n\":1.0}", false },
		/* wrong */
		{ "{\"id\":\"1\",\"id\":\"2\"}", false }, { "{\"id\":\"\",\"tags\":[]}", false },
		{ "{\"id\":1,\"tags\":[]}", false }, { "{\"id\":\"1\"}", false },
		{ "{\"id\":\"1\",\"tags\":[1]}", false },
		{ "{\"id\":\"1\",\"tags\":[\"a\",\"b\",\"c\"]}", false },
		{ "{\"id\":\"1\",\"tags\":[],\"n\":-6}", false },
		{ "{\"id\":\"1\",\"tags\":[],\"n\":1.5}", false },
		{ "{\"id\":\"1\",\"tags\":[],\"kind\":\"c\"}", false },
		{ "{\"id\":\"1\",\"tags\":[],\"when\":\"yesterday\"}", false },
		{ "{\"id\":\"1\",\"tags\":[],\"other\":1}", false },
		{ "{\"id\":\"1\",\"tags\":[],\"more\":{\"x\":1}}", false },
		{ "{\"id\":\"1\",\"tags\":[],\"child\":{\"id\":\"2\"}}", false },
		/* no JSON */
		{ "{\"id\":\"1\",\"tags\":[]", false },
		{ "{\"id\":\"1\",\"tags\":[],\"any\":]}", false }, { "\"", false },
		{ "", true }, /* the empty array */
	};
	own(json_unref) struct json_t *doc = parse(model);
	own(schema_free) struct schema *s = NULL;

	assert_int_equal(schema_new(doc, SV_LIT("#"), &s, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (accepts(s, values[i].value) != values[i].quick)
			fail_msg("%s: not %d", values[i].value, values[i].quick);
	assert_false(schema_accepts(s, SV_NULL));
	assert_false(schema_accepts(s, SV_LIT("{}")));
	assert_false(schema_accepts(s, SV_LIT("[] []")));
}

static void collects_every_issue_up_to_max(void **state UNUSED)
{
	own(json_unref) struct json_t *doc = parse("{\"items\":{\"type\":\"number\"}}");
	own(json_unref) struct json_t *v = parse("[\"a\",\"b\",\"c\"]");
	own(schema_free) struct schema *s = NULL;
	struct schema_issue issues[2];

	assert_int_equal(schema_new(doc, SV_LIT("#"), &s, NULL), 0);
	assert_int_equal(schema_check(s, v, issues, 2), 2);
	assert_string_equal(issues[1].path, "/1");
	assert_int_equal(schema_check(s, v, NULL, 10), 3);
}

static void refuses_schemas_that_make_no_sense(void **state UNUSED)
{
	static const struct {
		const char *schema, *root;
		int code;
	} bad[] = {
		{ "{\"type\":\"strange\"}", "#", ERR_INVALID },
		{ "{\"$ref\":\"#/definitions/none\"}", "#", ERR_INVALID },
		{ "{\"properties\":{\"a\":3}}", "#", ERR_INVALID },
		{ "{}", "#/definitions/none", ERR_NOT_FOUND },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		own(json_unref) struct json_t *doc = parse(bad[i].schema);
		struct schema *s = NULL;
		struct err err = { 0 };
		assert_int_equal(schema_new(doc, sv_str(bad[i].root), &s, &err), bad[i].code);
		assert_true(err.msg[0]);
	}
}

/* Each level of alternatives doubles the work: without a bound this takes for ever. */
static void cost_is_bounded(void **state UNUSED)
{
	own(json_unref) struct json_t *doc =
		parse("{\"anyOf\":[{\"items\":{\"$ref\":\"#\"}},{\"items\":{\"$ref\":\"#\"}}],"
		      "\"not\":{\"type\":\"number\"}}");
	own(json_unref) struct json_t *v =
		parse("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]"
		      "]]]]]]]]]]]]]]]");
	own(schema_free) struct schema *s = NULL;
	struct schema_issue issue[3];

	assert_int_equal(schema_new(doc, SV_LIT("#"), &s, NULL), 0);
	size_t n = schema_check(s, v, issue, 3);
	assert_true(n > 0);
	assert_string_equal(issue[n - 1].msg, "too costly to check to the end");
}

int schema_tests(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_values),
		cmocka_unit_test(a_quick_yes_is_true),
		cmocka_unit_test(common_schemas_are_judged_quickly),
		cmocka_unit_test(collects_every_issue_up_to_max),
		cmocka_unit_test(refuses_schemas_that_make_no_sense),
		cmocka_unit_test(cost_is_bounded),
	};

	return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
