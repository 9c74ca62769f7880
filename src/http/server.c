#include "base/clock.h"
#include "base/log.h"
#include "base/sv.h"
#include "http/server_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Running the library. */

static void server_run(struct http_server *s);

static void run_timer_fired(struct timer *t)
{
	server_run(container_of(t, struct http_server, run_timer));
}

static void run_watch_fired(void *ctx, int events UNUSED)
{
	server_run(ctx);
}

/* An alarm that is early costs one idle turn; moving it at every turn would cost more. */
static void run_timer_arm(struct http_server *s, int64_t wait_ms)
{
	if (timer_active(&s->run_timer) &&
		s->run_timer.due_us <= clock_mono_us() + (wait_ms + 1) * 1000)
		return;
	timer_start(s->loop, &s->run_timer, wait_ms, run_timer_fired);
}

/* The library reads or writes once per connection and run; a few runs save as many turns. */
enum { RUNS_MAX = 16 };

static void server_run(struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG ms = 0;
	bool waits = true;

	for (int i = 0; i < RUNS_MAX && s->daemon && waits && ms == 0; i++) {
		MHD_run(s->daemon);
		waits = MHD_get_timeout(s->daemon, &ms) == MHD_YES;
	}
	if (s->daemon && waits)
		run_timer_arm(s, ms > 60000 ? 60000 : (int64_t)ms);
}

void server_wake(struct http_server *s)
{
	run_timer_arm(s, 0);
}

/* Connections. */

static int64_t sweep_ms(const struct http_server *s)
{
	int64_t ms = s->opts.receive_timeout_ms / 4;
	return ms < 50 ? 50 : ms > 5000 ? 5000 : ms;
}

/* A trickle of bytes keeps a connection from being idle, but not for ever. */
static void sweep(struct timer *t)
{
	struct http_server *s = container_of(t, struct http_server, sweep_timer);
	int64_t now = clock_mono_us();

	for (struct conn *c = s->conns; c; c = c->next)
		if (c->until_us && c->until_us < now)
			shutdown(c->fd, SHUT_RDWR);
	if (s->conns)
		timer_start(s->loop, &s->sweep_timer, sweep_ms(s), sweep);
}

static void address_text(const struct sockaddr *addr, char *out, size_t size)
{
	const void *ip = NULL;

	out[0] = 0;
	if (addr && addr->sa_family == AF_INET)
		ip = &((const struct sockaddr_in *)addr)->sin_addr;
	if (addr && addr->sa_family == AF_INET6)
		ip = &((const struct sockaddr_in6 *)addr)->sin6_addr;
	if (ip)
		inet_ntop(addr->sa_family, ip, out, (socklen_t)size);
}

static struct conn *conn_new(struct http_server *s, struct MHD_Connection *mhd)
{
	struct conn *c = NEW(struct conn);

	c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	address_text(MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
		c->remote, sizeof(c->remote));
	c->until_us = clock_mono_us() + s->opts.receive_timeout_ms * INT64_C(1000);
	c->next = s->conns;
	if (c->next)
		c->next->prev = c;
	s->conns = c;
	s->stats.connections++;
	if (!timer_active(&s->sweep_timer))
		timer_start(s->loop, &s->sweep_timer, sweep_ms(s), sweep);
	return c;
}

static void conn_free(struct http_server *s, struct conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->stats.connections--;
	mem_free(c);
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_ctx,
	enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*socket_ctx = conn_new(ctx, mhd);
	else
		conn_free(ctx, *socket_ctx);
}

/* Requests: the library's callbacks. */

static void *on_target(void *ctx, const char *uri, struct MHD_Connection *mhd)
{
	struct conn *conn =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	return call_new(ctx, mhd, conn, uri);
}

static enum MHD_Result on_request(void *ctx UNUSED, struct MHD_Connection *mhd UNUSED,
	const char *url UNUSED, const char *method, const char *version UNUSED, const char *data,
	size_t *len, void **call)
{
	return call_feed(*call, method, data, len);
}

static void on_completed(void *ctx, struct MHD_Connection *mhd UNUSED, void **call,
	enum MHD_RequestTerminationCode code UNUSED)
{
	struct http_server *s = ctx;
	struct call *c = *call;

	if (!c)
		return;
	/* The next request must have arrived by the time this one would have, had it been idle. */
	c->conn->until_us =
		clock_mono_us() +
		(s->opts.idle_timeout_ms + INT64_C(1) * s->opts.receive_timeout_ms) * 1000;
	*call = NULL;
	call_free(c);
}

/* We decode ourselves: the library would do it in place and lose the raw form. */
static size_t on_unescape(void *ctx UNUSED, struct MHD_Connection *mhd UNUSED, char *s)
{
	return strlen(s);
}

PRINTF_LIKE(2, 0) static void on_log(void *ctx UNUSED, const char *fmt, va_list ap)
{
	char text[256];

	vsnprintf(text, sizeof(text), fmt, ap);
	log_debug(NULL, "http library", LOG_SV("text", sv_trim(sv_str(text))));
}

/* Listening. */

static int listen_split(struct sv listen, char host[256], char port[8], struct err *err)
{
	ptrdiff_t colon = -1;
	int64_t number;

	for (size_t i = 0; i < listen.len; i++)
		if (listen.ptr[i] == ':')
			colon = (ptrdiff_t)i;
	struct sv h = sv_make(listen.ptr, colon < 0 ? 0 : (size_t)colon);
	struct sv p = colon < 0 ? SV_NULL : sv_from(listen, (size_t)colon + 1);
	if (h.len >= 2 && h.ptr[0] == '[' && h.ptr[h.len - 1] == ']')
		h = sv_make(h.ptr + 1, h.len - 2);
	else if (sv_find_char(h, ':') >= 0)
		colon = -1;
	if (colon < 0 || h.len == 0 || h.len > 255 || !sv_to_i64(p, &number) || number < 0 ||
		number > 65535)
		return err_set(err, ERR_INVALID,
			"cannot listen on '%.*s': write address:port, as in 127.0.0.1:3003",
			SV(listen));
	snprintf(host, 256, "%.*s", SV(h));
	snprintf(port, 8, "%d", (int)number);
	return 0;
}

static int listen_error(struct sv listen, int errnum, struct err *err)
{
	if (errnum == EADDRINUSE)
		return err_set(err, ERR_CONFLICT,
			"cannot listen on %.*s: the port is in use (stop the other program, or "
			"choose another port with --listen)",
			SV(listen));
	return err_errno(err, errnum, "cannot listen on %.*s", SV(listen));
}

/* A bound, listening, non-blocking socket. */
static int listen_socket(struct sv listen_on, struct err *err)
{
	const struct addrinfo hints = { .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM };
	char host[256], port[8];
	struct addrinfo *ai;
	const int on = 1;

	TRY(listen_split(listen_on, host, port, err));
	int rc = getaddrinfo(host, port, &hints, &ai);
	if (rc)
		return err_set(err, ERR_INVALID, "cannot listen on '%.*s': %s", SV(listen_on),
			gai_strerror(rc));
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, SOMAXCONN)) {
		rc = listen_error(listen_on, errno, err);
		if (fd >= 0)
			close(fd);
		fd = rc;
	}
	freeaddrinfo(ai);
	return fd;
}

static void server_name(struct http_server *s, int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);
	char host[INET6_ADDRSTRLEN];

	getsockname(fd, (struct sockaddr *)&addr, &len);
	bool v6 = addr.ss_family == AF_INET6;
	s->port = ntohs(v6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
			   : ((struct sockaddr_in *)&addr)->sin_port);
	address_text((struct sockaddr *)&addr, host, sizeof(host));
	snprintf(s->url, sizeof(s->url), v6 ? "http://[%s]:%u" : "http://%s:%u", host, s->port);
}

/* Life. */

static struct MHD_Daemon *daemon_start(struct http_server *s, int fd)
{
	/*
	 * 32 KiB a connection is what a request's line and header, with the library's overhead of
	 * some 70 bytes a field, may take (431 above it), and its window on the body.
	 */
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
		NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, s->opts.max_connections,
		MHD_OPTION_CONNECTION_TIMEOUT, (s->opts.idle_timeout_ms + 999) / 1000,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32768,
		MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)8192, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_UNESCAPE_CALLBACK,
		on_unescape, s, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

static void opts_fill(struct http_server_opts *o)
{
	if (!o->max_connections)
		o->max_connections = 4096;
	if (!o->idle_timeout_ms)
		o->idle_timeout_ms = 65 * 1000;
	if (!o->receive_timeout_ms)
		o->receive_timeout_ms = 300 * 1000;
	if (!o->max_bodies)
		o->max_bodies = (size_t)1 << 30;
}

int http_server_new(struct loop *l, const struct http_server_opts *opts, struct http_server **ret,
	struct err *err)
{
	own(http_server_free) struct http_server *s = NEW(struct http_server);

	assert(opts->handler);
	s->loop = l;
	s->opts = *opts;
	opts_fill(&s->opts);
	int fd = listen_socket(opts->listen, err);
	TRY(fd);
	server_name(s, fd);
	s->daemon = daemon_start(s, fd);
	if (!s->daemon) {
		close(fd);
		return err_set(
			err, ERR_IO, "cannot start the HTTP server on %.*s", SV(opts->listen));
	}
	int epoll_fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	s->watch = watch_new(l, epoll_fd, run_watch_fired, s);
	watch_set(s->watch, WATCH_READ);
	server_run(s); /* puts the listening socket into its epoll set */
	*ret = take(s);
	return 0;
}

/* No more connections: what waits in the backlog gets a last chance. */
static void server_quiesce(struct http_server *s)
{
	s->quiesced = true;
	server_run(s);
	int fd = MHD_quiesce_daemon(s->daemon);
	if (fd >= 0)
		close(fd);
}

static void server_close(struct http_server *s)
{
	if (!s->daemon)
		return;
	watch_free(take(s->watch));
	MHD_stop_daemon(take(s->daemon));
	timer_stop(s->loop, &s->run_timer);
	timer_stop(s->loop, &s->sweep_timer);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	for (struct call *c = s->calls; c; c = c->next)
		assert(c->state != CALL_HANDLED && c->state != CALL_PARKED);
	s->drained = NULL;
	server_close(s);
	timer_stop(s->loop, &s->drain_timer);
	mem_free(s);
}

static void drain_step(struct timer *t)
{
	struct http_server *s = container_of(t, struct http_server, drain_timer);

	if (!s->quiesced)
		server_quiesce(s);
	if (s->calls)
		return; /* server_call_ended starts the timer again */
	server_close(s);
	void (*done)(void *) = s->drained;
	s->drained = NULL;
	if (done)
		done(s->drained_ctx);
}

void server_call_ended(struct http_server *s)
{
	if (s->draining && s->daemon && !s->calls && s->drained)
		timer_start(s->loop, &s->drain_timer, 0, drain_step);
}

void http_server_drain(struct http_server *s, void (*done)(void *ctx), void *ctx)
{
	assert(!s->draining);
	s->draining = true;
	s->drained = done;
	s->drained_ctx = ctx;
	timer_start(s->loop, &s->drain_timer, 0, drain_step);
}

void http_server_abort_calls(struct http_server *s)
{
	/* A hook may reply, but no call leaves the list before the library runs again. */
	for (struct call *c = s->calls; c; c = c->next)
		if (c->state == CALL_HANDLED || c->state == CALL_PARKED)
			call_abort(c);
}

const char *http_server_url(const struct http_server *s)
{
	return s->url;
}

unsigned http_server_port(const struct http_server *s)
{
	return s->port;
}

struct http_server_stats http_server_stats(const struct http_server *s)
{
	return s->stats;
}
