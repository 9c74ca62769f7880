#include "data/jw.h"

#include "data/data_test.h"
#include "data/json.h"

#include <math.h>

static void places_commas_and_quotes(void **state UNUSED)
{
	own_in(buf_done) struct buf b = { 0 };
	own(json_unref) struct json_t *v = NULL;
	struct jw w;

	assert_int_equal(json_parse(SV_LIT("{\"k\":[1]}"), &v, NULL), 0);
	buf_init(&b, 1000);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kv_str(&w, "s", SV_LIT("a\"\n"));
	jw_kv_str(&w, "absent", SV_NULL);
	jw_kv_arr(&w, "list");
	jw_i64(&w, -5);
	jw_num(&w, 0.5);
	jw_num(&w, NAN);
	jw_obj(&w);
	jw_end(&w);
	jw_arr(&w);
	jw_end(&w);
	jw_bool(&w, true);
	jw_end(&w);
	jw_kv_json(&w, "v", v);
	jw_kv_raw(&w, "raw", SV_LIT("[]"));
	jw_kv_null(&w, "n");
	jw_end(&w);
	jw_done(&w);
	assert_sv(buf_sv(&b),
		"{\"s\":\"a\\\"\\n\",\"absent\":null,\"list\":[-5,0.5,null,{},[],true],"
		"\"v\":{\"k\":[1]},\"raw\":[],\"n\":null}");
}

int jw_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_commas_and_quotes),
	};
	return cmocka_run_group_tests_name("jw", tests, NULL, NULL);
}
