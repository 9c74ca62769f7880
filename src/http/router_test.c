#include "http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define R(m, p)                                               \
	{                                                     \
		.method = (m), .pattern = (p), .handler = (p) \
	}

static const struct route routes[] = {
	R("GET", "/"),
	R("GET", "/records"),
	R("DELETE", "/records"),
	R("GET", "/connections"),
	R("POST", "/connections"),
	R("POST", "/connections/metadata"),
	R("GET", "/connections/{id...}"),
	R("DELETE", "/connections/{id...}"),
	R("PATCH", "/connection/{id...}/metadata"),
	R("GET", "/connection/{id...}"),
	R("GET", "/integrations/{k}"),
	R("GET", "/integrations/{k}/functions"),
	R("GET", "/integrations/{k}/functions/{name}"),
	R("GET", "/integrations/{k}/functions/{name}/code"),
	R("POST", "/sync/{name}/variant/{variant}"),
	R("POST", "/sync/deploy/confirmation"),
	R(NULL, "/proxy/{path...}"),
	R("POST", "/webhook/{env}/{key}"),
};

static const struct {
	const char *method, *path, *pattern; /* pattern NULL: none */
	const char *params; /* "name=value;" */
	const char *allow;
} cases[] = {
	{ "GET", "/", "/", "", NULL },
	{ "GET", "", "/", "", NULL },
	{ "GET", "/records", "/records", "", NULL },
	{ "GET", "/records/", "/records", "", NULL },
	{ "HEAD", "/records", "/records", "", NULL },
	{ "PUT", "/records", NULL, "", "GET, DELETE" },
	{ "get", "/records", NULL, "", "GET, DELETE" },
	{ "GET", "/Records", NULL, "", NULL },
	{ "GET", "/records/x", NULL, "", NULL },
	{ "GET", "/nope", NULL, "", NULL },
	{ "GET", "//records", NULL, "", NULL },
	{ "GET", "/connections", "/connections", "", NULL },
	{ "GET", "/connections/", "/connections", "", NULL },
	{ "GET", "/connections//", NULL, "", NULL },
	{ "GET", "/connections/abc", "/connections/{id...}", "id=abc;", NULL },
	{ "GET", "/connections/abc/", "/connections/{id...}", "id=abc;", NULL },
	{ "GET", "/connections/abc%2F", "/connections/{id...}", "id=abc/;", NULL },
	{ "GET", "/connections/a%20b/c", "/connections/{id...}", "id=a b/c;", NULL },
	{ "GET", "/connections/a//b", "/connections/{id...}", "id=a//b;", NULL },
	{ "GET", "/connections/100%", "/connections/{id...}", "id=100%;", NULL },
	{ "POST", "/connections/metadata", "/connections/metadata", "", NULL },
	{ "GET", "/connections/metadata", "/connections/{id...}", "id=metadata;", NULL },
	{ "PUT", "/connections/metadata", NULL, "", "POST, GET, DELETE" },
	{ "PATCH", "/connection/a/b/metadata", "/connection/{id...}/metadata", "id=a/b;", NULL },
	{ "GET", "/connection/a/b/metadata", "/connection/{id...}", "id=a/b/metadata;", NULL },
	{ "PATCH", "/connection/metadata", NULL, "", "GET" },
	{ "GET", "/integrations/hub%20spot", "/integrations/{k}", "k=hub spot;", NULL },
	{ "GET", "/integrations/a/functions", "/integrations/{k}/functions", "k=a;", NULL },
	{ "GET", "/integrations/a/functions/f/code", "/integrations/{k}/functions/{name}/code",
		"k=a;name=f;", NULL },
	{ "GET", "/integrations//functions", NULL, "", NULL },
	{ "POST", "/sync/deploy/confirmation", "/sync/deploy/confirmation", "", NULL },
	{ "POST", "/sync/deploy/variant/v2", "/sync/{name}/variant/{variant}",
		"name=deploy;variant=v2;", NULL },
	{ "PATCH", "/proxy/v1/a%2Fb/c", "/proxy/{path...}", "path=v1/a/b/c;", NULL },
	{ "POST", "/proxy/", NULL, "", NULL },
	{ "GET", "/proxy/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5",
		"/proxy/{path...}",
		"path=1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5;",
		NULL },
};

static void params_text(struct arena *a, const struct route_match *m, const char **ret)
{
	*ret = "";
	for (size_t i = 0; i < m->param_count; i++)
		*ret = arena_printf(
			a, "%s%.*s=%.*s;", *ret, SV(m->params[i].name), SV(m->params[i].value));
}

static void paths_find_their_route(void **state UNUSED)
{
	own(router_free) struct router *r = NULL;
	own_in(arena_done) struct arena a = { 0 };
	struct err err = { 0 };

	assert_int_equal(router_new(routes, ARRAY_LEN(routes), &r, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct route_match m;
		const char *params;
		enum router_result res =
			router_match(r, sv_str(cases[i].method), sv_str(cases[i].path), &a, &m);
		print_message("%s %s\n", cases[i].method, cases[i].path);
		if (cases[i].pattern) {
			assert_int_equal(res, ROUTER_OK);
			assert_string_equal(m.route->pattern, cases[i].pattern);
		} else {
			assert_int_equal(res, cases[i].allow ? ROUTER_METHOD : ROUTER_NOT_FOUND);
			assert_null(m.route);
		}
		if (cases[i].allow)
			assert_string_equal(m.allow, cases[i].allow);
		params_text(&a, &m, &params);
		assert_string_equal(params, cases[i].params);
	}
}

static void raw_values_are_kept(void **state UNUSED)
{
	own(router_free) struct router *r = NULL;
	own_in(arena_done) struct arena a = { 0 };
	struct route_match m;

	assert_int_equal(router_new(routes, ARRAY_LEN(routes), &r, NULL), 0);
	router_match(r, SV_LIT("GET"), SV_LIT("/proxy/a%2Fb//c%00"), &a, &m);
	assert_true(sv_eq_str(m.params[0].raw, "a%2Fb//c%00"));
	assert_true(sv_eq(route_param(&m, "path"), SV_LIT("a/b//c\0")));
	assert_null(route_param(&m, "other").ptr);
}

static void broken_tables_are_refused(void **state UNUSED)
{
	static const struct route broken[][2] = {
		{ R("GET", "records"), R("GET", "/x") },
		{ R("GET", "/a//b"), R("GET", "/x") },
		{ R("GET", "/{}"), R("GET", "/x") },
		{ R("GET", "/{a"), R("GET", "/x") },
		{ R("GET", "/a{b}"), R("GET", "/x") },
		{ R("GET", "/{...}"), R("GET", "/x") },
		{ R("GET", "/{a...}/{b...}"), R("GET", "/x") },
		{ R("GET", "/{a}/{b}"), R("GET", "/{c}/{d}") },
		{ R("GET", "/x"), R(NULL, "/x") },
	};

	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct router *r = NULL;
		struct err err = { 0 };
		assert_int_equal(router_new(broken[i], 2, &r, &err), ERR_INVALID);
		assert_null(r);
		print_message("%s\n", err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_find_their_route),
		cmocka_unit_test(raw_values_are_kept),
		cmocka_unit_test(broken_tables_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
