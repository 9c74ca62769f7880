#include "proxy/proxy.h"

#include "auth/token.h"
#include "base/clock.h"
#include "base/sv.h"
#include "crypto/random.h"
#include "data/uuid.h"
#include "db/db.h"
#include "http/redirect.h"
#include "model/provider.h"
#include "proxy/body.h"
#include "proxy/cache.h"
#include "proxy/cert.h"
#include "proxy/headers.h"
#include "proxy/limit.h"
#include "proxy/lines.h"
#include "proxy/replay.h"
#include "proxy/request_impl.h"
#include "proxy/retry.h"
#include "proxy/sign.h"
#include "proxy/target.h"
#include "proxy/url.h"

#include <stdio.h>

enum {
	LOAD,
	LOADED,
	CHECK,
	CHECKED,
	SEND,
	PERMITTED,
	FETCH,
	LOOK,
	RENEW,
	RENEWED,
	DECIDE,
	AGAIN,
	REFUSE,
	DONE
};
enum { MAX_HOPS = 5, RETRIES_MAX = 50, LONG_WAIT_MS = 1000, MAX_WAIT_MS = 60 * 1000 };

/* The end. */

static void ended(struct flow *f)
{
	struct request *r = container_of(f, struct request, flow);
	struct op *op = r->op;
	struct err err = f->err;

	if (r->out)
		limiter_lost(&r->ticket);
	else
		limiter_unused(&r->ticket);
	proxy_cached_unref(r->conn);
	arena_done(&r->attempt);
	flow_done(f);
	mem_free(r);
	op_complete(op, &err);
}

static void cancel(struct op *op)
{
	struct request *r = op->impl;

	flow_cancel(&r->flow, ERR_CANCELLED, "the request was cancelled");
}

/* No response: the reply says why. */
static void answer_without(struct proxy_reply *reply, const char *kind, const char *code,
	int status, struct sv message)
{
	reply->kind = kind;
	reply->status = status;
	snprintf(reply->code, sizeof(reply->code), "%s", code);
	snprintf(reply->message, sizeof(reply->message), "%.*s", SV(message));
}

/* It cannot even be sent. */
static void refuse(
	struct request *r, const char *kind, const char *code, int status, const char *message)
{
	answer_without(r->reply, kind, code, status, sv_str(message));
	lines_refused(r);
}

/* LOAD: the connection as it is now. */

static int job_load(struct dbc *c, void *arg, struct err *err)
{
	struct request *r = arg;
	struct proxy_cached *conn = r->conn;

	proxy_target_done(&conn->target);
	int rc = proxy_target_load(c, r->proxy->keys, r->proxy->providers, conn->environment_id,
		conn->integration, conn->connection_id, &conn->arena, &conn->target, &r->refusal,
		err);
	if (rc >= 0 || !r->refusal.kind)
		return rc;
	r->refused = *err; /* the caller's fault is a result, not a failed job */
	return 0;
}

static int enter_load(struct flow *f)
{
	struct request *r = container_of(f, struct request, flow);
	struct proxy *p = r->proxy;

	proxy_cached_unref(take(r->conn));
	arena_done(&r->attempt);
	r->redactor = (struct redactor){ 0 };
	if (!r->reload)
		r->conn = proxy_cache_find(p->cache, p->db, r->req.environment_id,
			r->req.integration, r->req.connection_id);
	if (r->conn)
		return CHECK;
	r->reload = false;
	r->conn = proxy_cached_new(
		p->db, r->req.environment_id, r->req.integration, r->req.connection_id);
	r->refusal = (struct proxy_refusal){ 0 };
	f->op.done = flow_wake;
	f->op.ctx = f;
	db_submit(p->db, DB_READ, &f->op, job_load, r);
	return flow_wait(f, LOADED);
}

static int enter_loaded(struct flow *f)
{
	struct request *r = container_of(f, struct request, flow);

	if (r->refusal.kind) {
		refuse(r, r->refusal.kind, r->refusal.code, r->refusal.status, r->refused.msg);
		return FLOW_END;
	}
	proxy_cache_put(r->proxy->cache, r->conn);
	return CHECK;
}

/* CHECK: a token that is about to expire is renewed first. */

static int start_refresh(struct request *r, enum refresh_why why, int next)
{
	struct flow *f = &r->flow;
	struct refresh_request req = { .connection = r->conn->target.id,
		.why = why,
		.known = r->conn->target.credentials_sealed };

	f->op.done = flow_wake;
	f->op.ctx = f;
	refresh_connection(r->proxy->refresher, &f->op, &req, &r->refresh);
	return flow_wait(f, next);
}

static int enter_check(struct flow *f)
{
	struct request *r = container_of(f, struct request, flow);
	const struct proxy_target *t = &r->conn->target;

	if (!r->proxy->refresher || r->checked ||
		token_state(t->provider, &t->credentials, clock_now_ms()) == TOKEN_FRESH)
		return SEND;
	return start_refresh(r, REFRESH_DUE, CHECKED);
}

static int enter_checked(struct flow *f)
{
	struct request *r = container_of(f, struct request, flow);
	const struct refresh_outcome *o = &r->refresh;

	r->checked = true;
	r->reload = o->renewed;
	if (o->renewed)
		return LOAD;
	if (o->usable)
		return SEND;
	refuse(r, "control", o->code, o->status, o->message);
	return FLOW_END;
}

/* SEND: one attempt. */

static int build(struct request *r, const char **code, struct err *err)
{
	struct proxy_vars v = { .target = &r->conn->target,
		.arena = &r->attempt,
		.method = r->req.method,
		.endpoint = r->req.endpoint,
		.now_ms = clock_now_ms(),
		.content_type = proxy_content_type(&r->req),
		.body = r->req.body };
	struct http_headers headers;
	struct sv url, body;

	uuid_format(uuid_v4(), v.random);
	TRY(proxy_url_build(&v, &r->req, &url, code, err));
	struct url_parts parts = url_split(url);
	v.scheme = parts.scheme, v.host = parts.host, v.path = parts.path, v.query = parts.query;
	*code = "ERR_INVALID_CHAR";
	TRY(proxy_headers_build(&v, &r->req, &headers, err));
	*code = "ERR_BAD_REQUEST";
	TRY(proxy_body_build(&v, &r->req, &body, err));
	r->http = (struct http_request){
		.method = r->req.method,
		.url = url,
		.headers = headers.items,
		.header_count = headers.count,
		.body = body,
	};
	*code = "ERR_BAD_REQUEST";
	TRY(proxy_sign_aws(&v, &r->http, err));
	*code = "invalid_certificate_or_key_format";
	return proxy_client_cert(&r->conn->target, &r->attempt, &r->http, err);
}

static struct redirect_policy redirects(const struct request *r)
{
	bool all = r->req.forward_headers_on_redirect ||
		   r->conn->target.provider->forward_headers_on_redirect;

	return (struct redirect_policy){ .max_hops = MAX_HOPS,
		.keep = all ? REDIRECT_KEEP_ALL : REDIRECT_KEEP_SAME_HOST };
}

/* The rate limit leaves it no time. */
static int no_room(struct request *r, int next)
{
	proxy_limit_refuse(r->reply, &r->ticket);
	lines_no_room(r);
	return next;
}

static int ask_limiter(struct request *r)
{
	struct flow *f = &r->flow;
	const struct limiter_ask ask = { .key = proxy_limit_key(&r->req, r->http.url, &r->attempt),
		.lane = proxy_limit_lane(r->http.url),
		.owner = r->req.owner,
		.max_wait_ms = r->req.max_wait_ms };

	f->op.done = flow_wake;
	f->op.ctx = f;
	switch (limiter_enter(r->proxy->limiter, &r->ticket, &ask, &f->op)) {
	case LIMITER_GO: return FETCH;
	case LIMITER_WAIT:
		if (r->ticket.wait_ms > LONG_WAIT_MS)
			lines_wait(r, r->ticket.wait_ms, false);
		return flow_wait(f, PERMITTED);
	case LIMITER_REFUSED: break;
	}
	return no_room(r, REFUSE);
}

static int enter_send(struct flow *f)
{
	struct request *r = container_of(f, struct request, flow);
	const char *code = NULL;
	struct err err = { 0 };

	redactor_init(&r->redactor, &r->conn->target, &r->attempt);
	if (build(r, &code, &err) < 0) {
		refuse(r, "client", code, 400, redact_text(&r->redactor, sv_str(err.msg)).ptr);
		return REFUSE;
	}
	return r->ticket.held ? FETCH : ask_limiter(r);
}

/* PERMITTED: its turn under the provider's rate limit has come, or never will. */

static int enter_permitted(struct flow *f)
{
	struct request *r = container_of(f, struct request, flow);

	if (f->err.code == ERR_LIMIT && !f->cancelled) {
		f->err = (struct err){ 0 };
		return no_room(r, FLOW_END);
	}
	if (f->err.code != ERR_OK)
		return f->err.code;
	if (r->ticket.waited_ms <= LONG_WAIT_MS)
		return FETCH;
	if (r->ticket.wait_ms <= LONG_WAIT_MS)
		lines_wait(r, r->ticket.waited_ms, true);
	/* Token, time and all else in it are old by now; the ticket is kept. */
	r->checked = false;
	return LOAD;
}

static int enter_fetch(struct flow *f)
{
	struct request *r = container_of(f, struct request, flow);

	r->tries++;
	r->reply->attempts = r->tries;
	r->http.url = replay_url(r->http.url, r->req.connection_id, &r->attempt);
	f->op.done = flow_wake;
	f->op.ctx = f;
	r->out = true;
	http_fetch(r->proxy->client, &f->op, &r->http, redirects(r), &r->reply->response);
	return flow_wait(f, LOOK);
}

/* What a decision is made of. */

static uint32_t random_u32(void)
{
	uint32_t n;

	random_bytes(&n, sizeof(n));
	return n;
}

static struct retry_input outcome(const struct request *r)
{
	const struct http_response *res = &r->reply->response;

	return (struct retry_input){
		.network_code = res->status ? NULL : res->error.code,
		.status = res->status,
		.headers = &res->headers,
		.body = buf_sv(&res->body),
		.provider = &r->conn->target.provider->retry,
		.retry_on = r->req.retry_on,
		.retry_on_count = r->req.retry_on_count,
		.at_header = r->req.retry_at_header,
		.after_header = r->req.retry_after_header,
		.attempt = r->tries,
		.same_credentials =
			r->renewed ||
			(r->refused_credentials.ptr &&
				sv_eq(r->refused_credentials, r->conn->target.credentials_sealed)),
		.now_ms = clock_now_ms(),
		.base_ms = r->proxy->backoff_base_ms,
		.random = random_u32(),
	};
}

/* The limiter learns from every answer; rules that only this provider has are told it. */
static void hand_back(struct request *r, const struct retry_input *in)
{
	bool limited = in->status == 429 || (in->status >= 400 && retry_quota_used_up(in));

	r->out = false;
	if (in->status)
		limiter_answered(
			&r->ticket, in->status, in->headers, limited ? retry_told_ms(in) : -1);
	else
		limiter_lost(&r->ticket);
}

/* Codes of the egress guard: not the network's fault, and functions tell them apart by name. */
static bool is_egress_code(const char *code)
{
	static const char *const codes[] = { "invalid_url", "invalid_scheme", "denied_hostname",
		"denied_ip", "denied_dns", "redirect_denied" };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

static int finish(struct request *r)
{
	struct proxy_reply *reply = r->reply;
	const struct http_error *e = &reply->response.error;

	if (reply->response.status)
		return FLOW_END;
	const char *code = e->code ? e->code : "ECONNABORTED";
	struct sv message = redact_text(&r->redactor, e->message);
	bool egress = is_egress_code(code);
	answer_without(reply, egress ? "client" : "network", code, egress ? 400 : 502, message);
	if (egress)
		reply->name = "OutboundUrlError";
	snprintf(reply->hostname, sizeof(reply->hostname), "%.*s", SV(e->host));
	return FLOW_END;
}

static void remember_refusal(struct request *r)
{
	if (r->reply->response.status == 401)
		r->refused_credentials =
			arena_sv(&r->flow.arena, r->conn->target.credentials_sealed);
}

/* LOOK: at what came back. */

static int enter_look(struct flow *f)
{
	struct request *r = container_of(f, struct request, flow);

	if (f->cancelled)
		return f->err.code;
	f->err = (struct err){ 0 }; /* no response is a result; response.error says why */
	const struct retry_input in = outcome(r);
	hand_back(r, &in);
	lines_attempt(r);
	return r->reply->response.status == 401 ? RENEW : DECIDE;
}

/* RENEW: a token that the provider refuses is replaced once, and the request sent again. */

static int enter_renew(struct flow *f)
{
	struct request *r = container_of(f, struct request, flow);
	const struct proxy_target *t = &r->conn->target;

	if (!r->proxy->refresher || r->renewed || !token_renewable(t->provider, &t->credentials))
		return DECIDE;
	return start_refresh(r, REFRESH_REFUSED, RENEWED);
}

static int enter_renewed(struct flow *f)
{
	struct request *r = container_of(f, struct request, flow);

	if (f->cancelled)
		return f->err.code;
	f->err = (struct err){ 0 }; /* without a new token the 401 is the result */
	if (!r->refresh.renewed)
		return DECIDE;
	r->renewed = r->checked = r->reload = true;
	http_response_done(&r->reply->response);
	http_response_init(&r->reply->response);
	return LOAD;
}

/* DECIDE: done, or again after a wait. */

static int enter_decide(struct flow *f)
{
	struct request *r = container_of(f, struct request, flow);
	const struct http_response *res = &r->reply->response;
	/* The attempt with the refused token does not count. */
	unsigned allowed = (unsigned)r->req.retries + r->renewed;
	const struct retry_input in = outcome(r);

	bool good = res->status >= 200 && res->status < 300;
	if (good || r->tries > allowed)
		return finish(r);
	struct retry_decision d = retry_decide(&in);
	lines_decision(r, &d);
	if (!d.retry)
		return finish(r);
	remember_refusal(r);
	http_response_done(&r->reply->response);
	http_response_init(&r->reply->response);
	return flow_sleep(f, d.wait_ms, AGAIN);
}

static int enter_again(struct flow *f UNUSED)
{
	return LOAD;
}

/* With a cached connection nothing has waited yet, and no operation ends where it begins. */
static int enter_refuse(struct flow *f)
{
	return flow_sleep(f, 0, DONE);
}

static int enter_done(struct flow *f UNUSED)
{
	return FLOW_END;
}

static const struct flow_step steps[] = {
	[LOAD] = { "load connection", enter_load, .timeout_ms = 30000 },
	[LOADED] = { "take connection", enter_loaded },
	[CHECK] = { "refresh token", enter_check, .timeout_ms = 5 * 60 * 1000 },
	[CHECKED] = { "take token", enter_checked },
	/* Longer than any caller waits: the limiter keeps to max_wait_ms. */
	[SEND] = { "wait for the rate limit", enter_send, .timeout_ms = 48 * 3600 * 1000 },
	[PERMITTED] = { "be let through", enter_permitted, .catches = true },
	[FETCH] = { "send request", enter_fetch, .timeout_ms = 11 * 60 * 1000 },
	[LOOK] = { "read response", enter_look, .catches = true },
	[RENEW] = { "renew token", enter_renew, .timeout_ms = 5 * 60 * 1000 },
	[RENEWED] = { "take new token", enter_renewed, .catches = true },
	[DECIDE] = { "decide on a retry", enter_decide },
	[AGAIN] = { "try again", enter_again },
	[REFUSE] = { "refuse request", enter_refuse },
	[DONE] = { "end", enter_done },
};

/* The beginning. */

static const struct proxy_pair *copy_pairs(
	struct arena *a, const struct proxy_pair *pairs, size_t count)
{
	struct proxy_pair *out = arena_array(a, count + 1, sizeof(*out));

	for (size_t i = 0; i < count; i++)
		out[i] = (struct proxy_pair){ arena_sv(a, pairs[i].name),
			arena_sv(a, pairs[i].value) };
	return out;
}

static struct proxy_request copy_request(struct arena *a, const struct proxy_request *req)
{
	struct proxy_request c = *req;
	int *retry_on = arena_array(a, req->retry_on_count + 1, sizeof(int));

	if (req->retry_on_count)
		memcpy(retry_on, req->retry_on, req->retry_on_count * sizeof(int));
	c.integration = arena_sv(a, req->integration);
	c.connection_id = arena_sv(a, req->connection_id);
	c.method = req->method.len ? arena_sv(a, req->method) : SV_LIT("GET");
	c.endpoint = req->endpoint.ptr ? arena_sv(a, req->endpoint) : SV_LIT("");
	c.params = copy_pairs(a, req->params, req->param_count);
	c.raw_params = arena_sv(a, req->raw_params);
	c.headers = copy_pairs(a, req->headers, req->header_count);
	c.body = arena_sv(a, req->body);
	c.base_url_override = arena_sv(a, req->base_url_override);
	c.retry_on = retry_on;
	c.retry_at_header = arena_sv(a, req->retry_at_header);
	c.retry_after_header = arena_sv(a, req->retry_after_header);
	c.retries = req->retries < 0 ? 0 : req->retries > RETRIES_MAX ? RETRIES_MAX : req->retries;
	c.max_wait_ms = req->max_wait_ms ? req->max_wait_ms : MAX_WAIT_MS;
	return c;
}

void proxy_send(
	struct proxy *p, struct op *op, const struct proxy_request *req, struct proxy_reply *reply)
{
	struct request *r = NEW(struct request);

	if (!p->cache)
		p->cache = proxy_cache_new();
	if (!p->limiter)
		p->limiter = limiter_new(p->loop);
	*reply = (struct proxy_reply){ 0 };
	http_response_init(&reply->response);
	r->proxy = p;
	r->op = op;
	r->reply = reply;
	op->impl = r;
	op->cancel = cancel;
	flow_init(&r->flow, p->loop, steps, ended);
	r->req = copy_request(&r->flow.arena, req);
	flow_start(&r->flow, LOAD);
}

void proxy_done(struct proxy *p)
{
	proxy_cache_free(take(p->cache));
	limiter_free(take(p->limiter));
}

void proxy_reply_done(struct proxy_reply *reply)
{
	http_response_done(&reply->response);
}
