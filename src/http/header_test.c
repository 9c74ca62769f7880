#include "http/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void lists_keep_order_and_repeats(void **state UNUSED)
{
	own_in(arena_done) struct arena a = { 0 };
	struct http_headers h = { 0 };

	for (int i = 0; i < 100; i++)
		http_headers_add(&a, &h, sv_str(i % 2 ? "Set-Cookie" : "x-a"),
			sv_str(arena_printf(&a, "%d", i)));
	assert_int_equal(h.count, 100);
	assert_true(sv_eq_str(http_headers_get(&h, "set-cookie"), "1"));
	assert_null(http_headers_get(&h, "set-cooki").ptr);
	http_headers_remove(&h, SV_LIT("X-A"));
	assert_int_equal(h.count, 50);
	assert_true(sv_eq_str(h.items[49].value, "99"));
}

static void status_lines(void **state UNUSED)
{
	static const struct {
		const char *line;
		int status;
		const char *reason;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\n", 200, "OK" },
		{ "HTTP/1.1 404 Not Found", 404, "Not Found" },
		{ "HTTP/2 204 \r\n", 204, "" },
		{ "HTTP/2 204", 204, "" },
		{ "HTTP/1.0  500  Oh  no ", 500, "Oh  no" },
		{ "HTTP/1.1 20", 0, NULL },
		{ "HTTP/1.1 2000", 0, NULL },
		{ "HTTP/1.1", 0, NULL },
		{ "HTTP/1.1 abc", 0, NULL },
		{ "x-http: HTTP/1.1 200 OK", 0, NULL },
		{ "", 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int status = 0;
		struct sv reason = SV_NULL;
		bool ok = http_status_line_parse(sv_str(cases[i].line), &status, &reason);
		assert_int_equal(ok, cases[i].reason != NULL);
		assert_int_equal(status, cases[i].status);
		if (ok)
			assert_true(sv_eq_str(reason, cases[i].reason));
	}
}

static void header_lines(void **state UNUSED)
{
	static const struct {
		const char *line, *name, *value;
	} cases[] = {
		{ "A: b\r\n", "A", "b" },
		{ "a:b", "a", "b" },
		{ "a:   b c  \r\n", "a", "b c" },
		{ "a:\r\n", "a", "" },
		{ "a: b: c\r\n", "a", "b: c" },
		{ "no colon\r\n", NULL, NULL },
		{ ": x\r\n", NULL, NULL },
		{ "\r\n", NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_header h;
		bool ok = http_header_line_parse(sv_str(cases[i].line), &h);
		assert_int_equal(ok, cases[i].name != NULL);
		if (!ok)
			continue;
		assert_true(sv_eq_str(h.name, cases[i].name));
		assert_true(sv_eq_str(h.value, cases[i].value));
	}
}

static void what_may_be_sent(void **state UNUSED)
{
	assert_true(http_token_ok(SV_LIT("X-Custom_1.a~")));
	assert_false(http_token_ok(SV_LIT("")));
	assert_false(http_token_ok(SV_LIT("a b")));
	assert_false(http_token_ok(SV_LIT("a:b")));
	assert_false(http_token_ok(SV_LIT("a\r\n")));
	assert_false(http_token_ok(SV_LIT("a\0")));
	assert_false(http_token_ok(SV_LIT("\xc3\xa9")));
	assert_true(http_header_value_ok(SV_LIT("")));
	assert_true(http_header_value_ok(SV_LIT("caf\xc3\xa9\t!")));
	assert_false(http_header_value_ok(SV_LIT("a\r\nX: y")));
	assert_false(http_header_value_ok(SV_LIT("a\nb")));
	assert_false(http_header_value_ok(SV_LIT("a\0b")));
}

static void reasons(void **state UNUSED)
{
	assert_string_equal(http_reason(404), "Not Found");
	assert_string_equal(http_reason(299), "");
	assert_string_equal(http_reason(-1), "");
}

static void percent_decoding(void **state UNUSED)
{
	own_in(arena_done) struct arena a = { 0 };

	struct sv plain = SV_LIT("/a+b");
	assert_ptr_equal(http_unpercent(&a, plain).ptr, plain.ptr);
	assert_true(sv_eq_str(http_unpercent(&a, SV_LIT("/a%20b%2fc%zz%")), "/a b/c%zz%"));
	assert_true(sv_eq(http_unpercent(&a, SV_LIT("%00")), SV_LIT("\0")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_keep_order_and_repeats),
		cmocka_unit_test(status_lines),
		cmocka_unit_test(header_lines),
		cmocka_unit_test(what_may_be_sent),
		cmocka_unit_test(reasons),
		cmocka_unit_test(percent_decoding),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
