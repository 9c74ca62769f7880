#include "api/check.h"

#include "api/api.h"
#include "api/metrics.h"
#include "base/sv.h"
#include "data/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* What is wrong with the JSON text, as "path: code: message" lines; "" when nothing is. */
static void expect(const char *text, const struct check *fields, const char *want)
{
	own(json_unref) struct json_t *v = NULL;
	own_in(arena_done) struct arena arena = { 0 };
	own_in(buf_done) struct buf said = { 0 };
	struct issues *is = ARENA_NEW(&arena, struct issues);

	assert_int_equal(json_parse(sv_str(text), &v, NULL), 0);
	is->arena = &arena;
	buf_init(&said, 1 << 16);
	check_object(v, fields, false, is);
	for (size_t i = 0; i < is->count && i < ISSUES_MAX; i++) {
		for (size_t k = 0; k < is->items[i].depth; k++)
			buf_printf(&said, "%s%s", k ? "." : "", is->items[i].path[k]);
		buf_printf(&said, ": %s: %s\n", is->items[i].code, is->items[i].message);
	}
	assert_string_equal(said.ptr ? said.ptr : "", want);
}

static void test_text(void **state)
{
	(void)state;
	static const struct check fields[] = {
		{ "model", CHECK_STR, CHECK_REQUIRED, .max = 5, .pattern = &PATTERN_MODEL },
		{ "cursor", CHECK_STR, CHECK_MIN, .min = 1, .max = 3 },
		{ 0 },
	};

	expect("{\"model\":\"Item\"}", fields, "");
	expect("{}", fields,
		"model: invalid_type: Invalid input: expected string, received undefined\n");
	expect("{\"model\":[\"A\"]}", fields,
		"model: invalid_type: Invalid input: expected string, received array\n");
	expect("{\"model\":null}", fields,
		"model: invalid_type: Invalid input: expected string, received null\n");
	expect("{\"model\":\"A\"}", fields,
		"model: invalid_format: Invalid string: must match pattern "
		"/^[A-Z][a-zA-Z0-9_-]+$/\n");
	expect("{\"model\":\"Abcdef\",\"cursor\":\"\"}", fields,
		"model: too_big: Too big: expected string to have <=5 characters\n"
		"cursor: too_small: Too small: expected string to have >=1 characters\n");
	/* Two UTF-16 units, as JavaScript counts them. */
	expect("{\"model\":\"It\",\"cursor\":\"\xF0\x9F\x98\x80xx\"}", fields,
		"cursor: too_big: Too big: expected string to have <=3 characters\n");
}

static void test_unknown_keys_come_last(void **state)
{
	(void)state;
	static const struct check fields[] = { { "a", CHECK_BOOL, CHECK_REQUIRED }, { 0 } };

	expect("{\"foo\":1}", fields,
		"a: invalid_type: Invalid input: expected boolean, received undefined\n"
		": unrecognized_keys: Unrecognized key: \"foo\"\n");
	expect("{\"a\":true,\"foo\":1,\"bar\":2}", fields,
		": unrecognized_keys: Unrecognized keys: \"foo\", \"bar\"\n");
	expect("[]", fields, ": invalid_type: Invalid input: expected object, received array\n");
}

static void test_coerced_numbers(void **state)
{
	(void)state;
	static const struct check fields[] = {
		{ "limit", CHECK_COERCED, CHECK_MIN, .min = 1, .max = 10000 },
		{ 0 },
	};
	static const char *const good[] = { "1", "10000", "1e3", " 7 ", "1.5" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char text[64];
		snprintf(text, sizeof(text), "{\"limit\":\"%s\"}", good[i]);
		expect(text, fields, "");
	}
	expect("{\"limit\":100}", fields, "");
	expect("{\"limit\":\"\"}", fields,
		"limit: too_small: Too small: expected number to be >=1\n");
	expect("{\"limit\":\"10001\"}", fields,
		"limit: too_big: Too big: expected number to be <=10000\n");
	expect("{\"limit\":\"ten\"}", fields,
		"limit: invalid_type: Invalid input: expected number, received NaN\n");
	expect("{\"limit\":\"infinity\"}", fields,
		"limit: invalid_type: Invalid input: expected number, received NaN\n");
}

static void test_nested(void **state)
{
	(void)state;
	static const struct check name = { "", CHECK_STR, CHECK_REQUIRED };
	static const struct check inner[] = { { "id", CHECK_STR, CHECK_REQUIRED }, { 0 } };
	static const struct check either[] = {
		{ "text", CHECK_STR, CHECK_REQUIRED },
		{ "list", CHECK_ARR, CHECK_REQUIRED, .item = &name },
		{ 0 },
	};
	static const struct check fields[] = {
		{ "tags", CHECK_MAP, .item = &name },
		{ "user", CHECK_OBJ, CHECK_NULLABLE, .fields = inner },
		{ "ids", CHECK_UNION, .fields = either },
		{ "mode", CHECK_ENUM, .options = "all|one" },
		{ "list", CHECK_ARR, 0, .max = 1, .item = &name },
		{ 0 },
	};

	expect("{\"tags\":{\"a\":\"b\"},\"user\":null,\"ids\":[\"x\"],\"mode\":\"one\"}", fields,
		"");
	expect("{\"tags\":{\"a\":1},\"user\":{\"no\":1}}", fields,
		"tags.a: invalid_type: Invalid input: expected string, received number\n"
		"user.id: invalid_type: Invalid input: expected string, received undefined\n"
		"user: unrecognized_keys: Unrecognized key: \"no\"\n");
	expect("{\"ids\":[1],\"mode\":\"x\",\"list\":[\"a\",2]}", fields,
		"ids: invalid_union: Invalid input\n"
		"mode: invalid_value: Invalid option: expected one of \"all\"|\"one\"\n"
		"list.1: invalid_type: Invalid input: expected string, received number\n"
		"list: too_big: Too big: expected array to have <=1 items\n");
}

static void test_formats(void **state)
{
	(void)state;
	static const struct check fields[] = {
		{ "id", CHECK_STR, CHECK_UUID },
		{ "mail", CHECK_STR, CHECK_EMAIL },
		{ "url", CHECK_STR, CHECK_URL },
		{ 0 },
	};

	expect("{\"id\":\"9b2f7c1e-43d5-4c8a-9f21-5d6e7f8a9b0c\",\"mail\":\"a@b.io\","
	       "\"url\":\"https://x\"}",
		fields, "");
	expect("{\"id\":\"x\",\"mail\":\"a@b\",\"url\":\"ftp://x\"}", fields,
		"id: invalid_format: Invalid UUID\n"
		"mail: invalid_format: Invalid email address\n"
		"url: invalid_format: Invalid URL\n");
}

static void test_many_issues_are_bounded(void **state)
{
	(void)state;
	static const struct check text = { "", CHECK_STR, CHECK_REQUIRED };
	static const struct check list = { "l", CHECK_ARR, CHECK_REQUIRED, .item = &text };
	own(json_unref) struct json_t *v = json_new_arr();
	own_in(arena_done) struct arena arena = { 0 };
	struct issues *is = ARENA_NEW(&arena, struct issues);

	is->arena = &arena;
	for (int i = 0; i < 1000; i++)
		json_push(v, json_new_int(i));
	check_value(v, &list, is);
	assert_int_equal(is->count, 1000); /* counted; only so many are kept */
	assert_in_range(is->cap, 1, ISSUES_MAX);
}

/* --- the route table --- */

static bool is_public(const struct api_route *r)
{
	static const char *const known[] = { "/health", "/ready", "/metrics", "/providers.json",
		"/cli/telemetry", "/webhook/{environment}/{integration}",
		/* A connect session's token opens these, or a state that came of one. */
		"/connect", "/connect/session", "/connect/telemetry", "/oauth/connect/{key}",
		"/oauth/callback", "/api-auth/api-key/{key}", "/api-auth/basic/{key}",
		"/auth/unauthenticated/{key}", "/oauth2/auth/{key}", "/auth/two-step/{key}",
		"/auth/jwt/{key}", "/auth/tba/{key}", "/auth/signature/{key}",
		"/auth/aws-sigv4/{key}", "/auth/bill/{key}" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(r->pattern, known[i]) == 0)
			return true;
	}
	return false;
}

static void test_every_route_but_the_known_ones_needs_a_key(void **state)
{
	(void)state;
	size_t count;
	const struct api_route *routes = api_routes(&count);

	assert_in_range(count, 40, METRIC_ROUTES_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct api_route *r = &routes[i];
		if (is_public(r) != !r->scope)
			fail_msg("%s %s: scope %s", r->method, r->pattern,
				r->scope ? r->scope : "none");
		/* Nothing but reading of what is no secret goes without a scope. */
		if (r->scope && !*r->scope && strcmp(r->method, "GET") != 0)
			fail_msg("%s %s takes any key", r->method, r->pattern);
		if ((r->mode == API_LOOP) != (r->loop != NULL) || (r->job && r->loop))
			fail_msg("%s %s: the handler does not fit its mode", r->method, r->pattern);
		if (r->mode == API_READ && strcmp(r->method, "GET") != 0 &&
			strcmp(r->pattern, "/sync/deploy/confirmation") != 0)
			fail_msg("%s %s writes in a reading job", r->method, r->pattern);
	}
}

static void test_the_route_table_compiles(void **state)
{
	(void)state;
	struct engine eng = { 0 };
	struct err err = { 0 };
	own(api_free) struct api *api = api_new(&eng, &err);

	assert_string_equal(err.msg, "");
	assert_non_null(api);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_unknown_keys_come_last),
		cmocka_unit_test(test_coerced_numbers),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_many_issues_are_bounded),
		cmocka_unit_test(test_every_route_but_the_known_ones_needs_a_key),
		cmocka_unit_test(test_the_route_table_compiles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
