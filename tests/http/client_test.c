/* The client against a misbehaving peer and our own server. */
#include "fixture.h"

#include "base/clock.h"
#include "base/sv.h"

static enum err_code rogue(struct fixture *fx, const char *path, struct http_response *res)
{
	own_in(arena_done) struct arena a = { 0 };
	bool hangs = strcmp(path, "/silent") == 0 || strcmp(path, "/stall") == 0;
	struct http_request req = { .url = rogue_url(fx, &a, path),
		.idle_timeout_ms = hangs ? 1000 : 30000,
		.max_response = 1 << 20 };
	return send_wait(fx, &req, res);
}

static void peers_that_fail(void **state UNUSED)
{
	static const struct {
		const char *path;
		enum err_code err;
		const char *code, *text;
	} cases[] = {
		{ "/short", ERR_UPSTREAM, "ECONNRESET",
			"closed before the whole body arrived (5 of 100 bytes)" },
		{ "/cutchunk", ERR_UPSTREAM, "ECONNRESET", "closed before the whole body" },
		{ "/nolastchunk", ERR_UPSTREAM, "ECONNRESET", "closed before the whole body" },
		{ "/badchunk", ERR_UPSTREAM, "ERR_BAD_RESPONSE", "chunk" },
		{ "/nothing", ERR_UPSTREAM, "ECONNRESET", "socket hang up" },
		{ "/reset", ERR_UPSTREAM, "ECONNRESET", "read ECONNRESET" },
		{ "/resetnow", ERR_UPSTREAM, "ECONNRESET", "ECONNRESET" },
		{ "/garbage", ERR_UPSTREAM, "ERR_BAD_RESPONSE", "HTTP/0.9" },
		{ "/html", ERR_UPSTREAM, "ERR_BAD_RESPONSE", "HTTP/0.9" },
		{ "/halfheader", ERR_UPSTREAM, "ECONNRESET", "socket hang up" },
		{ "/silent", ERR_TIMEOUT, "ETIMEDOUT", "idle timeout" },
		{ "/stall", ERR_TIMEOUT, "ETIMEDOUT", "idle timeout" },
		{ "/badgzip", ERR_UPSTREAM, "ERR_BAD_RESPONSE", "" },
		{ "/oddencoding", ERR_UPSTREAM, "ERR_BAD_RESPONSE", "content encoding" },
		{ "/bomb", ERR_LIMIT, "ERR_LIMIT", "more than 1048576 bytes" },
		{ "/headers3000", ERR_LIMIT, "HPE_HEADER_OVERFLOW", "more than 2000 headers" },
		{ "/headersbig", ERR_LIMIT, "HPE_HEADER_OVERFLOW", "262144 header bytes" },
	};
	own(fixture_free) struct fixture *fx = fixture_new(NULL);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own_in(http_response_done) struct http_response res = { 0 };
		print_message("%s\n", cases[i].path);
		assert_int_equal(rogue(fx, cases[i].path, &res), cases[i].err);
		assert_string_equal(res.error.code, cases[i].code);
		assert_true(sv_find(res.error.message, sv_str(cases[i].text)) >= 0);
		assert_true(sv_eq_str(res.error.host, "127.0.0.1"));
		assert_int_equal(res.status, 0);
		assert_int_equal(res.body.len, 0);
	}
	assert_int_equal(http_client_stats(fx->client).failed, ARRAY_LEN(cases));
	assert_int_equal(http_client_stats(fx->client).active, 0);
}

static void peers_that_are_only_odd(void **state UNUSED)
{
	static const struct {
		const char *path;
		int status;
		const char *body;
		size_t headers;
	} cases[] = {
		{ "/long", 200, "hello", 1 },
		{ "/hints", 200, "ok", 2 },
		{ "/trailer", 200, "ok", 2 },
		{ "/noreason", 203, "", 1 },
		{ "/repeat", 200, "", 5 },
		{ "/untilclose", 200, "until the end", 0 },
		{ "/headers1000", 200, "ok", 1001 },
		{ "/nolocation", 302, "body", 1 },
	};
	own(fixture_free) struct fixture *fx = fixture_new(NULL);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own_in(http_response_done) struct http_response res = { 0 };
		print_message("%s\n", cases[i].path);
		assert_int_equal(rogue(fx, cases[i].path, &res), ERR_OK);
		assert_int_equal(res.status, cases[i].status);
		assert_true(sv_eq_str(buf_sv(&res.body), cases[i].body));
		assert_int_equal(res.headers.count, cases[i].headers);
		assert_null(res.error.code);
	}
}

static void headers_keep_order_and_repeats(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(http_response_done) struct http_response res = { 0 };
	static const struct {
		const char *name, *value;
	} want[] = { { "set-cookie", "a=1" }, { "x-b", "2" }, { "set-cookie", "c=3" },
		{ "x-empty", "" }, { "content-length", "0" } };

	assert_int_equal(rogue(fx, "/repeat", &res), ERR_OK);
	assert_true(sv_eq_str(res.reason, "OK"));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_true(sv_eq_str(res.headers.items[i].name, want[i].name));
		assert_true(sv_eq_str(res.headers.items[i].value, want[i].value));
	}
}

static void what_is_sent(void **state UNUSED)
{
	static const struct http_header headers[] = {
		{ SV_LIT("X-First"), SV_LIT("1") },
		{ SV_LIT("accept-encoding"), SV_LIT("gzip") },
		{ SV_LIT("X-Empty"), SV_LIT("") },
		{ SV_LIT("Content-Length"), SV_LIT("99") },
		{ SV_LIT("Transfer-Encoding"), SV_LIT("chunked") },
		{ SV_LIT("X-First"), SV_LIT("2") },
	};
	static const struct {
		const char *method;
		struct sv body;
		const char *line; /* what must be there */
		const char *none; /* and what must not */
	} cases[] = {
		{ "GET", { 0 }, "GET /dump?a=b from", "ontent-" },
		{ "POST", { 0 }, "\nContent-Length: 0\n", "Content-Type" },
		{ "PUT", { 0 }, "\nContent-Length: 0\n", "Content-Type" },
		{ "DELETE", { 0 }, "DELETE /dump?a=b from", "Content-Length" },
		{ "PURGE", { 0 }, "PURGE /dump?a=b from", "Content-Length" },
		{ "OPTIONS", { 0 }, "OPTIONS /dump?a=b from", "Content-Length" },
	};
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(arena_done) struct arena a = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own_in(http_response_done) struct http_response res = { 0 };
		struct http_request req = { .url = fixture_url(fx, &a, "/dump?a=b"),
			.method = sv_str(cases[i].method),
			.body = cases[i].body,
			.headers = headers,
			.header_count = ARRAY_LEN(headers) };
		assert_int_equal(send_wait(fx, &req, &res), ERR_OK);
		struct sv got = buf_sv(&res.body);
		assert_true(sv_find(got, sv_str(cases[i].line)) >= 0);
		assert_true(sv_find(got, sv_str(cases[i].none)) < 0);
		assert_true(sv_find(got, SV_LIT("\nX-First: 1\naccept-encoding: gzip\n"
						"X-Empty: \nX-First: 2\n")) > 0);
		assert_true(sv_find(got, SV_LIT("\nAccept:")) < 0);
		assert_true(sv_find(got, SV_LIT("User-Agent")) < 0);
		assert_true(sv_find(got, SV_LIT("chunked")) < 0);
		assert_true(sv_find(got, SV_LIT("Expect")) < 0);
	}
}

static void bodies_go_with_any_method(void **state UNUSED)
{
	static const char *const methods[] = { "POST", "PUT", "PATCH", "DELETE", "GET", "PURGE" };
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(arena_done) struct arena a = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		own_in(http_response_done) struct http_response res = { 0 };
		struct http_request req = { .url = fixture_url(fx, &a, "/echo"),
			.method = sv_str(methods[i]),
			.body = SV_LIT("a\0b") };
		assert_int_equal(send_wait(fx, &req, &res), ERR_OK);
		assert_true(sv_eq(buf_sv(&res.body), SV_LIT("a\0b")));
	}
}

static void requests_that_are_not_sent(void **state UNUSED)
{
	static const struct http_header crlf = { SV_LIT("X"), SV_LIT("a\r\nEvil: 1") };
	static const struct http_header name = { SV_LIT("X Y"), SV_LIT("a") };
	const struct {
		struct http_request req;
		const char *code;
	} cases[] = {
		{ { .url = SV_LIT("http://127.0.0.1/"), .headers = &crlf, .header_count = 1 },
			"ERR_INVALID_CHAR" },
		{ { .url = SV_LIT("http://127.0.0.1/"), .headers = &name, .header_count = 1 },
			"ERR_INVALID_HTTP_TOKEN" },
		{ { .url = SV_LIT("http://127.0.0.1/"), .method = SV_LIT("GET / HTTP/1.1\r\nX:") },
			"ERR_INVALID_HTTP_TOKEN" },
		{ { .url = SV_LIT("ftp://127.0.0.1/") }, "invalid_scheme" },
		{ { .url = SV_LIT("file:///etc/passwd") }, "invalid_scheme" },
		{ { .url = SV_LIT("nonsense") }, "invalid_url" },
		{ { .url = SV_LIT("") }, "invalid_url" },
		{ { .url = { 0 } }, "invalid_url" },
		{ { .url = SV_LIT("http://10.0.0.1/") }, "denied_ip" },
		{ { .url = SV_LIT("http://[::1]/") }, "denied_ip" },
		{ { .url = SV_LIT("http://169.254.169.254/latest") }, "denied_ip" },
		{ { .url = SV_LIT("http://metadata.google.internal/") }, "denied_hostname" },
	};
	own(fixture_free) struct fixture *fx = fixture_new(NULL);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own_in(http_response_done) struct http_response res = { 0 };
		assert_int_equal(send_wait(fx, &cases[i].req, &res), ERR_INVALID);
		assert_string_equal(res.error.code, cases[i].code);
	}
}

static void names_cannot_lead_inside(void **state UNUSED)
{
	static const char *const resolve[] = { "rebind.test:80:10.11.12.13",
		"two.test:80:10.1.1.1,192.168.3.4", NULL };
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(http_response_done) struct http_response one = { 0 }, two = { 0 };

	http_client_free(fx->client);
	fx->client = http_client_new(
		fx->loop, &(struct http_client_opts){ .guard = fx->guard, .resolve = resolve });
	struct http_request req = { .url = SV_LIT("http://rebind.test/") };
	assert_int_equal(send_wait(fx, &req, &one), ERR_INVALID);
	assert_string_equal(one.error.code, "denied_ip");
	assert_true(sv_eq_str(one.error.host, "rebind.test"));
	assert_true(sv_find(one.error.message, SV_LIT("--allow-egress 10.11.12.13/32")) > 0);
	req.url = SV_LIT("http://two.test/");
	assert_int_equal(send_wait(fx, &req, &two), ERR_INVALID);
	assert_string_equal(two.error.code, "denied_ip");
}

static void pooled_connections_pass_the_guard_too(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own(guard_free) struct guard *strict = guard_new();
	own_in(arena_done) struct arena a = { 0 };
	own_in(http_response_done) struct http_response res = { 0 }, again = { 0 }, third = { 0 };
	char *name;

	/* A name, so that only the connection can tell. */
	name = arena_printf(&a, "inside.test:%u:127.0.0.1", http_server_port(fx->server));
	const char *const resolve[] = { name, NULL };
	http_client_free(fx->client);
	fx->client = http_client_new(
		fx->loop, &(struct http_client_opts){ .guard = fx->guard, .resolve = resolve });
	struct http_request req = { .url = sv_str(arena_printf(&a, "http://inside.test:%u/",
					    http_server_port(fx->server))) };
	assert_int_equal(send_wait(fx, &req, &res), ERR_OK);
	int before = fx->handled;
	req.guard = strict;
	assert_int_equal(send_wait(fx, &req, &again), ERR_INVALID);
	assert_string_equal(again.error.code, "denied_ip");
	assert_int_equal(fx->handled, before);
	req.guard = NULL;
	assert_int_equal(send_wait(fx, &req, &third), ERR_OK);
}

static void names_that_do_not_exist(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(http_response_done) struct http_response res = { 0 };
	struct http_request req = { .url = SV_LIT("http://no-such-name.invalid/") };

	assert_int_equal(send_wait(fx, &req, &res), ERR_UPSTREAM);
	/* Without any network the resolver may say "try again". */
	assert_true(strcmp(res.error.code, "ENOTFOUND") == 0 ||
		    strcmp(res.error.code, "EAI_AGAIN") == 0);
}

static void nobody_listens(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(http_response_done) struct http_response res = { 0 };
	struct http_request req = { .url = SV_LIT("http://127.0.0.1:1/x") };

	assert_int_equal(send_wait(fx, &req, &res), ERR_UPSTREAM);
	assert_string_equal(res.error.code, "ECONNREFUSED");
	assert_true(sv_eq_str(res.error.message, "connect ECONNREFUSED 127.0.0.1:1"));
}

static void time_limits(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(arena_done) struct arena a = { 0 };
	own_in(http_response_done) struct http_response res = { 0 };
	struct http_request req = { .url = rogue_url(fx, &a, "/silent"), .total_timeout_ms = 150 };

	int64_t start = clock_mono_us();
	assert_int_equal(send_wait(fx, &req, &res), ERR_TIMEOUT);
	assert_in_range((clock_mono_us() - start) / 1000, 100, 10000);
	assert_true(sv_find(res.error.message, SV_LIT("within 150 ms")) > 0);
}

struct canceller {
	struct timer timer;
	struct op *op;
};

static void cancel_now(struct timer *t)
{
	struct canceller *c = container_of(t, struct canceller, timer);
	c->op->cancel(c->op);
	c->op->cancel(c->op); /* twice does no harm */
}

struct outcome {
	struct op op;
	struct loop *loop;
	enum err_code code;
	int times;
};

static void finished(void *ctx, const struct err *err)
{
	struct outcome *o = ctx;
	o->code = err->code;
	o->times++;
	loop_stop(o->loop);
}

static void cancelled_after(struct fixture *fx, struct sv url, int ms)
{
	own_in(http_response_done) struct http_response res = { 0 };
	struct outcome o = { .op = { .done = finished }, .loop = fx->loop };
	struct canceller c = { .op = &o.op };
	struct http_request req = { .url = url };

	o.op.ctx = &o;
	int64_t start = clock_mono_us();
	http_send(fx->client, &o.op, &req, &res);
	if (ms < 0) {
		o.op.cancel(&o.op);
		assert_int_equal(o.times, 0); /* never inside the call */
	} else {
		timer_start(fx->loop, &c.timer, ms, cancel_now);
	}
	while (!o.times)
		loop_run(fx->loop);
	assert_int_equal(o.code, ERR_CANCELLED);
	assert_string_equal(res.error.code, "ERR_CANCELED");
	assert_in_range((clock_mono_us() - start) / 1000, 0, 10000);
	run_for(fx, 20);
	assert_int_equal(o.times, 1);
	assert_int_equal(http_client_stats(fx->client).active, 0);
}

static void cancelling(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(arena_done) struct arena a = { 0 };

	cancelled_after(fx, rogue_url(fx, &a, "/silent"), -1);
	cancelled_after(fx, rogue_url(fx, &a, "/silent"), 30);
	cancelled_after(fx, rogue_url(fx, &a, "/stall"), 50);
	cancelled_after(fx, fixture_url(fx, &a, "/hang"), 50);
	run_until(fx, fx->aborts == fx->handled); /* our server noticed */
	cancelled_after(fx, SV_LIT("http://no-such-name.invalid/"), -1);
	cancelled_after(fx, SV_LIT("http://no-such-name.invalid/"), 0);
}

static void many_at_once(void **state UNUSED)
{
	enum { COUNT = 2000 };
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(arena_done) struct arena a = { 0 };
	struct http_response *res = arena_array(&a, COUNT, sizeof(*res));
	struct outcome *o = arena_array(&a, COUNT, sizeof(*o));
	struct http_request req = { .url = fixture_url(fx, &a, "/echo"),
		.method = SV_LIT("POST"),
		.body = SV_LIT("hello") };
	size_t peak = 0;

	int64_t start = clock_mono_us();
	for (int i = 0; i < COUNT; i++) {
		o[i] = (struct outcome){ .op = { .done = finished, .ctx = &o[i] },
			.loop = fx->loop };
		http_send(fx->client, &o[i].op, &req, &res[i]);
	}
	while (http_client_stats(fx->client).active) {
		loop_run(fx->loop);
		size_t now = http_server_stats(fx->server).connections;
		peak = now > peak ? now : peak;
	}
	print_message("%d requests at once: %lld ms, %zu connections\n", COUNT,
		(long long)(clock_mono_us() - start) / 1000, peak);
	assert_in_range(peak, 1, 500);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(o[i].times, 1);
		assert_int_equal(o[i].code, ERR_OK);
		assert_int_equal(res[i].status, 200);
		http_response_done(&res[i]);
	}
}

/* A provider that hangs takes its half of the connections, and the others go on. */
static void a_host_gets_half(void **state UNUSED)
{
	enum { HUNG = 5, TOTAL = 4 };
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(arena_done) struct arena a = { 0 };
	struct http_client_opts opts = { .guard = fx->guard, .max_total = TOTAL };
	struct http_client *client = http_client_new(fx->loop, &opts);
	struct http_request hang = { .url = rogue_url(fx, &a, "/silent") };
	struct http_request fine = { .url = fixture_url(fx, &a, "/echo") };
	struct http_response res[HUNG + 1] = { 0 };
	struct outcome o[HUNG + 1];

	for (int i = 0; i <= HUNG; i++) {
		o[i] = (struct outcome){ .op = { .done = finished, .ctx = &o[i] },
			.loop = fx->loop };
		http_send(client, &o[i].op, i < HUNG ? &hang : &fine, &res[i]);
	}
	while (!o[HUNG].times)
		loop_run(fx->loop);
	assert_int_equal(res[HUNG].status, 200);
	assert_int_equal(http_client_stats(client).active, HUNG);
	for (int i = 0; i < HUNG; i++)
		o[i].op.cancel(&o[i].op);
	while (http_client_stats(client).active)
		loop_run(fx->loop);
	for (int i = 0; i <= HUNG; i++)
		http_response_done(&res[i]);
	http_client_free(client);
}

static void timings_are_told(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(arena_done) struct arena a = { 0 };
	own_in(http_response_done) struct http_response res = { 0 };
	struct http_request req = { .url = fixture_url(fx, &a, "/later?100") };

	assert_int_equal(send_wait(fx, &req, &res), ERR_OK);
	assert_in_range(res.ttfb_ms, 90, 10000);
	assert_in_range(res.total_ms, 95, 10000);
	assert_true(res.start_ms > 0 && res.start_ms <= clock_now_ms());
	assert_true(sv_eq(res.url, req.url));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peers_that_fail),
		cmocka_unit_test(peers_that_are_only_odd),
		cmocka_unit_test(headers_keep_order_and_repeats),
		cmocka_unit_test(what_is_sent),
		cmocka_unit_test(bodies_go_with_any_method),
		cmocka_unit_test(requests_that_are_not_sent),
		cmocka_unit_test(names_cannot_lead_inside),
		cmocka_unit_test(pooled_connections_pass_the_guard_too),
		cmocka_unit_test(names_that_do_not_exist),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(time_limits),
		cmocka_unit_test(cancelling),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(a_host_gets_half),
		cmocka_unit_test(timings_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
