/* /proxy: one request to a provider with a connection's credentials (spec/api-cli.md 2.8). */
#include "proxy/proxy.h"

#include "api/connections.h"
#include "api/handlers.h"
#include "base/sv.h"
#include "data/json.h"

struct proxying {
	struct api_call *call;
	struct proxy_reply reply;
};

enum { RETRY_ON_MAX = 64 };

/* --- the request --- */

/* What clients send for themselves stays here; "nango-proxy-x: v" goes out as "x: v". */
static void read_headers(struct api_call *call, struct proxy_request *req)
{
	const struct http_headers *in = &call->http->headers;
	struct proxy_pair *out = arena_array(call->arena, in->count + 1, sizeof(*out));
	struct sv prefix = SV_LIT("nango-proxy-");

	for (size_t i = 0; i < in->count; i++) {
		struct sv name = text_lower(call->arena, in->items[i].name);
		if (sv_starts(name, prefix))
			out[req->header_count++] = (struct proxy_pair){ sv_from(name, prefix.len),
				in->items[i].value };
		else if (sv_eq_str(name, "content-type") && call->http->body.len)
			out[req->header_count++] = (struct proxy_pair){ name, in->items[i].value };
	}
	req->headers = out;
}

static void read_retry_on(struct api_call *call, struct proxy_request *req)
{
	struct sv rest = api_head(call, "retry-on"), piece;
	int *codes = arena_array(call->arena, RETRY_ON_MAX, sizeof(*codes));
	int64_t n;

	while (rest.len && req->retry_on_count < RETRY_ON_MAX && sv_split(&rest, ',', &piece))
		if (sv_to_i64(sv_trim(piece), &n) && n >= 100 && n <= 999)
			codes[req->retry_on_count++] = (int)n;
	req->retry_on = codes;
}

/* The path behind /proxy and the query go on as they came, byte for byte. */
static struct sv endpoint_of(struct api_call *call)
{
	struct sv path = call->http->path_raw, query = call->http->query;

	path = sv_from(path, strlen("/proxy"));
	if (!query.ptr)
		return path;
	return sv_str(arena_printf(call->arena, "%.*s?%.*s", SV(path), SV(query)));
}

/* Without bytes these have no body; others have an empty one, which must be said. */
static bool has_no_body(struct sv method)
{
	return sv_eq_str(method, "GET") || sv_eq_str(method, "HEAD") ||
	       sv_eq_str(method, "DELETE") || sv_eq_str(method, "OPTIONS");
}

static struct proxy_request request_of(struct api_call *call)
{
	int64_t retries = 0;
	struct proxy_request req = {
		.environment_id = api_env(call),
		.integration = api_head(call, "provider-config-key"),
		.connection_id = api_head(call, "connection-id"),
		.method = call->http->method,
		.endpoint = endpoint_of(call),
		.body = call->http->body,
		.base_url_override = api_head(call, "base-url-override"),
		.forward_headers_on_redirect =
			sv_eq_str(api_head(call, "forward-headers-on-redirect"), "true"),
	};

	if (!req.body.len && has_no_body(req.method))
		req.body = SV_NULL;
	/* The SDK always sends this header, mostly empty. */
	if (!req.base_url_override.len)
		req.base_url_override = SV_NULL;
	if (sv_to_i64(api_head(call, "retries"), &retries) && retries > 0)
		req.retries = retries > 50 ? 50 : (int)retries;
	read_retry_on(call, &req);
	read_headers(call, &req);
	return req;
}

/* --- the reply --- */

/* What belongs to the hop, or is ours to say, ends here. */
static bool is_kept(struct sv name)
{
	static const char *const hop[] = { "connection", "keep-alive", "transfer-encoding",
		"content-length", "content-encoding", "content-type", "upgrade", "te", "trailer",
		"proxy-authenticate", "access-control-allow-origin",
		"access-control-expose-headers" };

	for (size_t i = 0; i < ARRAY_LEN(hop); i++)
		if (sv_eq_str(name, hop[i]))
			return false;
	return true;
}

static void copy_headers(struct api_call *call, const struct http_response *res)
{
	const struct http_headers *h = &res->headers;
	struct sv type = http_headers_get(h, "content-type");

	/* All of the provider's: dry runs page by `link` and read rate limits through this. */
	call->content_type = type.len ? arena_str(call->arena, type) : NULL;
	for (size_t i = 0; i < h->count; i++)
		if (is_kept(h->items[i].name))
			api_header(call, arena_str(call->arena, h->items[i].name),
				arena_sv(call->arena, h->items[i].value));
}

static void answer_failure(struct api_call *call, const struct proxy_reply *reply)
{
	bool control = reply->kind && strcmp(reply->kind, "network") != 0;
	int status = control && reply->status ? reply->status : control ? 400 : 502;

	/* Tells a dry run that this is no answer of the provider. */
	api_header(call, "x-tidemark-error", sv_str(reply->kind ? reply->kind : "network"));
	api_refuse(call, NULL, status, reply->code, "%s", reply->message);
}

static bool proxied(struct api_call *call)
{
	struct proxying *p = call->state;
	struct http_response *res = &p->reply.response;

	if (call->flow.err.code != ERR_OK) {
		api_refuse(call, NULL, 500, "server_error", "%s", call->flow.err.msg);
	} else if (p->reply.kind || !res->status) {
		answer_failure(call, &p->reply);
	} else {
		call->status = res->status;
		copy_headers(call, res);
		buf_done(&call->out);
		call->out = res->body;
		res->body = (struct buf){ 0 };
	}
	proxy_reply_done(&p->reply);
	return false;
}

static bool check_names(struct api_call *call)
{
	static const struct check headers[] = {
		{ "provider-config-key", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1,
			.max = 255 },
		{ "connection-id", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255 },
		{ "retries", CHECK_COERCED, CHECK_MIN, .min = 0 },
		{ 0 },
	};

	return api_check_headers(call, headers, NULL) == 0;
}

bool proxy_request(struct api_call *call)
{
	struct proxying *p = ARENA_NEW(call->arena, struct proxying);

	if (!check_names(call))
		return false;
	struct proxy_request req = request_of(call);
	p->call = call;
	call->state = p;
	call->finish = proxied;
	proxy_send(call->eng->proxy, &call->flow.op, &req, &p->reply);
	return true;
}
