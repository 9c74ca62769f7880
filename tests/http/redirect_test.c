/* The rules of redirects as a table, then the flow against real servers. */
#include "fixture.h"

#include "base/sv.h"

#define A SV_LIT("authorization")
#define C SV_LIT("cookie")

static const struct http_header sent[] = {
	{ SV_LIT("Authorization"), SV_LIT("a") },
	{ SV_LIT("Cookie"), SV_LIT("c") },
	{ SV_LIT("Proxy-Authorization"), SV_LIT("p") },
	{ SV_LIT("Content-Type"), SV_LIT("t") },
	{ SV_LIT("User-Agent"), SV_LIT("u") },
	{ SV_LIT("X-Own"), SV_LIT("x") },
	{ SV_LIT("Host"), SV_LIT("h") },
};

static const struct {
	int status;
	const char *method, *url, *location;
	enum redirect_keep keep;
	const char *want_method, *want_url; /* url NULL: not followed */
	const char *values; /* of the headers that go along */
	bool body;
} cases[] = {
	/* which statuses, which method */
	{ 200, "GET", "https://a.test/x", "/y", 0, NULL, NULL, NULL, false },
	{ 304, "GET", "https://a.test/x", "/y", 0, NULL, NULL, NULL, false },
	{ 300, "GET", "https://a.test/x", "/y", 0, NULL, NULL, NULL, false },
	{ 301, "GET", "https://a.test/x", NULL, 0, NULL, NULL, NULL, false },
	{ 301, "GET", "https://a.test/x", "/y", 0, "GET", "https://a.test/y", "acptux", true },
	{ 301, "POST", "https://a.test/x", "/y", 0, "GET", "https://a.test/y", "acpux", false },
	{ 302, "POST", "https://a.test/x", "/y", 0, "GET", "https://a.test/y", "acpux", false },
	{ 302, "PUT", "https://a.test/x", "/y", 0, "PUT", "https://a.test/y", "acptux", true },
	{ 303, "PUT", "https://a.test/x", "/y", 0, "GET", "https://a.test/y", "acpux", false },
	{ 303, "HEAD", "https://a.test/x", "/y", 0, "HEAD", "https://a.test/y", "acptux", true },
	{ 307, "POST", "https://a.test/x", "/y", 0, "POST", "https://a.test/y", "acptux", true },
	{ 308, "PATCH", "https://a.test/x", "/y", 0, "PATCH", "https://a.test/y", "acptux", true },
	/* where to */
	{ 302, "GET", "https://a.test/x/y?q", "z", 0, "GET", "https://a.test/x/z", "acptux", true },
	{ 302, "GET", "https://a.test/x/y", "../z?w", 0, "GET", "https://a.test/z?w", "acptux",
		true },
	{ 302, "GET", "https://a.test/x", "?p=1", 0, "GET", "https://a.test/x?p=1", "acptux",
		true },
	{ 302, "GET", "https://a.test/x", "//b.test/y", 0, "GET", "https://b.test/y", "tux", true },
	{ 302, "GET", "https://a.test/x", "/a b", 0, "GET", "https://a.test/a%20b", "acptux",
		true },
	/* credentials by host */
	{ 302, "GET", "https://a.test/x", "https://b.a.test/", REDIRECT_KEEP_SAME_HOST, "GET",
		"https://b.a.test/", "acptux", true },
	{ 302, "GET", "https://b.a.test/x", "https://a.test/", REDIRECT_KEEP_SAME_HOST, "GET",
		"https://a.test/", "tux", true },
	{ 302, "GET", "https://a.test/x", "https://xa.test/", REDIRECT_KEEP_SAME_HOST, "GET",
		"https://xa.test/", "tux", true },
	{ 302, "GET", "https://a.test/x", "http://a.test/", REDIRECT_KEEP_SAME_HOST, "GET",
		"http://a.test/", "tux", true },
	{ 302, "GET", "http://a.test/x", "https://A.TEST/", REDIRECT_KEEP_SAME_HOST, "GET",
		"https://A.TEST/", "acptux", true },
	{ 302, "GET", "http://a.test/x", "https://a.test:8443/", REDIRECT_KEEP_SAME_HOST, "GET",
		"https://a.test:8443/", "tux", true },
	{ 302, "GET", "http://a.test:1/x", "http://a.test:2/", REDIRECT_KEEP_SAME_HOST, "GET",
		"http://a.test:2/", "tux", true },
	/* by origin */
	{ 302, "GET", "https://a.test/x", "https://a.test:443/y", REDIRECT_KEEP_SAME_ORIGIN, "GET",
		"https://a.test:443/y", "acptux", true },
	{ 302, "GET", "https://a.test/x", "https://a.test:444/y", REDIRECT_KEEP_SAME_ORIGIN, "GET",
		"https://a.test:444/y", "tux", true },
	{ 302, "GET", "https://a.test/x", "https://b.a.test/", REDIRECT_KEEP_SAME_ORIGIN, "GET",
		"https://b.a.test/", "tux", true },
	/* all and plain */
	{ 302, "GET", "https://a.test/x", "http://b.test/", REDIRECT_KEEP_ALL, "GET",
		"http://b.test/", "acptux", true },
	{ 302, "POST", "https://a.test/x", "http://b.test/", REDIRECT_KEEP_ALL, "GET",
		"http://b.test/", "acpux", false },
	{ 307, "POST", "https://a.test/x", "/y", REDIRECT_KEEP_PLAIN, "POST", "https://a.test/y",
		"tu", true },
};

static void the_rules(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own_in(arena_done) struct arena a = { 0 };
		struct http_header location = { SV_LIT("location"), sv_str(cases[i].location) };
		struct http_response res = { .status = cases[i].status,
			.headers = { &location, cases[i].location ? 1 : 0, 1 } };
		struct http_request next, req = { .method = sv_str(cases[i].method),
			.url = sv_str(cases[i].url),
			.headers = sent,
			.header_count = ARRAY_LEN(sent),
			.body = SV_LIT("body") };
		char values[16] = "";
		print_message("%d %s %s -> %s\n", cases[i].status, cases[i].method, cases[i].url,
			cases[i].location ? cases[i].location : "");
		int rc = redirect_next(&req, &res, cases[i].keep, &a, &next, NULL);
		assert_int_equal(rc, cases[i].want_url ? 1 : 0);
		if (!rc)
			continue;
		print_message("    %.*s\n", SV(next.url));
		assert_true(sv_eq_str(next.url, cases[i].want_url));
		assert_true(sv_eq_str(next.method, cases[i].want_method));
		assert_int_equal(next.body.ptr != NULL, cases[i].body);
		for (size_t k = 0; k < next.header_count; k++)
			values[k] = next.headers[k].value.ptr[0];
		assert_string_equal(values, cases[i].values);
	}
}

static const struct redirect_policy five = { .max_hops = 5 };

static void hops_are_followed(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(arena_done) struct arena a = { 0 };
	own_in(http_response_done) struct http_response res = { 0 }, raw = { 0 };
	struct http_request req = { .method = SV_LIT("POST"),
		.body = SV_LIT(""),
		.headers = sent,
		.header_count = 6,
		.url = fixture_url(fx, &a, "/redirect?302+/redirect?307+/dump?end") };

	/* The fixture takes the location as it is: '+' above only separates. */
	assert_int_equal(fetch_wait(fx, &req, five, &res), ERR_OK);
	assert_int_equal(res.status, 200);
	assert_int_equal(res.hops, 2);
	assert_true(sv_ends(res.url, SV_LIT("/dump?end")));
	assert_true(sv_starts(buf_sv(&res.body), SV_LIT("GET /dump?end from")));
	assert_true(sv_find(buf_sv(&res.body), SV_LIT("Authorization: a\n")) > 0);
	assert_true(sv_find(buf_sv(&res.body), SV_LIT("Content-")) < 0);

	assert_int_equal(fetch_wait(fx, &req, (struct redirect_policy){ 0 }, &raw), ERR_OK);
	assert_int_equal(raw.status, 302);
	assert_int_equal(raw.hops, 0);
}

static void too_many_hops(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(arena_done) struct arena a = { 0 };
	own_in(http_response_done) struct http_response fine = { 0 }, res = { 0 };
	const char *path = "/dump";

	for (int i = 0; i < 5; i++)
		path = arena_printf(&a, "/redirect?302+%s", path);
	struct http_request req = { .url = fixture_url(fx, &a, path) };
	assert_int_equal(fetch_wait(fx, &req, five, &fine), ERR_OK);
	assert_int_equal(fine.hops, 5);
	path = arena_printf(&a, "/redirect?302+%s", path);
	req.url = fixture_url(fx, &a, path);
	assert_int_equal(fetch_wait(fx, &req, five, &res), ERR_UPSTREAM);
	assert_string_equal(res.error.code, "ERR_FR_TOO_MANY_REDIRECTS");
	assert_true(sv_eq_str(res.error.message, "Maximum number of redirects exceeded"));
	assert_int_equal(res.status, 0);
}

static void hops_that_are_refused(void **state UNUSED)
{
	static const struct {
		const char *path, *code;
	} refused[] = {
		{ "/internal", "redirect_denied" },
		{ "/filelocation", "redirect_denied" },
		{ "/badlocation", "invalid_redirect" },
	};
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(arena_done) struct arena a = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		own_in(http_response_done) struct http_response res = { 0 };
		struct http_request req = { .url = rogue_url(fx, &a, refused[i].path) };
		assert_int_equal(fetch_wait(fx, &req, five, &res), ERR_INVALID);
		assert_string_equal(res.error.code, refused[i].code);
	}
	own_in(http_response_done) struct http_response first = { 0 }, none = { 0 };
	struct http_request req = { .url = SV_LIT("http://10.0.0.1/") };
	assert_int_equal(fetch_wait(fx, &req, five, &first), ERR_INVALID);
	assert_string_equal(first.error.code, "denied_ip");
	req.url = rogue_url(fx, &a, "/nolocation");
	assert_int_equal(fetch_wait(fx, &req, five, &none), ERR_OK);
	assert_int_equal(none.status, 302);
	assert_true(sv_eq_str(buf_sv(&none.body), "body"));
}

struct outcome {
	struct op op;
	struct timer timer;
	struct loop *loop;
	enum err_code code;
};

static void finished(void *ctx, const struct err *err)
{
	struct outcome *o = ctx;
	o->code = err->code;
	loop_stop(o->loop);
}

static void cancel_now(struct timer *t)
{
	struct outcome *o = container_of(t, struct outcome, timer);
	o->op.cancel(&o->op);
}

static void a_hop_can_be_cancelled(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(arena_done) struct arena a = { 0 };
	own_in(http_response_done) struct http_response res = { 0 };
	struct outcome o = { .loop = fx->loop, .op = { .done = finished } };
	struct http_request req = { .url = fixture_url(fx, &a, "/redirect?302+/hang") };

	o.op.ctx = &o;
	http_fetch(fx->client, &o.op, &req, five, &res);
	timer_start(fx->loop, &o.timer, 100, cancel_now);
	while (!o.code)
		loop_run(fx->loop);
	assert_int_equal(o.code, ERR_CANCELLED);
	assert_string_equal(res.error.code, "ERR_CANCELED");
	run_until(fx, fx->aborts == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rules),
		cmocka_unit_test(hops_are_followed),
		cmocka_unit_test(too_many_hops),
		cmocka_unit_test(hops_that_are_refused),
		cmocka_unit_test(a_hop_can_be_cancelled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
