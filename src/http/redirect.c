#include "http/redirect.h"

#include "base/clock.h"
#include "base/sv.h"
#include "http/client_impl.h"

/* Deciding. */

/* The parts of a URL that decide; strings in the arena. */
struct origin {
	struct sv scheme, host, port;
};

static struct sv url_part(CURLU *u, CURLUPart what, unsigned flags, struct arena *a)
{
	char *text = NULL;

	if (curl_url_get(u, what, &text, flags))
		return SV_NULL;
	struct sv kept = arena_sv(a, sv_str(text));
	curl_free(text);
	return kept;
}

static struct origin origin_of(CURLU *u, struct arena *a)
{
	return (struct origin){
		.scheme = url_part(u, CURLUPART_SCHEME, 0, a),
		.host = url_part(u, CURLUPART_HOST, 0, a),
		.port = url_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, a),
	};
}

static bool host_within(struct sv host, struct sv domain)
{
	if (sv_eq_nocase(host, domain))
		return true;
	if (host.len <= domain.len + 1)
		return false;
	struct sv tail = sv_from(host, host.len - domain.len);
	return tail.ptr[-1] == '.' && sv_eq_nocase(tail, domain);
}

static bool is_default_port(const struct origin *o)
{
	return sv_eq_str(o->port, sv_eq_str(o->scheme, "https") ? "443" : "80");
}

/* Who listens on another port may be somebody else; from http to https is an upgrade. */
static bool same_port(const struct origin *a, const struct origin *b)
{
	return sv_eq(a->port, b->port) || (is_default_port(a) && is_default_port(b));
}

static bool keeps_credentials(
	const struct origin *from, const struct origin *to, enum redirect_keep keep)
{
	switch (keep) {
	case REDIRECT_KEEP_SAME_HOST:
		if (sv_eq_str(from->scheme, "https") && !sv_eq_str(to->scheme, "https"))
			return false;
		return same_port(from, to) && host_within(to->host, from->host);
	case REDIRECT_KEEP_SAME_ORIGIN:
		return sv_eq(from->scheme, to->scheme) && sv_eq_nocase(from->host, to->host) &&
		       sv_eq(from->port, to->port);
	case REDIRECT_KEEP_ALL: return true;
	case REDIRECT_KEEP_PLAIN: return false;
	}
	return false;
}

static bool is_one_of(struct sv name, const struct sv *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (sv_eq_nocase(name, names[i]))
			return true;
	return false;
}

static bool header_goes_along(
	struct sv name, enum redirect_keep keep, bool credentials, bool body_dropped)
{
	static const struct sv secret[] = { SV_LIT("authorization"), SV_LIT("proxy-authorization"),
		SV_LIT("cookie") };
	static const struct sv plain[] = { SV_LIT("accept"), SV_LIT("accept-encoding"),
		SV_LIT("content-type"), SV_LIT("user-agent") };
	static const struct sv content = SV_LIT("content-");

	if (sv_eq_nocase(name, SV_LIT("host")))
		return false;
	if (body_dropped && name.len > content.len &&
		sv_eq_nocase(sv_make(name.ptr, content.len), content))
		return false;
	if (keep == REDIRECT_KEEP_PLAIN)
		return is_one_of(name, plain, ARRAY_LEN(plain));
	return credentials || !is_one_of(name, secret, ARRAY_LEN(secret));
}

static void copy_headers(const struct http_request *req, enum redirect_keep keep, bool credentials,
	bool body_dropped, struct arena *a, struct http_request *ret)
{
	struct http_headers kept = { 0 };

	for (size_t i = 0; i < req->header_count; i++) {
		const struct http_header *h = &req->headers[i];
		if (header_goes_along(h->name, keep, credentials, body_dropped))
			http_headers_add(a, &kept, h->name, h->value);
	}
	ret->headers = kept.items;
	ret->header_count = kept.count;
}

/* 303 always asks for the other page; 301 and 302 do so after a POST, because everyone does. */
static bool becomes_get(int status, struct sv method)
{
	if (status == 303)
		return !sv_eq_str(method, "GET") && !sv_eq_str(method, "HEAD");
	return (status == 301 || status == 302) && sv_eq_str(method, "POST");
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool url_set(CURLU *u, struct sv url)
{
	own_mem char *text = mem_svdup(url);
	unsigned flags = CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE | CURLU_ALLOW_SPACE;

	return strlen(text) == url.len && curl_url_set(u, CURLUPART_URL, text, flags) == CURLUE_OK;
}

static int next_request(CURLU *u, const struct http_request *req, const struct http_response *res,
	enum redirect_keep keep, struct arena *a, struct http_request *ret, struct err *err)
{
	struct sv location = http_headers_get(&res->headers, "location");

	if (!url_set(u, req->url))
		return err_set(err, ERR_INVALID, "'%.*s' is not a URL", SV(req->url));
	struct origin from = origin_of(u, a);
	if (!url_set(u, location))
		return err_set(err, ERR_INVALID, "redirected to '%.*s', which is not a URL",
			(int)(location.len > 120 ? 120 : location.len), location.ptr);
	struct origin to = origin_of(u, a);
	struct http_request next = *req;
	next.url = url_part(u, CURLUPART_URL, 0, a);
	bool drop = becomes_get(res->status, req->method.len ? req->method : SV_LIT("GET"));
	if (drop) {
		next.method = SV_LIT("GET");
		next.body = SV_NULL;
	}
	copy_headers(req, keep, keeps_credentials(&from, &to, keep), drop, a, &next);
	*ret = next;
	return 1;
}

int redirect_next(const struct http_request *req, const struct http_response *res,
	enum redirect_keep keep, struct arena *arena, struct http_request *ret, struct err *err)
{
	if (!is_redirect(res->status) || http_headers_get(&res->headers, "location").len == 0)
		return 0;
	CURLU *u = curl_url();
	int rc = next_request(u, req, res, keep, arena, ret, err);
	curl_url_cleanup(u);
	return rc;
}

/* Following. */

enum { ASK, FOLLOW };

struct fetch {
	struct flow flow;
	struct http_client *client;
	struct op *op; /* the caller's */
	struct http_request req; /* of this hop */
	struct redirect_policy policy;
	struct http_response *res;
	unsigned hops;
	int64_t start_ms, start_us;
};

static int fetch_ask(struct flow *f)
{
	struct fetch *h = container_of(f, struct fetch, flow);

	f->op.done = flow_wake;
	f->op.ctx = f;
	http_send(h->client, &f->op, &h->req, h->res);
	return flow_wait(f, FOLLOW);
}

/* The response that fetch would give cannot be had: say so in its place. */
static int fetch_fail(struct fetch *h, const char *code, enum err_code err, const char *msg)
{
	struct http_response *res = h->res;
	struct sv text = arena_sv(&res->arena, sv_str(msg));

	buf_done(&res->body);
	res->status = 0;
	res->headers = (struct http_headers){ 0 };
	res->error.code = code;
	res->error.message = text;
	return err_set(&h->flow.err, err, "%s", msg);
}

static bool is_denial(const char *code)
{
	return code && (strncmp(code, "denied_", 7) == 0 || strcmp(code, "invalid_scheme") == 0);
}

static int fetch_follow(struct flow *f)
{
	struct fetch *h = container_of(f, struct fetch, flow);
	struct err err = { 0 };

	h->res->hops = h->hops;
	if (f->err.code != ERR_OK) {
		if (h->hops && is_denial(h->res->error.code))
			h->res->error.code = "redirect_denied";
		return FLOW_END;
	}
	if (h->policy.max_hops == 0)
		return FLOW_END;
	int rc = redirect_next(&h->req, h->res, h->policy.keep, &f->arena, &h->req, &err);
	if (rc < 0)
		return fetch_fail(h, "invalid_redirect", err.code, err.msg);
	if (rc == 0)
		return FLOW_END;
	if (h->hops++ == h->policy.max_hops)
		return fetch_fail(h, "ERR_FR_TOO_MANY_REDIRECTS", ERR_UPSTREAM,
			"Maximum number of redirects exceeded");
	http_response_done(h->res);
	return ASK;
}

static void fetch_ended(struct flow *f)
{
	struct fetch *h = container_of(f, struct fetch, flow);
	struct op *op = h->op;
	struct err err = f->err;

	h->res->start_ms = h->start_ms;
	h->res->total_ms = (clock_mono_us() - h->start_us) / 1000;
	flow_done(f);
	mem_free(h);
	op_complete(op, &err);
}

static const struct flow_step fetch_steps[] = {
	/* http_send keeps its own, finer timeouts; this is only the law of flows. */
	[ASK] = { "ask", fetch_ask, .timeout_ms = 3600 * 1000 },
	[FOLLOW] = { "follow redirect", fetch_follow, .catches = true },
};

static void fetch_cancel(struct op *op)
{
	struct fetch *h = op->impl;
	flow_cancel(&h->flow, ERR_CANCELLED, "the request was cancelled");
}

void http_fetch(struct http_client *c, struct op *op, const struct http_request *req,
	struct redirect_policy policy, struct http_response *res)
{
	struct fetch *h = NEW(struct fetch);

	*h = (struct fetch){ .client = c, .op = op, .req = *req, .policy = policy, .res = res };
	h->start_ms = clock_now_ms();
	h->start_us = clock_mono_us();
	flow_init(&h->flow, c->loop, fetch_steps, fetch_ended);
	op->impl = h;
	op->cancel = fetch_cancel;
	flow_start(&h->flow, ASK);
}
