/* XML of token endpoints, and what only looks like it. */
#include "data/xml.h"

#include "data/data_test.h"
#include "data/json.h"

static void reads_answers(void **state UNUSED)
{
	static const struct {
		const char *xml, *json;
	} cases[] = {
		{ "<a/>", "{\"a\":\"\"}" },
		{ "<a> x </a>", "{\"a\":\"x\"}" },
		{ "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- c --><a>x</a>\n<!-- d -->",
			"{\"a\":\"x\"}" },
		{ "<s:Envelope "
		  "xmlns:s='u'><s:Body><r><token>t&amp;1</token></r></s:Body></s:Envelope>",
			"{\"Envelope\":{\"Body\":{\"r\":{\"token\":\"t&1\"}}}}" },
		{ "<a><b>1</b><b>2</b><b>3</b></a>", "{\"a\":{\"b\":[\"1\",\"2\",\"3\"]}}" },
		{ "<a id=\"1\" x:n='&lt;'>t</a>",
			"{\"a\":{\"@id\":\"1\",\"@n\":\"<\",\"#text\":\"t\"}}" },
		{ "<a><![CDATA[<&>]]></a>", "{\"a\":\"<&>\"}" },
		{ "<a>&#65;&#x42;&#233;&#8364;&#x1F600;</a>",
			"{\"a\":\"AB\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}" },
		{ "<a>1<!-- -->2<?x ?>3</a >", "{\"a\":\"123\"}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own(json_unref) struct json_t *got = NULL;
		own_in(buf_done) struct buf text = { 0 };
		struct err err = { 0 };
		if (xml_parse(sv_str(cases[i].xml), &got, &err) < 0)
			fail_msg("%s: %s", cases[i].xml, err.msg);
		buf_init(&text, 4096);
		json_dump_compact(got, &text);
		assert_string_equal(text.ptr, cases[i].json);
	}
}

static void refuses_what_is_none(void **state UNUSED)
{
	static const char *const cases[] = { "", "x", "{\"a\":1}", "<", "<a", "<a>", "<a></b>",
		"<a><b></a></b>", "<a x></a>", "<a x=1></a>", "<a x='1></a>", "<a>&nbsp;</a>",
		"<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&#99999999999999;</a>", "<a>&x</a>",
		"<a/><b/>", "<a/>x", "<!DOCTYPE html><html></html>",
		"<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>",
		"<a><!-- </a>", "<a><![CDATA[ </a>", "< a></a>", "<\xff/>" };
	own_in(buf_done) struct buf deep = { 0 };
	struct json_t *got = NULL;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		err = (struct err){ 0 };
		if (xml_parse(sv_str(cases[i]), &got, &err) != ERR_INVALID)
			fail_msg("taken: %s", cases[i]);
	}
	buf_init(&deep, SIZE_MAX);
	for (int i = 0; i < 100000; i++)
		buf_str(&deep, "<a>");
	assert_int_equal(xml_parse(buf_sv(&deep), &got, &err), ERR_LIMIT);
}

static void writes_requests(void **state UNUSED)
{
	static const struct {
		const char *json, *xml;
	} cases[] = {
		{ "{\"a\":{\"@id\":\"x\\\"<\",\"b\":\"1&2\",\"#text\":\"t\"}}",
			"<a id=\"x&quot;&lt;\"><b>1&amp;2</b>t</a>" },
		{ "{\"s:E\":{\"n\":[1,true,null]}}", "<s:E><n>1</n><n>true</n><n></n></s:E>" },
		{ "{\"a b\":1}", NULL },
		{ "{\"a\":{\"@b>\":1}}", NULL },
		{ "{\"1a\":1}", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own(json_unref) struct json_t *v = NULL;
		own_in(buf_done) struct buf out = { 0 };
		struct err err = { 0 };
		assert_int_equal(json_parse(sv_str(cases[i].json), &v, &err), 0);
		buf_init(&out, 4096);
		int rc = xml_write(v, &out, &err);
		assert_int_equal(rc, cases[i].xml ? 0 : ERR_INVALID);
		if (cases[i].xml)
			assert_string_equal(out.ptr, cases[i].xml);
	}
}

int xml_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_answers),
		cmocka_unit_test(refuses_what_is_none),
		cmocka_unit_test(writes_requests),
	};
	return cmocka_run_group_tests_name("xml", tests, NULL, NULL);
}
