/* The server against raw sockets and our own client, in one loop. */
#include "fixture.h"

#include "base/clock.h"
#include "base/sv.h"

#include <stdlib.h>

static void count(const char *text, const char *what, int expected)
{
	int n = 0;
	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	assert_int_equal(n, expected);
}

static enum err_code get(struct fixture *fx, const char *path, struct http_response *res)
{
	own_in(arena_done) struct arena a = { 0 };
	struct http_request req = { .url = fixture_url(fx, &a, path) };
	return send_wait(fx, &req, res);
}

static enum err_code post(
	struct fixture *fx, const char *path, struct sv body, struct http_response *res)
{
	own_in(arena_done) struct arena a = { 0 };
	struct http_request req = {
		.method = SV_LIT("POST"), .url = fixture_url(fx, &a, path), .body = body
	};
	return send_wait(fx, &req, res);
}

static void a_request_arrives_as_sent(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	struct raw raw = { .send = "GET /a%20b/c%2Fd|[x]?q=1&r=%20+?? HTTP/1.1\r\nHost: h\r\n"
				   "X-Up: Y\r\nx-up: z\r\nEmpty:\r\nConnection: close\r\n\r\n" };

	raw_talk(fx, &raw);
	count(raw.got, "HTTP/1.1 200 OK\r\n", 1);
	count(raw.got, "GET /a%20b/c%2Fd|[x]?q=1&r=%20+?? from 127.0.0.1\n", 1);
	count(raw.got, "X-Up: Y\nx-up: z\nEmpty: \n", 1);
	mem_free(raw.got);
}

static void absolute_targets_and_http10(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	struct raw raw = { .send = "GET http://some.host/x?y HTTP/1.0\r\n\r\n" };

	raw_talk(fx, &raw);
	count(raw.got, "GET /x?y from", 1);
	mem_free(raw.got);
}

static void pipelined_requests_are_answered_in_order(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	struct raw raw = { .send = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
				   "GET /later?30 HTTP/1.1\r\nHost: h\r\n\r\n"
				   "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
				   "three"
				   "GET /4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" };

	raw_talk(fx, &raw);
	count(raw.got, "HTTP/1.1 200 OK\r\n", 4);
	const char *one = strstr(raw.got, "GET /1?");
	const char *two = strstr(raw.got, "\r\n\r\nlater");
	const char *three = strstr(raw.got, "\r\n\r\nthree");
	const char *four = strstr(raw.got, "GET /4?");
	assert_true(one && two > one && three > two && four > three);
	assert_int_equal(fx->handled, 4);
	mem_free(raw.got);
}

static void bodies_of_all_sizes(void **state UNUSED)
{
	static const size_t sizes[] = { 0, 1, 1000, 32767, 32768, 65537, 1 << 20 };
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_mem char *bytes = mem_alloc(1 << 20);

	for (size_t i = 0; i < 1 << 20; i++)
		bytes[i] = (char)(i * 7 + i / 1000);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		own_in(http_response_done) struct http_response res = { 0 };
		assert_int_equal(post(fx, "/echo", sv_make(bytes, sizes[i]), &res), ERR_OK);
		assert_int_equal(res.status, 200);
		assert_true(sv_eq(buf_sv(&res.body), sv_make(bytes, sizes[i])));
	}
	assert_int_equal(http_server_stats(fx->server).body_bytes, 0);
}

static void large_bodies_both_ways(void **state UNUSED)
{
	const size_t size = (size_t)150 << 20;
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_mem char *bytes = mem_zalloc(size);
	own_in(http_response_done) struct http_response up = { 0 }, down = { 0 };

	int64_t start = clock_mono_us();
	assert_int_equal(post(fx, "/upload", sv_make(bytes, size), &up), ERR_OK);
	assert_true(sv_eq_str(buf_sv(&up.body), "157286400"));
	int64_t middle = clock_mono_us();
	assert_int_equal(get(fx, "/big?157286400", &down), ERR_OK);
	assert_int_equal(down.body.len, size);
	print_message("150 MiB up %lld ms, down %lld ms\n", (long long)(middle - start) / 1000,
		(long long)(clock_mono_us() - middle) / 1000);
}

static void chunked_bodies(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	struct raw raw = { .send = "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n"
				   "5\r\nhello\r\n1\r\n \r\n5;x=y\r\nworld\r\n0\r\n\r\n" };

	raw_talk(fx, &raw);
	count(raw.got, "\r\n\r\nhello world", 1);
	mem_free(raw.got);
}

static void too_large_bodies_get_a_reply(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(http_response_done) struct http_response res = { 0 }, after = { 0 };
	const size_t size = (8 << 20) + 1;
	own_mem char *bytes = mem_zalloc(size);

	assert_int_equal(post(fx, "/echo", sv_make(bytes, size), &res), ERR_OK);
	assert_int_equal(res.status, 413);
	assert_true(sv_find(buf_sv(&res.body), SV_LIT("\"request_too_large\"")) > 0);
	assert_int_equal(fx->handled, 0);
	assert_int_equal(http_server_stats(fx->server).refused, 1);
	/* It was drained: the connection goes on. */
	assert_int_equal(post(fx, "/echo", SV_LIT("fine"), &after), ERR_OK);
	assert_int_equal(after.status, 200);
	assert_int_equal(http_server_stats(fx->server).connections, 1);
}

static void too_large_chunked_bodies_too(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	struct raw raw = { .send = "POST /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" };

	raw_talk(fx, &raw);
	count(raw.got, "HTTP/1.1 413 ", 1);
	mem_free(raw.got);
}

static void expect_continue(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	struct raw fine = { .send = "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
				    "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello" };
	struct raw large = { .send = "POST /echo HTTP/1.1\r\nHost: h\r\n"
				     "Expect: 100-continue\r\nContent-Length: 5000000\r\n\r\n" };

	raw_talk(fx, &fine);
	count(fine.got, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", 1);
	raw_talk(fx, &large);
	count(large.got, "HTTP/1.1 413 ", 1);
	count(large.got, "100 Continue", 0);
	mem_free(fine.got);
	mem_free(large.got);
}

static void bodies_in_memory_are_bounded(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx =
		fixture_new(&(struct http_server_opts){ .max_bodies = 100000 });
	own_in(http_response_done) struct http_response res = { 0 }, after = { 0 };
	own_mem char *bytes = mem_zalloc(200000);

	assert_int_equal(post(fx, "/echo", sv_make(bytes, 200000), &res), ERR_OK);
	assert_int_equal(res.status, 503);
	assert_int_equal(post(fx, "/echo", sv_make(bytes, 50000), &after), ERR_OK);
	assert_int_equal(after.status, 200);
}

static void head_has_no_body(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	struct raw raw = { .send = "HEAD /big?1000 HTTP/1.1\r\nHost: h\r\n\r\n"
				   "GET /empty HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" };

	raw_talk(fx, &raw);
	count(raw.got, "Content-Length: 1000\r\n", 1);
	count(raw.got, "xxx", 0);
	count(raw.got, "HTTP/1.1 204 No Content\r\n", 1);
	mem_free(raw.got);
}

static void header_limits(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_str(&b, "GET / HTTP/1.1\r\nHost: h\r\n");
	for (int i = 0; i < 2000; i++)
		buf_printf(&b, "X-%d: some value or other\r\n", i);
	buf_str(&b, "\r\n");
	struct raw raw = { .send = b.ptr };
	raw_talk(fx, &raw);
	count(raw.got, "HTTP/1.1 431 ", 1);
	assert_int_equal(fx->handled, 0);
	mem_free(raw.got);

	buf_clear(&b);
	buf_str(&b, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
	for (int i = 0; i < 100; i++)
		buf_printf(&b, "X-%d: some value or other that is a bit longer than usual\r\n", i);
	buf_str(&b, "\r\n");
	raw = (struct raw){ .send = b.ptr };
	raw_talk(fx, &raw);
	count(raw.got, "HTTP/1.1 200 ", 1);
	mem_free(raw.got);
	buf_done(&b);
}

static void nonsense_is_refused(void **state UNUSED)
{
	static const char *const lines[] = { "\x16\x03\x01\x02\r\n\r\n", "GET /\r\n\r\n",
		"GET / HTTP/1.1\r\nno host\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5x\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" };
	own(fixture_free) struct fixture *fx = fixture_new(
		&(struct http_server_opts){ .idle_timeout_ms = 1000, .receive_timeout_ms = 500 });

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct raw raw = { .send = lines[i] };
		raw_talk(fx, &raw);
		count(raw.got, " 200 ", 0);
		mem_free(raw.got);
	}
	assert_int_equal(fx->handled, 0);
	run_until(fx, http_server_stats(fx->server).connections == 0);
	assert_int_equal(http_server_stats(fx->server).active, 0);
}

static void slow_senders_are_cut_off(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx =
		fixture_new(&(struct http_server_opts){ .receive_timeout_ms = 400 });
	struct raw header = { .send = "GET / HTTP/1.1\r\nHost: hhhhhhhhhhhhhhhh", .pause_ms = 30 };
	struct raw body = { .send = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nx",
		.want = 0 };

	raw_talk(fx, &header);
	assert_in_range(header.took_ms, 300, 4500);
	assert_int_equal(header.got_len, 0);
	raw_talk(fx, &body);
	assert_in_range(body.took_ms, 300, 4500);
	assert_int_equal(fx->handled, 0);
	mem_free(header.got);
	mem_free(body.got);
}

static void idle_connections_are_closed(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx =
		fixture_new(&(struct http_server_opts){ .idle_timeout_ms = 1000 });
	struct raw raw = { .send = "GET / HTTP/1.1\r\nHost: h\r\n\r\n" };

	raw_talk(fx, &raw);
	count(raw.got, " 200 ", 1);
	assert_in_range(raw.took_ms, 900, 4500);
	mem_free(raw.got);
}

static void a_slow_handler_outlives_the_idle_timeout(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(
		&(struct http_server_opts){ .idle_timeout_ms = 1000, .receive_timeout_ms = 200 });
	own_in(http_response_done) struct http_response res = { 0 };

	assert_int_equal(get(fx, "/later?1500", &res), ERR_OK);
	assert_true(sv_eq_str(buf_sv(&res.body), "later"));
}

static void departed_clients_are_noticed(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	struct raw raw = { .send = "GET /hang HTTP/1.1\r\nHost: h\r\n\r\n", .close_after_ms = 50 };

	raw_talk(fx, &raw);
	run_until(fx, fx->aborts == 1);
	run_until(fx, http_server_stats(fx->server).connections == 0);
	assert_int_equal(http_server_stats(fx->server).active, 0);
}

static void departed_clients_without_a_hook_do_no_harm(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	struct raw raw = { .send = "GET /later?100 HTTP/1.1\r\nHost: h\r\n\r\n",
		.close_after_ms = 20 };

	raw_talk(fx, &raw);
	run_until(fx, fx->handled == 1 && !fx->later);
	run_until(fx, http_server_stats(fx->server).active == 0);
}

static void clients_that_stop_reading(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx =
		fixture_new(&(struct http_server_opts){ .idle_timeout_ms = 1000 });
	struct raw raw = { .send = "GET /big?50000000 HTTP/1.1\r\nHost: h\r\n\r\n",
		.close_after_ms = 2500 };

	raw_talk(fx, &raw);
	run_until(fx, http_server_stats(fx->server).active == 0);
	run_until(fx, http_server_stats(fx->server).connections == 0);
}

struct outcome {
	struct op op;
	struct fixture *fx;
	int status;
	struct http_response res;
};

static void came(void *ctx, const struct err *err UNUSED)
{
	struct outcome *o = ctx;
	o->status = o->res.status;
	http_response_done(&o->res);
	loop_stop(o->fx->loop);
}

static void at_most_so_many_connections(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx =
		fixture_new(&(struct http_server_opts){ .max_connections = 3 });
	own_in(arena_done) struct arena a = { 0 };
	static struct outcome out[20];
	struct http_request req = { .url = fixture_url(fx, &a, "/x"), .total_timeout_ms = 2000 };
	size_t peak = 0;

	for (size_t i = 0; i < ARRAY_LEN(out); i++) {
		out[i] = (struct outcome){ .op = { .done = came, .ctx = &out[i] }, .fx = fx };
		http_send(fx->client, &out[i].op, &req, &out[i].res);
	}
	/* The first three stay open for reuse, so the other connections wait in the backlog. */
	while (http_client_stats(fx->client).active) {
		loop_run(fx->loop);
		size_t now = http_server_stats(fx->server).connections;
		peak = now > peak ? now : peak;
	}
	assert_in_range(peak, 1, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(out[i].status, 200);
}

static void many_requests_on_one_connection(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(arena_done) struct arena a = { 0 };
	struct http_request req = { .url = fixture_url(fx, &a, "/empty") };

	int64_t start = clock_mono_us();
	for (int i = 0; i < 10000; i++) {
		own_in(http_response_done) struct http_response res = { 0 };
		assert_int_equal(send_wait(fx, &req, &res), ERR_OK);
		assert_int_equal(res.status, 204);
	}
	assert_int_equal(http_server_stats(fx->server).connections, 1);
	print_message("10000 requests one after the other: %lld us each, client and server\n",
		(long long)(clock_mono_us() - start) / 10000);
}

static void set_flag(void *ctx)
{
	*(bool *)ctx = true;
}

static void draining_closes_idle_connections(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(http_response_done) struct http_response first = { 0 }, late = { 0 };
	bool done = false;

	assert_int_equal(get(fx, "/x", &first), ERR_OK);
	assert_int_equal(http_server_stats(fx->server).connections, 1);
	http_server_drain(fx->server, set_flag, &done);
	assert_false(done);
	run_until(fx, done);
	assert_int_equal(http_server_stats(fx->server).connections, 0);
	assert_int_equal(get(fx, "/x", &late), ERR_UPSTREAM);
	assert_string_equal(late.error.code, "ECONNREFUSED");
}

struct drainer {
	struct timer timer;
	struct fixture *fx;
	bool done, impatient;
};

static void drain_now(struct timer *t)
{
	struct drainer *d = container_of(t, struct drainer, timer);
	http_server_drain(d->fx->server, set_flag, &d->done);
	if (d->impatient)
		http_server_abort_calls(d->fx->server);
}

static void draining_waits_for_the_handler(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(http_response_done) struct http_response res = { 0 };
	struct drainer d = { .fx = fx };

	timer_start(fx->loop, &d.timer, 50, drain_now);
	assert_int_equal(get(fx, "/later?200", &res), ERR_OK);
	assert_true(sv_eq_str(buf_sv(&res.body), "later"));
	assert_true(sv_eq_str(http_headers_get(&res.headers, "connection"), "close"));
	run_until(fx, d.done);
}

static void impatient_draining_aborts(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(http_response_done) struct http_response res = { 0 };
	struct drainer d = { .fx = fx, .impatient = true };

	timer_start(fx->loop, &d.timer, 50, drain_now);
	assert_int_equal(get(fx, "/hang", &res), ERR_OK);
	assert_int_equal(res.status, 499);
	run_until(fx, d.done);
}

static void listen_addresses(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	static const char *const broken[] = { "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
		"127.0.0.1:65536", ":3003", "::1:0", "[::1]", "no such host:0" };
	struct http_server_opts o = { .handler = (http_handler_fn *)(uintptr_t)1 };
	struct http_server *s = NULL;
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		o.listen = sv_str(broken[i]);
		assert_int_equal(http_server_new(fx->loop, &o, &s, &err), ERR_INVALID);
		print_message("%s\n", err.msg);
	}
	o.listen = sv_from(sv_str(http_server_url(fx->server)), strlen("http://"));
	assert_int_equal(http_server_new(fx->loop, &o, &s, &err), ERR_CONFLICT);
	print_message("%s\n", err.msg);
	assert_non_null(strstr(err.msg, "in use"));
	o.listen = SV_LIT("203.0.113.1:0");
	assert_int_equal(http_server_new(fx->loop, &o, &s, &err), ERR_IO);
	print_message("%s\n", err.msg);
	assert_null(s);
}

static void ipv6(void **state UNUSED)
{
	own(loop_free) struct loop *l = loop_new();
	struct http_server_opts o = { .handler = (http_handler_fn *)(uintptr_t)1,
		.listen = SV_LIT("[::1]:0") };
	struct http_server *s = NULL;
	struct err err = { 0 };

	if (http_server_new(l, &o, &s, &err) < 0) {
		print_message("skipped: %s\n", err.msg);
		return;
	}
	assert_non_null(strstr(http_server_url(s), "http://[::1]:"));
	http_server_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_arrives_as_sent),
		cmocka_unit_test(absolute_targets_and_http10),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(bodies_of_all_sizes),
		cmocka_unit_test(large_bodies_both_ways),
		cmocka_unit_test(chunked_bodies),
		cmocka_unit_test(too_large_bodies_get_a_reply),
		cmocka_unit_test(too_large_chunked_bodies_too),
		cmocka_unit_test(expect_continue),
		cmocka_unit_test(bodies_in_memory_are_bounded),
		cmocka_unit_test(head_has_no_body),
		cmocka_unit_test(header_limits),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(slow_senders_are_cut_off),
		cmocka_unit_test(idle_connections_are_closed),
		cmocka_unit_test(a_slow_handler_outlives_the_idle_timeout),
		cmocka_unit_test(departed_clients_are_noticed),
		cmocka_unit_test(departed_clients_without_a_hook_do_no_harm),
		cmocka_unit_test(clients_that_stop_reading),
		cmocka_unit_test(at_most_so_many_connections),
		cmocka_unit_test(many_requests_on_one_connection),
		cmocka_unit_test(draining_closes_idle_connections),
		cmocka_unit_test(draining_waits_for_the_handler),
		cmocka_unit_test(impatient_draining_aborts),
		cmocka_unit_test(listen_addresses),
		cmocka_unit_test(ipv6),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
