#include "data/query.h"

#include "data/data_test.h"
#include "data/json.h"

static const struct {
	const char *query, *json;
} cases[] = {
	{ "", "{}" },
	{ "a=b", "{\"a\":\"b\"}" },
	{ "a=b&c", "{\"a\":\"b\",\"c\":\"\"}" },
	{ "&&a=1&", "{\"a\":\"1\"}" },
	{ "a=1&a=2", "{\"a\":[\"1\",\"2\"]}" },
	{ "a[]=1", "{\"a\":[\"1\"]}" },
	{ "ids[]=a&ids[]=b", "{\"ids\":[\"a\",\"b\"]}" },
	{ "ids%5B%5D=a", "{\"ids\":[\"a\"]}" },
	{ "a[1]=x&a[0]=y", "{\"a\":[\"y\",\"x\"]}" },
	{ "a[2]=x", "{\"a\":[\"x\"]}" },
	{ "a[101]=x", "{\"a\":{\"101\":\"x\"}}" },
	{ "a[b]=c", "{\"a\":{\"b\":\"c\"}}" },
	{ "a[b][c]=d&a[b][e]=f", "{\"a\":{\"b\":{\"c\":\"d\",\"e\":\"f\"}}}" },
	{ "a[][b]=1&a[][b]=2", "{\"a\":[{\"b\":\"1\"},{\"b\":\"2\"}]}" },
	{ "a[0][b]=1&a[0][c]=2", "{\"a\":[{\"b\":\"1\",\"c\":\"2\"}]}" },
	{ "a[b]=1&a=c", "{\"a\":{\"b\":\"1\",\"c\":true}}" },
	{ "a=1&a[b]=2", "{\"a\":[\"1\",{\"b\":\"2\"}]}" },
	{ "a=1&a=2&a[b]=3", "{\"a\":{\"0\":\"1\",\"1\":\"2\",\"b\":\"3\"}}" },
	{ "a[b][c][d][e][f][g]=x",
		"{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"[g]\":\"x\"}}}}}}}" },
	{ "a+b=c+d%2B", "{\"a b\":\"c d+\"}" },
	{ "a=%zz%ff", "{\"a\":\"%zz\xEF\xBF\xBD\"}" },
	{ "a=b=c", "{\"a\":\"b=c\"}" },
	{ "a[b=c]=d", "{\"a\":{\"b=c\":\"d\"}}" },
	{ "=x", "{}" },
	{ "a]=x", "{\"a]\":\"x\"}" },
	{ "a[=x", "{\"a[\":\"x\"}" },
	{ "[a]=x", "{\"a\":\"x\"}" },
};

static void reads_by_the_rules_of_qs(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own(json_unref) struct json_t *v = NULL;
		own_in(buf_done) struct buf b = { 0 };
		buf_init(&b, 1000);
		assert_int_equal(query_parse(sv_str(cases[i].query), &v, NULL), 0);
		json_dump_compact(v, &b);
		assert_sv(buf_sv(&b), cases[i].json);
	}
}

static void many_parameters_are_refused(void **state UNUSED)
{
	own(json_unref) struct json_t *v = NULL;
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 100000);
	for (int i = 0; i < QUERY_PARAMS_MAX; i++)
		buf_str(&b, "a=1&");
	assert_int_equal(query_parse(buf_sv(&b), &v, NULL), 0);
	assert_int_equal(json_len(json_member(v, SV_LIT("a"))), QUERY_PARAMS_MAX);
	buf_str(&b, "a=1");
	assert_int_equal(query_parse(buf_sv(&b), &v, NULL), ERR_LIMIT);
}

int query_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_by_the_rules_of_qs),
		cmocka_unit_test(many_parameters_are_refused),
	};
	return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
