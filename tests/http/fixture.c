#include "fixture.h"

#include "base/clock.h"
#include "base/sv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t limit(void *ctx UNUSED, struct http_call *call)
{
	if (sv_eq_str(call->path, "/echo"))
		return 1 << 20;
	return sv_eq_str(call->path, "/upload") ? (size_t)300 << 20 : 0;
}

static void reply_text(struct http_call *call, int status, struct sv text)
{
	http_reply(call, &(struct http_answer){
				 .status = status, .content_type = "text/plain", .body = text });
}

static size_t query_number(const struct http_call *call)
{
	int64_t n = 0;
	sv_to_i64(call->query, &n);
	return (size_t)n;
}

static void reply_big(struct http_call *call)
{
	size_t n = query_number(call);
	struct buf b;

	buf_init(&b, n);
	memset(buf_reserve(&b, n), 'x', n);
	buf_grow(&b, n);
	http_reply(call, &(struct http_answer){ .status = 200, .buf = &b });
}

static void reply_headers(struct http_call *call)
{
	struct http_headers h = { 0 };

	for (size_t i = 0; i < query_number(call); i++)
		http_headers_add(&call->arena, &h, sv_str(arena_printf(&call->arena, "X-H-%zu", i)),
			SV_LIT("some value"));
	http_reply(call, &(struct http_answer){
				 .status = 200, .headers = h.items, .header_count = h.count });
}

/* What came, one line each, so that tests can look for "name: value\n". */
static void reply_dump(struct http_call *call)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_printf(&b, "%.*s %.*s?%.*s from %.*s\n", SV(call->method), SV(call->path_raw),
		SV(call->query), SV(call->remote));
	for (size_t i = 0; i < call->headers.count; i++)
		buf_printf(&b, "%.*s: %.*s\n", SV(call->headers.items[i].name),
			SV(call->headers.items[i].value));
	buf_printf(&b, "\n%.*s", SV(call->body));
	http_reply(call, &(struct http_answer){ .status = 200, .buf = &b });
}

/* "/redirect?302+<location>": the location as it is, to the end. */
static void reply_redirect(struct http_call *call)
{
	struct http_header h = { SV_LIT("Location"), sv_from(call->query, 4) };
	int64_t status = 302;

	sv_to_i64(sv_make(call->query.ptr, 3), &status);
	http_reply(call,
		&(struct http_answer){ .status = (int)status, .headers = &h, .header_count = 1 });
}

static void answer_later(struct timer *t)
{
	struct fixture *fx = container_of(t, struct fixture, timer);
	struct http_call *call = fx->later;
	fx->later = NULL;
	reply_text(call, 200, SV_LIT("later"));
}

static void aborted(struct http_call *call, void *ctx)
{
	struct fixture *fx = ctx;

	assert_true(call->aborted);
	fx->aborts++;
	fx->held = NULL;
	reply_text(call, 499, SV_LIT("gone"));
}

static void handle(void *ctx, struct http_call *call)
{
	struct fixture *fx = ctx;

	fx->handled++;
	if (sv_eq_str(call->path, "/echo")) {
		http_reply(call, &(struct http_answer){ .status = 200, .body = call->body });
	} else if (sv_eq_str(call->path, "/upload")) {
		reply_text(call, 200, sv_str(arena_printf(&call->arena, "%zu", call->body.len)));
	} else if (sv_eq_str(call->path, "/big")) {
		reply_big(call);
	} else if (sv_eq_str(call->path, "/headers")) {
		reply_headers(call);
	} else if (sv_eq_str(call->path, "/redirect")) {
		reply_redirect(call);
	} else if (sv_eq_str(call->path, "/later")) {
		fx->later = call;
		timer_start(fx->loop, &fx->timer, (int64_t)query_number(call), answer_later);
	} else if (sv_eq_str(call->path, "/hang")) {
		fx->held = call;
		http_call_on_abort(call, aborted, fx);
	} else if (sv_eq_str(call->path, "/empty")) {
		http_reply(call, &(struct http_answer){ .status = 204 });
	} else {
		reply_dump(call);
	}
}

struct fixture *fixture_new(const struct http_server_opts *opts)
{
	struct fixture *fx = NEW(struct fixture);
	struct http_server_opts o = opts ? *opts : (struct http_server_opts){ 0 };
	struct err err = { 0 };

	signal(SIGPIPE, SIG_IGN);
	fx->loop = loop_new();
	fx->guard = guard_new();
	assert_int_equal(guard_allow(fx->guard, SV_LIT("127.0.0.0/8"), NULL), 0);
	if (!o.listen.len)
		o.listen = SV_LIT("127.0.0.1:0");
	o.handler = handle;
	o.limit = limit;
	o.ctx = fx;
	assert_int_equal(http_server_new(fx->loop, &o, &fx->server, &err), 0);
	fx->client = http_client_new(fx->loop, &(struct http_client_opts){ .guard = fx->guard });
	fx->rogue = rogue_new();
	return fx;
}

void fixture_free(struct fixture *fx)
{
	if (!fx)
		return;
	http_client_free(fx->client);
	http_server_free(fx->server);
	rogue_free(fx->rogue);
	guard_free(fx->guard);
	loop_free(fx->loop);
	mem_free(fx);
}

struct sv fixture_url(const struct fixture *fx, struct arena *a, const char *path)
{
	return sv_str(arena_printf(a, "%s%s", http_server_url(fx->server), path));
}

struct sv rogue_url(const struct fixture *fx, struct arena *a, const char *path)
{
	return sv_str(arena_printf(a, "http://127.0.0.1:%u%s", rogue_port(fx->rogue), path));
}

struct waiter {
	struct op op;
	struct loop *loop;
	struct err err;
	bool done;
};

static void waited(void *ctx, const struct err *err)
{
	struct waiter *w = ctx;
	w->err = *err;
	w->done = true;
	loop_stop(w->loop);
}

enum err_code send_wait(
	struct fixture *fx, const struct http_request *req, struct http_response *res)
{
	struct waiter w = { .op = { .done = waited }, .loop = fx->loop };

	w.op.ctx = &w;
	http_send(fx->client, &w.op, req, res);
	assert_false(w.done);
	while (!w.done)
		loop_run(fx->loop);
	if (w.err.code != ERR_OK)
		print_message("  %s: %.*s\n", res->error.code, SV(res->error.message));
	return w.err.code;
}

enum err_code fetch_wait(struct fixture *fx, const struct http_request *req,
	struct redirect_policy policy, struct http_response *res)
{
	struct waiter w = { .op = { .done = waited }, .loop = fx->loop };

	w.op.ctx = &w;
	http_fetch(fx->client, &w.op, req, policy, res);
	while (!w.done)
		loop_run(fx->loop);
	if (w.err.code != ERR_OK)
		print_message("  %s: %.*s\n", res->error.code, SV(res->error.message));
	return w.err.code;
}

struct pause {
	struct timer timer;
	struct loop *loop;
};

static void paused(struct timer *t)
{
	loop_stop(container_of(t, struct pause, timer)->loop);
}

void run_for(struct fixture *fx, int ms)
{
	struct pause p = { .loop = fx->loop };
	timer_start(fx->loop, &p.timer, ms, paused);
	loop_run(fx->loop);
}

/* Raw conversations. */

struct talk {
	struct raw *raw;
	struct loop *loop;
	unsigned port;
	struct loop_task task;
	bool done;
};

static void talk_over(struct loop_task *t)
{
	struct talk *k = container_of(t, struct talk, task);
	k->done = true;
	loop_stop(k->loop);
}

static void talk_send(struct talk *k, int fd)
{
	struct raw *raw = k->raw;
	size_t len = raw->send_len ? raw->send_len : strlen(raw->send);

	for (size_t i = 0; raw->pause_ms && i < len; i++) {
		usleep((useconds_t)raw->pause_ms * 1000);
		if (send(fd, raw->send + i, 1, MSG_NOSIGNAL) != 1)
			return;
	}
	for (size_t at = 0; !raw->pause_ms && at < len;) {
		ssize_t n = send(fd, raw->send + at, len - at, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

static void talk_read(struct talk *k, int fd)
{
	struct raw *raw = k->raw;
	size_t cap = 1 << 20;

	raw->got = mem_alloc(cap + 1);
	while (!raw->want || raw->got_len < raw->want) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, 5000) <= 0)
			break;
		ssize_t n = recv(fd, raw->got + raw->got_len, cap - raw->got_len, 0);
		if (n <= 0)
			break;
		raw->got_len += (size_t)n;
	}
	raw->got[raw->got_len] = 0;
}

static void *talk_thread(void *arg)
{
	struct talk *k = arg;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)k->port) };
	int64_t start = clock_mono_us();

	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
		talk_send(k, fd);
		if (k->raw->half_close)
			shutdown(fd, SHUT_WR);
		if (k->raw->close_after_ms)
			usleep((useconds_t)k->raw->close_after_ms * 1000);
		else
			talk_read(k, fd);
	}
	close(fd);
	k->raw->took_ms = (int)((clock_mono_us() - start) / 1000);
	loop_post(k->loop, &k->task);
	return NULL;
}

void raw_talk(struct fixture *fx, struct raw *raw)
{
	struct talk k = { .raw = raw, .loop = fx->loop, .port = http_server_port(fx->server) };
	pthread_t thread;

	k.task.fn = talk_over;
	pthread_create(&thread, NULL, talk_thread, &k);
	while (!k.done)
		loop_run(fx->loop);
	pthread_join(thread, NULL);
}
