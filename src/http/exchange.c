#include "base/clock.h"
#include "base/sv.h"
#include "http/client_impl.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum {
	CONNECT_TIMEOUT_MS = 10 * 1000,
	IDLE_TIMEOUT_MS = 60 * 1000,
	TOTAL_TIMEOUT_MS = 600 * 1000,
	MAX_RESPONSE = 256 << 20,
	MAX_HEADER_BYTES = 256 << 10,
	MAX_HEADER_COUNT = 2000,
	DNS_CACHE_S = 30,
};

/* A look-up to learn why curl's failed: it does not say whether trying again can help. */
struct probe {
	uv_getaddrinfo_t uv;
	struct exchange *x; /* NULL: nobody waits any more */
};

void http_response_init(struct http_response *r)
{
	*r = (struct http_response){ 0 };
}

void http_response_done(struct http_response *r)
{
	buf_done(&r->body);
	arena_done(&r->arena);
	http_response_init(r);
}

/* Ending. */

static void exchange_release(struct exchange *x)
{
	if (x->easy) {
		curl_multi_remove_handle(x->client->multi, x->easy);
		curl_easy_cleanup(x->easy);
		x->easy = NULL;
	}
	curl_slist_free_all(take(x->headers));
	if (x->probe)
		take(x->probe)->x = NULL;
}

static void fill_timings(struct exchange *x)
{
	struct http_response *res = x->res;
	curl_off_t first = 0;
	char *url = NULL;

	res->total_ms = (clock_mono_us() - x->start_us) / 1000;
	if (!x->easy)
		return;
	curl_easy_getinfo(x->easy, CURLINFO_STARTTRANSFER_TIME_T, &first);
	res->ttfb_ms = first / 1000;
	curl_easy_getinfo(x->easy, CURLINFO_EFFECTIVE_URL, &url);
	if (url)
		res->url = arena_sv(&res->arena, sv_str(url));
}

static void fill_error(struct exchange *x)
{
	struct http_response *res = x->res;

	if (x->err.code == ERR_OK)
		return;
	x->client->stats.failed++;
	buf_done(&res->body);
	res->status = 0;
	res->headers = (struct http_headers){ 0 };
	res->reason = SV_NULL;
	res->error.code = x->code;
	res->error.message = arena_sv(&res->arena, sv_str(x->err.msg));
	res->error.host = x->host;
}

static void exchange_end(struct exchange *x)
{
	struct op *op = x->op;
	struct err err = x->err;

	fill_timings(x);
	fill_error(x);
	exchange_release(x);
	timer_stop(x->client->loop, &x->end_timer);
	x->client->stats.active--;
	mem_free(x);
	op_complete(op, &err);
}

static void end_timer_fired(struct timer *t)
{
	exchange_end(container_of(t, struct exchange, end_timer));
}

static void end_later(struct exchange *x)
{
	timer_start(x->client->loop, &x->end_timer, 0, end_timer_fired);
}

static void exchange_cancel(struct op *op)
{
	struct exchange *x = op->impl;

	if (timer_active(&x->end_timer))
		return;
	x->code = "ERR_CANCELED";
	err_set(&x->err, ERR_CANCELLED, "the request was cancelled");
	fill_timings(x);
	exchange_release(x);
	end_later(x);
}

static void probed(uv_getaddrinfo_t *uv, int status, struct addrinfo *found)
{
	struct probe *p = container_of(uv, struct probe, uv);
	struct exchange *x = p->x;

	uv_freeaddrinfo(found);
	mem_free(p);
	if (!x)
		return;
	x->probe = NULL;
	neterr_explain(x, CURLE_COULDNT_RESOLVE_HOST, status ? status : UV_EAI_AGAIN);
	exchange_end(x);
}

static bool probe_start(struct exchange *x)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct probe *p = NEW(struct probe);
	const char *host = arena_str(&x->res->arena, x->host);

	if (!host || uv_getaddrinfo(loop_uv(x->client->loop), &p->uv, probed, host, NULL, &hints)) {
		mem_free(p);
		return false;
	}
	p->x = x;
	x->probe = p;
	return true;
}

void exchange_done(struct exchange *x, CURLcode result)
{
	if (result == CURLE_COULDNT_RESOLVE_HOST && !x->code && probe_start(x))
		return;
	/* To curl a header that just stops is complete. */
	if (result == CURLE_OK && !x->headers_done)
		result = CURLE_GOT_NOTHING;
	if (result != CURLE_OK)
		neterr_explain(x, result, 0);
	exchange_end(x);
}

/* Receiving. */

static size_t give_up(struct exchange *x, const char *code, const char *what, size_t limit)
{
	x->code = code;
	err_set(&x->err, ERR_LIMIT, "the response of %.*s has more than %zu %s", SV(x->host), limit,
		what);
	return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;
	size_t n = size * count;

	buf_add(&x->res->body, data, n);
	if (!buf_ok(&x->res->body))
		return give_up(x, "ERR_LIMIT", "bytes", x->max_response);
	return n;
}

static void header_keep(struct exchange *x, struct http_header h)
{
	struct http_response *res = x->res;

	char *name = arena_str(&res->arena, h.name);
	for (char *p = name; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	http_headers_add(&res->arena, &res->headers, sv_make(name, h.name.len),
		arena_sv(&res->arena, h.value));
}

/* A body that says beforehand that it is too large need not come. HEAD's never does. */
static bool announces_too_much(const struct exchange *x)
{
	struct sv text = http_headers_get(&x->res->headers, "content-length");
	int64_t length;

	return !sv_eq_str(x->req->method, "HEAD") && sv_to_i64(sv_trim(text), &length) &&
	       length > 0 && (uint64_t)length > x->max_response;
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;
	struct sv line = sv_make(data, size * count), reason;
	struct http_header h;

	if (x->headers_done) /* trailers */
		return line.len;
	x->header_bytes += line.len;
	if (x->header_bytes > x->max_header_bytes)
		return give_up(x, "HPE_HEADER_OVERFLOW", "header bytes", x->max_header_bytes);
	if (!x->in_block && http_status_line_parse(line, &x->res->status, &reason)) {
		x->in_block = true;
		x->res->headers.count = 0;
		x->res->reason = arena_sv(&x->res->arena, reason);
	} else if (sv_trim(line).len == 0) {
		x->in_block = false;
		x->headers_done = x->res->status >= 200; /* else more follows: 100, 103 */
		if (x->headers_done && announces_too_much(x))
			return give_up(x, "ERR_LIMIT", "bytes", x->max_response);
	} else if (x->res->headers.count >= x->max_header_count) {
		return give_up(x, "HPE_HEADER_OVERFLOW", "headers", x->max_header_count);
	} else if (http_header_line_parse(line, &h)) {
		header_keep(x, h);
	}
	return line.len;
}

/* The guard, where no name can lie any more. */

static bool guard_refuses(struct exchange *x, const struct sockaddr *addr)
{
	enum guard_verdict v;

	/* A forward proxy is the operator's choice, and looks the names up itself. */
	if (x->client->opts.proxy)
		return false;
	v = guard_check_addr(x->guard, addr, x->host, &x->denied);
	if (v == GUARD_OK)
		return false;
	x->verdict = v;
	return true;
}

static curl_socket_t on_open(void *ctx, curlsocktype purpose UNUSED, struct curl_sockaddr *addr)
{
	struct exchange *x = ctx;

	if (guard_refuses(x, &addr->addr))
		return CURL_SOCKET_BAD;
	x->dialled++;
	return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

/* A connection of the pool was opened for someone else, perhaps under another guard. */
static int on_use(
	void *ctx, char *ip, char *local_ip UNUSED, int port UNUSED, int local_port UNUSED)
{
	struct exchange *x = ctx;

	if (x->client->opts.proxy)
		return CURL_PREREQFUNC_OK;
	x->verdict = guard_check_host(x->guard, sv_str(ip), &x->denied);
	if (x->verdict == GUARD_OK)
		return CURL_PREREQFUNC_OK;
	x->dialled = 0;
	return CURL_PREREQFUNC_ABORT;
}

/* Sending. */

/* The connection's business, not the caller's. */
static bool is_ours(struct sv name)
{
	static const struct sv names[] = { SV_LIT("content-length"), SV_LIT("transfer-encoding"),
		SV_LIT("connection"), SV_LIT("keep-alive"), SV_LIT("proxy-connection"),
		SV_LIT("upgrade"), SV_LIT("expect"), SV_LIT("te"), SV_LIT("trailer") };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (sv_eq_nocase(name, names[i]))
			return true;
	return false;
}

static void header_line(struct exchange *x, const char *line)
{
	struct curl_slist *list = curl_slist_append(x->headers, line);
	assert(list);
	x->headers = list;
}

static void set_headers(struct exchange *x)
{
	const struct http_request *req = x->req;

	for (size_t i = 0; i < req->header_count; i++) {
		const struct http_header *h = &req->headers[i];
		if (is_ours(h->name))
			continue;
		/* A semicolon is curl's way to say "with an empty value". */
		header_line(x, h->value.len ? arena_printf(&x->res->arena, "%.*s: %.*s",
						      SV(h->name), SV(h->value))
					    : arena_printf(&x->res->arena, "%.*s;", SV(h->name)));
	}
	/* What curl would add on its own. */
	header_line(x, "Expect:");
	if (!http_header_find(req->headers, req->header_count, SV_LIT("accept")).ptr)
		header_line(x, "Accept:");
	if (!http_header_find(req->headers, req->header_count, SV_LIT("content-type")).ptr)
		header_line(x, "Content-Type:");
	curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
}

static void set_method(struct exchange *x)
{
	const struct http_request *req = x->req;
	struct sv method = req->method.len ? req->method : SV_LIT("GET");
	bool body = req->body.ptr || sv_eq_str(method, "POST") || sv_eq_str(method, "PUT") ||
		    sv_eq_str(method, "PATCH");

	if (sv_eq_str(method, "HEAD")) {
		curl_easy_setopt(x->easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (body) {
		curl_easy_setopt(x->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.len);
		curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, req->body.ptr ? req->body.ptr : "");
	}
	own_mem char *text = mem_svdup(method);
	curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, text);
}

static void set_limits(struct exchange *x)
{
	const struct http_request *req = x->req;
	unsigned idle = req->idle_timeout_ms ? req->idle_timeout_ms : IDLE_TIMEOUT_MS;

	curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS,
		(long)(req->connect_timeout_ms ? req->connect_timeout_ms : CONNECT_TIMEOUT_MS));
	curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS,
		(long)(req->total_timeout_ms ? req->total_timeout_ms : TOTAL_TIMEOUT_MS));
	curl_easy_setopt(x->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(x->easy, CURLOPT_LOW_SPEED_TIME, (long)((idle + 999) / 1000));
	x->max_response = req->max_response ? req->max_response : MAX_RESPONSE;
	x->max_header_bytes = req->max_header_bytes ? req->max_header_bytes : MAX_HEADER_BYTES;
	x->max_header_count = req->max_header_count ? req->max_header_count : MAX_HEADER_COUNT;
	buf_done(&x->res->body);
	buf_init(&x->res->body, x->max_response);
}

static void set_client_cert(struct exchange *x)
{
	const struct http_request *req = x->req;
	struct curl_blob cert = { (void *)(uintptr_t)req->client_cert.ptr, req->client_cert.len,
		CURL_BLOB_NOCOPY };
	struct curl_blob key = { (void *)(uintptr_t)req->client_key.ptr, req->client_key.len,
		CURL_BLOB_NOCOPY };

	if (!req->client_cert.len)
		return;
	curl_easy_setopt(x->easy, CURLOPT_SSLCERT_BLOB, &cert);
	curl_easy_setopt(x->easy, CURLOPT_SSLKEY_BLOB, &key);
	/* The pool tells connections apart by certificate but not by key: keep out of it. */
	curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(x->easy, CURLOPT_FORBID_REUSE, 1L);
}

static void set_transport(struct exchange *x)
{
	const struct http_client_opts *o = &x->client->opts;

	curl_easy_setopt(x->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(x->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(x->easy, CURLOPT_PROXY, o->proxy ? o->proxy : "");
	curl_easy_setopt(x->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(x->easy, CURLOPT_SHARE, x->client->share);
	curl_easy_setopt(x->easy, CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_S);
	curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
	/* A look-up that hangs must not hold the loop when its request is given up. */
	curl_easy_setopt(x->easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(x->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	if (o->ca_file)
		curl_easy_setopt(x->easy, CURLOPT_CAINFO, o->ca_file);
	if (x->client->resolve)
		curl_easy_setopt(x->easy, CURLOPT_RESOLVE, x->client->resolve);
	curl_easy_setopt(x->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(x->easy, CURLOPT_OPENSOCKETDATA, x);
	curl_easy_setopt(x->easy, CURLOPT_PREREQFUNCTION, on_use);
	curl_easy_setopt(x->easy, CURLOPT_PREREQDATA, x);
}

static void exchange_begin(struct exchange *x)
{
	own_mem char *url = mem_svdup(x->req->url);

	x->easy = curl_easy_init();
	assert(x->easy);
	curl_easy_setopt(x->easy, CURLOPT_URL, url);
	curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
	curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->errbuf);
	curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(x->easy, CURLOPT_BUFFERSIZE, 65536L);
	curl_easy_setopt(x->easy, CURLOPT_ACCEPT_ENCODING, "");
	set_transport(x);
	set_limits(x);
	set_method(x);
	set_headers(x);
	set_client_cert(x);
	CURLMcode rc = curl_multi_add_handle(x->client->multi, x->easy);
	assert(rc == CURLM_OK);
}

/* What curl would send as it is, and must not. */
static bool request_ok(struct exchange *x)
{
	const struct http_request *req = x->req;

	if (req->method.len && !http_token_ok(req->method)) {
		x->code = "ERR_INVALID_HTTP_TOKEN";
		err_set(&x->err, ERR_INVALID, "'%.*s' is not an HTTP method", SV(req->method));
		return false;
	}
	for (size_t i = 0; i < req->header_count; i++) {
		const struct http_header *h = &req->headers[i];
		bool name_ok = http_token_ok(h->name);
		if (name_ok && http_header_value_ok(h->value))
			continue;
		x->code = name_ok ? "ERR_INVALID_CHAR" : "ERR_INVALID_HTTP_TOKEN";
		err_set(&x->err, ERR_INVALID, "invalid character in header %s '%.*s'",
			name_ok ? "content of" : "name", SV(h->name));
		return false;
	}
	return true;
}

static void find_host(struct exchange *x)
{
	own_mem char *url = mem_svdup(x->req->url);
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;

	if (url && !curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME)) {
		curl_url_get(u, CURLUPART_HOST, &host, 0);
		curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
	}
	struct sv h = sv_str(host);
	if (h.len > 2 && h.ptr[0] == '[')
		h = sv_make(h.ptr + 1, h.len - 2);
	x->host = arena_sv(&x->res->arena, h);
	x->port = arena_sv(&x->res->arena, sv_str(port));
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
}

void http_send(struct http_client *c, struct op *op, const struct http_request *req,
	struct http_response *res)
{
	struct exchange *x = NEW(struct exchange);

	*x = (struct exchange){ .client = c, .op = op, .req = req, .res = res };
	x->guard = req->guard ? req->guard : c->opts.guard;
	x->start_us = clock_mono_us();
	op->impl = x;
	op->cancel = exchange_cancel;
	c->stats.sent++;
	c->stats.active++;
	res->start_ms = clock_now_ms();
	res->url = arena_sv(&res->arena, req->url);
	find_host(x);
	x->verdict = guard_check_url(x->guard, req->url, &x->denied);
	if (x->verdict != GUARD_OK)
		neterr_explain(x, CURLE_OK, 0);
	if (x->err.code != ERR_OK || !request_ok(x))
		end_later(x);
	else
		exchange_begin(x);
}
