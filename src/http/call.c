#include "base/clock.h"
#include "base/sv.h"
#include "http/server_impl.h"

#include <errno.h>
#include <sys/socket.h>

/* A refused body up to this size is read to its end: a reply before that is often never seen. */
enum { DISCARD_MAX = 256 << 20 };

/* Splits the request target; an absolute one ("http://host/path") loses its host. */
static void target_parse(struct http_call *call, struct sv target)
{
	ptrdiff_t scheme = target.len && target.ptr[0] != '/' ? sv_find(target, SV_LIT("://")) : -1;

	if (scheme > 0) {
		target = sv_from(target, (size_t)scheme + 3);
		ptrdiff_t slash = sv_find_char(target, '/');
		target = slash < 0 ? SV_LIT("/") : sv_from(target, (size_t)slash);
	}
	ptrdiff_t mark = sv_find_char(target, '?');
	if (mark >= 0)
		call->query = sv_from(target, (size_t)mark + 1);
	call->path_raw = mark < 0 ? target : sv_make(target.ptr, (size_t)mark);
	call->path = http_unpercent(&call->arena, call->path_raw);
}

struct call *call_new(
	struct http_server *s, struct MHD_Connection *mhd, struct conn *conn, const char *uri)
{
	struct call *c = NEW(struct call);

	c->server = s;
	c->mhd = mhd;
	c->conn = conn;
	c->pub.start_us = clock_mono_us();
	c->pub.remote = sv_str(conn->remote);
	target_parse(&c->pub, arena_sv(&c->pub.arena, sv_str(uri)));
	conn->until_us = c->pub.start_us + s->opts.receive_timeout_ms * INT64_C(1000);
	c->next = s->calls;
	if (c->next)
		c->next->prev = c;
	s->calls = c;
	s->stats.active++;
	return c;
}

static void body_done(struct call *c)
{
	c->server->stats.body_bytes -= c->body.cap;
	buf_done(&c->body);
}

void call_free(struct call *c)
{
	/* The library never ends a suspended connection, and we never free an unanswered call. */
	assert(c->state != CALL_HANDLED && c->state != CALL_PARKED);
	struct http_server *s = c->server;
	if (c->prev)
		c->prev->next = c->next;
	else
		s->calls = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->stats.active--;
	body_done(c);
	watch_free(c->watch);
	if (c->response)
		MHD_destroy_response(c->response);
	arena_done(&c->pub.arena);
	mem_free(c);
	server_call_ended(s);
}

static enum MHD_Result header_add(void *ctx, enum MHD_ValueKind kind UNUSED, const char *name,
	size_t name_len, const char *value, size_t value_len)
{
	struct call *c = ctx;
	http_headers_add(&c->pub.arena, &c->pub.headers, sv_make(name, name_len),
		sv_make(value ? value : "", value_len));
	return MHD_YES;
}

/* Gives the reply to the library: the connection is ours to use only inside its callback. */
static enum MHD_Result reply_queue(struct call *c)
{
	assert(c->state == CALL_REPLIED);
	c->state = CALL_SENT;
	c->conn->until_us = 0;
	enum MHD_Result r = MHD_queue_response(c->mhd, (unsigned)c->status, c->response);
	MHD_destroy_response(take(c->response));
	body_done(c);
	return r;
}

static void refuse_plainly(struct http_call *call, int status)
{
	bool large = status == 413;
	const char *text =
		arena_printf(&call->arena, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}",
			large ? "request_too_large" : "server_busy",
			large ? "The request body is larger than this endpoint accepts"
			      : "Too many large requests at once, try again");
	http_reply(call, &(struct http_answer){ .status = status,
				 .content_type = "application/json",
				 .body = sv_str(text) });
}

static enum MHD_Result refuse(struct call *c)
{
	struct http_server *s = c->server;

	s->stats.refused++;
	c->state = CALL_HANDLED;
	if (s->opts.refuse)
		s->opts.refuse(s->opts.ctx, &c->pub, c->refused);
	else
		refuse_plainly(&c->pub, c->refused);
	assert(c->state == CALL_REPLIED);
	return reply_queue(c);
}

/* The client is looked for with its own watch: the library does not, on a suspended connection. */
static void departure_check(void *ctx, int events UNUSED)
{
	struct call *c = ctx;
	char byte;

	ssize_t n = recv(c->conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A pipelined request hides whether the client is still there. */
	watch_set(c->watch, 0);
	if (n <= 0)
		call_abort(c);
}

static void departure_watch(struct call *c)
{
	if (!c->abort || c->watch || c->state != CALL_PARKED)
		return;
	c->watch = watch_new(c->server->loop, c->conn->fd, departure_check, c);
	watch_set(c->watch, WATCH_READ);
}

void call_abort(struct call *c)
{
	void (*abort)(struct http_call *, void *) = c->abort;

	c->pub.aborted = true;
	c->abort = NULL;
	if (abort)
		abort(&c->pub, c->abort_ctx);
}

void http_call_on_abort(
	struct http_call *call, void (*fn)(struct http_call *call, void *ctx), void *ctx)
{
	struct call *c = container_of(call, struct call, pub);

	assert(c->state == CALL_HANDLED || c->state == CALL_PARKED);
	c->abort = fn;
	c->abort_ctx = ctx;
	departure_watch(c);
}

static enum MHD_Result dispatch(struct call *c)
{
	struct http_server *s = c->server;

	c->pub.body = buf_sv(&c->body);
	c->conn->until_us = 0;
	c->state = CALL_HANDLED;
	s->stats.requests++;
	s->opts.handler(s->opts.ctx, &c->pub);
	if (c->state == CALL_REPLIED)
		return reply_queue(c);
	c->state = CALL_PARKED;
	MHD_suspend_connection(c->mhd);
	departure_watch(c);
	return MHD_YES;
}

/* Bytes of memory the body holds count, not its length: that is what runs out. */
static bool body_add(struct call *c, const char *data, size_t len)
{
	struct http_server *s = c->server;
	size_t had = c->body.cap;

	if (len > c->limit - c->body.len) {
		c->refused = 413;
		return false;
	}
	if (s->stats.body_bytes - had + c->body.len + len > s->opts.max_bodies) {
		c->refused = 503;
		return false;
	}
	buf_add(&c->body, data, len);
	s->stats.body_bytes += c->body.cap - had;
	return true;
}

static bool header_is(const struct call *c, const char *name, const char *value)
{
	return sv_eq_nocase(http_headers_get(&c->pub.headers, name), sv_str(value));
}

/* The header is complete: decide what to do with the body, if there is one. */
static enum MHD_Result begin(struct call *c, const char *method)
{
	struct http_server *s = c->server;
	int64_t length = 0;

	c->pub.method = sv_str(method);
	MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND, header_add, c);
	c->limit = s->opts.limit ? s->opts.limit(s->opts.ctx, &c->pub) : 0;
	buf_init(&c->body, c->limit);
	c->state = CALL_BODY;
	struct sv text = http_headers_get(&c->pub.headers, "content-length");
	/* A length that does not fit is too large whatever it means. */
	if (text.ptr && !sv_to_i64(text, &length))
		length = INT64_MAX;
	if (length < 0 || (uint64_t)length <= c->limit)
		return MHD_YES;
	c->refused = 413;
	c->state = CALL_DISCARD;
	if (length > DISCARD_MAX || header_is(c, "expect", "100-continue"))
		return refuse(c);
	return MHD_YES;
}

static enum MHD_Result body_piece(struct call *c, const char *data, size_t len)
{
	if (c->state == CALL_BODY && body_add(c, data, len))
		return MHD_YES;
	if (c->state == CALL_BODY)
		body_done(c);
	c->state = CALL_DISCARD;
	c->discarded += len;
	/* Endless chunks: nothing but closing can be said in the middle of a body. */
	return c->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
}

enum MHD_Result call_feed(struct call *c, const char *method, const char *data, size_t *len)
{
	switch (c->state) {
	case CALL_NEW: return begin(c, method);
	case CALL_BODY:
	case CALL_DISCARD: {
		size_t n = *len;
		*len = 0;
		if (n)
			return body_piece(c, data, n);
		return c->state == CALL_BODY ? dispatch(c) : refuse(c);
	}
	case CALL_REPLIED: return reply_queue(c);
	case CALL_HANDLED:
	case CALL_PARKED:
	case CALL_SENT: break;
	}
	return MHD_YES;
}

static void body_free(void *p)
{
	mem_free(p);
}

static struct MHD_Response *response_new(const struct http_answer *a)
{
	struct sv s = a->body;

	if (a->buf) {
		size_t len;
		assert(buf_ok(a->buf));
		char *bytes = buf_steal(a->buf, &len);
		return MHD_create_response_from_buffer_with_free_callback_cls(
			len, bytes, body_free, bytes);
	}
	enum MHD_ResponseMemoryMode mode = MHD_RESPMEM_MUST_COPY;
	if (a->body_static.ptr) {
		s = a->body_static;
		mode = MHD_RESPMEM_PERSISTENT;
	}
	/* The library does not write to it. */
	return MHD_create_response_from_buffer(s.len, (void *)(uintptr_t)s.ptr, mode);
}

/* Framing is the library's: what a provider said about its own must not leak into ours. */
static bool is_framing(struct sv name)
{
	static const struct sv names[] = { SV_LIT("content-length"), SV_LIT("transfer-encoding"),
		SV_LIT("connection"), SV_LIT("keep-alive"), SV_LIT("upgrade"), SV_LIT("trailer") };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (sv_eq_nocase(name, names[i]))
			return true;
	return false;
}

static void response_headers(struct call *c, const struct http_answer *a)
{
	if (a->content_type)
		MHD_add_response_header(c->response, "Content-Type", a->content_type);
	for (size_t i = 0; i < a->header_count; i++) {
		const struct http_header *h = &a->headers[i];
		if (is_framing(h->name) || !http_token_ok(h->name) ||
			!http_header_value_ok(h->value))
			continue;
		MHD_add_response_header(c->response, arena_str(&c->pub.arena, h->name),
			h->value.len ? arena_str(&c->pub.arena, h->value) : "");
	}
	if (a->close || c->server->draining)
		MHD_add_response_header(c->response, "Connection", "close");
}

void http_reply(struct http_call *call, const struct http_answer *a)
{
	struct call *c = container_of(call, struct call, pub);
	bool parked = c->state == CALL_PARKED;

	assert(parked || c->state == CALL_HANDLED);
	assert(a->status >= 200 && a->status <= 999);
	c->status = a->status;
	c->response = response_new(a);
	assert(c->response);
	response_headers(c, a);
	c->state = CALL_REPLIED;
	c->abort = NULL;
	watch_free(take(c->watch));
	if (!parked)
		return;
	MHD_resume_connection(c->mhd);
	server_wake(c->server);
}
