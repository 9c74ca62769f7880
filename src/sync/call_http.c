/* Requests to providers, and plain ones. */
#include "proxy/proxy.h"
#include "proxy/replay.h"
#include "proxy/retry.h"
#include "sync/call.h"
#include "sync/fetch.h"

#include <stdio.h>

enum { RETRIES_MAX = 100 };

/* Proxy. */

struct proxy_call {
	struct proxy_request req;
	struct proxy_reply reply;
};

static void proxy_free(struct call *c)
{
	proxy_reply_done(&((struct proxy_call *)c->state)->reply);
}

static void add_headers(struct jw *w, const char *key, const struct http_header *h, size_t count)
{
	if (!count)
		return;
	jw_kv_obj(w, key);
	for (size_t i = 0; i < count; i++) {
		jw_key_sv(w, h[i].name);
		jw_str(w, h[i].value);
	}
	jw_end(w);
}

static void write_line(struct jw *w, const struct proxy_log *line)
{
	jw_obj(w);
	jw_kv_obj(w, "request");
	jw_kv_str(w, "method", line->method);
	jw_kv_str(w, "url", line->url);
	add_headers(w, "headers", line->sent, line->sent_count);
	jw_end(w);
	if (line->status) {
		jw_kv_obj(w, "response");
		jw_kv_i64(w, "code", line->status);
		add_headers(w, "headers", line->received, line->received_count);
		jw_end(w);
	}
	jw_kv_i64(w, "durationMs", line->took_ms);
	if (line->reason || line->max > 1) {
		jw_kv_obj(w, "retry");
		jw_kv_i64(w, "attempt", line->attempt);
		jw_kv_i64(w, "max", line->max);
		jw_kv_i64(w, "waited", line->wait_ms);
		jw_kv_cstr(w, "reason", line->reason);
		jw_end(w);
	}
	jw_end(w);
}

static void log_line(void *ctx, const struct proxy_log *line)
{
	struct buf meta;
	struct jw w;

	buf_init(&meta, 100 << 10);
	jw_init(&w, &meta);
	write_line(&w, line);
	flight_log(ctx, line->level, "http", sv_str(line->message),
		buf_ok(&meta) ? buf_sv(&meta) : SV_NULL);
	buf_done(&meta);
}

static void refuse_as(struct call *c, const struct proxy_reply *r, struct sv url)
{
	call_refuse(c, r->kind, r->code, r->message, r->status);
	struct json_t *error = json_member(c->reply, SV_LIT("error"));
	if (r->name)
		json_set_str(error, "name", sv_str(r->name));
	if (r->hostname[0])
		json_set_str(error, "hostname", sv_str(r->hostname));
	if (r->name)
		json_set_str(error, "url", url);
}

static void proxied(void *ctx, const struct err *err)
{
	struct call *c = ctx;
	struct proxy_call *p = c->state;

	if (err->code == ERR_OK && p->reply.response.status) {
		c->reply = fetch_head(&p->reply.response);
		c->raw = buf_sv(&p->reply.response.body);
	} else if (err->code == ERR_OK) {
		refuse_as(c, &p->reply, p->req.endpoint);
	}
	call_end(c, err);
}

static void read_params(struct call *c, struct proxy_request *req)
{
	const struct json_t *params = json_member(c->head, SV_LIT("params"));
	size_t n = json_len(params);

	if (json_kind(params) == JSON_KIND_STRING)
		req->raw_params = json_sv(params);
	if (json_kind(params) != JSON_KIND_ARRAY)
		return;
	struct proxy_pair *pairs = arena_array(&c->arena, n + 1, sizeof(*pairs));
	for (size_t i = 0; i < n; i++) {
		const struct json_t *pair = json_item(params, i);
		pairs[i].name = json_sv(json_item(pair, 0));
		pairs[i].value = json_sv(json_item(pair, 1));
	}
	req->params = pairs;
	req->param_count = n;
}

static void read_headers(struct call *c, struct proxy_request *req)
{
	const struct json_t *headers = json_member(c->head, SV_LIT("headers"));
	struct json_t *value;
	struct sv name;

	if (json_kind(headers) != JSON_KIND_OBJECT)
		return;
	struct proxy_pair *pairs = arena_array(&c->arena, json_len(headers) + 1, sizeof(*pairs));
	for (void *it = NULL; json_next(headers, &it, &name, &value);)
		pairs[req->header_count++] = (struct proxy_pair){ name, json_sv(value) };
	req->headers = pairs;
}

/* One name, or a list of them: joined with commas, which no name holds. */
static struct sv header_names(struct call *c, const char *path)
{
	const struct json_t *v = json_find(c->head, sv_str(path));
	const char *all = "";

	if (json_kind(v) != JSON_KIND_ARRAY)
		return json_sv(v);
	for (size_t i = 0; i < json_len(v) && i < RETRY_HEADERS_MAX; i++)
		all = arena_printf(
			&c->arena, "%s%s%.*s", all, i ? "," : "", SV(json_sv(json_item(v, i))));
	return *all ? sv_str(all) : SV_NULL;
}

static void read_retries(struct call *c, struct proxy_request *req)
{
	const struct json_t *on = json_member(c->head, SV_LIT("retryOn"));
	double n = json_num(json_member(c->head, SV_LIT("retries")));
	size_t count = json_kind(on) == JSON_KIND_ARRAY ? json_len(on) : 0;

	req->retries = n > RETRIES_MAX ? RETRIES_MAX : n > 0 ? (int)n : 0;
	int *statuses = arena_array(&c->arena, count + 1, sizeof(int));
	for (size_t i = 0; i < count; i++)
		statuses[i] = (int)json_int(json_item(on, i));
	req->retry_on = statuses;
	req->retry_on_count = count;
	req->retry_at_header = header_names(c, "retryHeader.at");
	req->retry_after_header = header_names(c, "retryHeader.after");
}

/* What the head names, or what is given here. */
static struct sv text_or(const struct call *c, const char *key, struct sv otherwise)
{
	struct sv s = json_sv(json_member(c->head, sv_str(key)));

	return s.len ? s : otherwise;
}

int call_proxy(struct call *c, struct err *err UNUSED)
{
	struct proxy_call *p = ARENA_NEW(&c->arena, struct proxy_call);
	struct proxy_request *req = &p->req;

	*req = (struct proxy_request){
		.environment_id = c->fl->run.environment_id,
		.integration = text_or(c, "providerConfigKey", c->fl->run.integration),
		.connection_id = text_or(c, "connectionId", c->fl->run.connection_id),
		.method = text_or(c, "method", SV_LIT("GET")),
		.endpoint = text_or(c, "endpoint", SV_LIT("")),
		.base_url_override = text_or(c, "baseUrlOverride", SV_NULL),
		.is_link = json_truth(json_member(c->head, SV_LIT("isLink"))),
		.body = c->body.len ? c->body : SV_NULL,
		.forward_headers_on_redirect =
			json_truth(json_member(c->head, SV_LIT("forwardHeadersOnRedirect"))),
		.owner = c->fl->run.id,
		.max_wait_ms = start_deadline_ms(c->fl),
		.log = log_line,
		.log_ctx = c->fl,
	};
	read_params(c, req);
	read_headers(c, req);
	read_retries(c, req);
	c->state = p;
	c->free = proxy_free;
	c->op.done = proxied;
	c->op.ctx = c;
	proxy_send(c->fl->runs->eng->proxy, &c->op, req, &p->reply);
	return 0;
}

/* Uncontrolled fetch. */

struct fetch_call {
	struct http_request req;
	struct http_response res;
};

static void fetch_free(struct call *c)
{
	http_response_done(&((struct fetch_call *)c->state)->res);
}

static void refuse_fetch(struct call *c, const struct http_error *e)
{
	const char *kind, *code;
	char message[300];

	snprintf(message, sizeof(message), "%.*s", SV(e->message));
	fetch_failure(e, &kind, &code);
	call_refuse(c, kind, code, message, 0);
}

static void fetched(void *ctx, const struct err *err)
{
	struct call *c = ctx;
	struct fetch_call *f = c->state;

	if (err->code == ERR_CANCELLED) {
		call_end(c, err);
		return;
	}
	if (f->res.status) {
		c->reply = fetch_head(&f->res);
		json_set_str(c->reply, "url", f->res.url);
		c->raw = buf_sv(&f->res.body);
	} else {
		refuse_fetch(c, &f->res.error);
	}
	call_end(c, NULL);
}

int call_fetch(struct call *c, struct err *err)
{
	struct fetch_call *f = ARENA_NEW(&c->arena, struct fetch_call);

	TRY(fetch_request(c->head, c->body, &c->arena, &f->req, err));
	f->req.url = replay_url(f->req.url, c->fl->run.connection_id, &c->arena);
	http_response_init(&f->res);
	c->state = f;
	c->free = fetch_free;
	c->op.done = fetched;
	c->op.ctx = c;
	http_fetch(c->fl->runs->eng->client, &c->op, &f->req, fetch_policy, &f->res);
	return 0;
}
