#include "cli/live.h"

#include "base/clock.h"
#include "base/sv.h"
#include "cli/fetch.h"
#include "cli/live_record.h"
#include "cli/project.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/query.h"
#include "sync/fetch.h"

#include <stdio.h>

static struct live *of_local(struct local_run *l)
{
	return container_of(l, struct live, local);
}

/* The request. */

static void add_params(struct buf *path, struct json_t *params)
{
	bool query = sv_find_char(buf_sv(path), '?') >= 0;

	if (json_kind(params) == JSON_KIND_STRING) {
		buf_char(path, query ? '&' : '?');
		buf_sv_add(path, json_sv(params));
		return;
	}
	for (size_t i = 0; i < json_len(params); i++, query = true) {
		struct json_t *pair = json_item(params, i);
		buf_char(path, query ? '&' : '?');
		enc_percent(path, json_sv(json_item(pair, 0)), ENC_FORM);
		buf_char(path, '=');
		enc_percent(path, json_sv(json_item(pair, 1)), ENC_FORM);
	}
}

static void proxy_path(struct buf *path, struct json_t *head)
{
	struct sv endpoint = json_sv(json_member(head, SV_LIT("endpoint")));

	while (sv_starts(endpoint, SV_LIT("/")))
		endpoint = sv_from(endpoint, 1);
	buf_str(path, "/proxy/");
	buf_sv_add(path, endpoint);
	add_params(path, json_member(head, SV_LIT("params")));
}

/* A control header from a member of the CALL; numbers and lists as text. */
static size_t control(struct arena *a, struct json_t *head, const char *member, const char *name,
	struct rest_header *ret)
{
	struct json_t *v = json_member(head, sv_str(member));
	own_in(buf_done) struct buf text = { 0 };

	if (!v || json_kind(v) == JSON_KIND_NULL)
		return 0;
	buf_init(&text, 64u << 10);
	if (json_kind(v) == JSON_KIND_STRING)
		buf_sv_add(&text, json_sv(v));
	else
		json_dump_compact(v, &text);
	struct sv value = buf_sv(&text);
	if (json_kind(v) == JSON_KIND_ARRAY) /* [429,503] becomes 429,503 */
		value = sv_make(value.ptr + 1, value.len - 2);
	*ret = (struct rest_header){ .name = name, .value = arena_sv(a, value) };
	return value.len ? 1 : 0;
}

static size_t proxy_headers(
	struct live *l, struct arena *a, struct json_t *head, struct rest_header **ret)
{
	struct json_t *own_headers = json_member(head, SV_LIT("headers")), *value;
	struct rest_header *h = arena_array(a, json_len(own_headers) + 12, sizeof(*h));
	size_t n = 0;
	void *it = NULL;
	struct sv key;

	h[n++] = (struct rest_header){ "Connection-Id", sv_str(l->local.connection_id) };
	h[n++] = (struct rest_header){ "Provider-Config-Key", sv_str(l->local.fn->integration) };
	h[n++] = (struct rest_header){ "Nango-Is-Dry-Run", SV_LIT("true") };
	/* A request may name another connection. */
	control(a, head, "connectionId", "Connection-Id", &h[0]);
	control(a, head, "providerConfigKey", "Provider-Config-Key", &h[1]);
	n += control(a, head, "retries", "Retries", &h[n]);
	n += control(a, head, "retryOn", "Retry-On", &h[n]);
	n += control(a, head, "baseUrlOverride", "Base-Url-Override", &h[n]);
	n += control(a, head, "forwardHeadersOnRedirect", "Forward-Headers-On-Redirect", &h[n]);
	while (json_next(own_headers, &it, &key, &value)) {
		/* The body's type is the request's own; the rest travels under the prefix. */
		const char *name = sv_eq_str(key, "content-type")
					   ? "content-type"
					   : arena_printf(a, "nango-proxy-%.*s", SV(key));
		h[n++] = (struct rest_header){ name, json_sv(value) };
	}
	*ret = h;
	return n;
}

/* The value of a response header; absent when there is none. */
static struct sv response_header(const struct rest_response *res, const char *name)
{
	for (size_t i = 0; i < json_len(res->headers); i++) {
		struct json_t *pair = json_item(res->headers, i);
		if (sv_eq_str(json_sv(json_item(pair, 0)), name))
			return json_sv(json_item(pair, 1));
	}
	return SV_NULL;
}

/* The server did not reach the provider, or did not want to: the function sees that, not a 502. */
static bool refused_by_server(
	struct local_run *local, const struct runner_call *call, const struct rest_response *res)
{
	own(json_unref) struct json_t *body = NULL;
	own_in(arena_done) struct arena a = { 0 };
	struct sv kind = response_header(res, "x-tidemark-error");
	struct sv code = SV_LIT("server_error"), message = SV_LIT("the request failed");

	if (!kind.ptr || json_parse(buf_sv(&res->body), &body, NULL) < 0)
		return false;
	json_opt_str(body, "error.code", &code, NULL);
	json_opt_str(body, "error.message", &message, NULL);
	local_refuse(local, call, arena_str(&a, kind), arena_str(&a, code), arena_str(&a, message));
	return true;
}

static void on_proxy(struct local_run *local, const struct runner_call *call)
{
	struct live *l = of_local(local);
	own_in(arena_done) struct arena a = { 0 };
	own_in(rest_response_done) struct rest_response res = { 0 };
	own_in(buf_done) struct buf path = { 0 };
	struct rest_header *headers;
	struct err err = { 0 };

	buf_init(&path, 1 << 20);
	proxy_path(&path, call->head);
	size_t n = proxy_headers(l, &a, call->head, &headers);
	struct rest_request req = {
		.method = arena_str(&a, json_sv(json_member(call->head, SV_LIT("method")))),
		.path = buf_ok(&path) ? path.ptr : "/",
		.headers = headers,
		.header_count = n,
		.body = call->body.len ? call->body : SV_NULL,
	};
	if (rest_send(l->rest, &req, &res, &err) < 0) {
		local_refuse(local, call, "network", "ECONNREFUSED", err.msg);
		return;
	}
	if (refused_by_server(local, call, &res))
		return;
	if (l->recorded)
		live_record(l, call, json_sv(json_member(call->head, SV_LIT("endpoint"))), &res);
	struct json_t *head = json_new_obj();
	json_set_int(head, "status", res.status);
	json_set_str(head, "statusText", SV_LIT(""));
	json_set(head, SV_LIT("headers"), json_ref(res.headers));
	local_answer(local, call, head, buf_sv(&res.body));
}

static void on_fetch(struct local_run *local, const struct runner_call *call)
{
	struct live *l = of_local(local);
	own_in(arena_done) struct arena a = { 0 };
	own_in(http_response_done) struct http_response res = { 0 };
	struct http_request req;
	const char *kind, *code;
	struct err err = { 0 };

	if (fetch_request(call->head, call->body, &a, &req, &err) < 0) {
		local_refuse(local, call, "client", "invalid_url", err.msg);
		return;
	}
	fetch_once(&req, fetch_policy, &res);
	if (!res.status) {
		fetch_failure(&res.error, &kind, &code);
		local_refuse(local, call, kind, code, arena_str(&a, res.error.message));
		return;
	}
	if (l->recorded)
		live_record_fetch(l, call, &res);
	struct json_t *head = fetch_head(&res);
	json_set_str(head, "url", res.url);
	local_answer(local, call, head, buf_sv(&res.body));
}

/* Actions. */

static struct json_t *opt_json(struct sv text)
{
	struct json_t *v = NULL;

	return text.len && json_parse(text, &v, NULL) == 0 ? v : NULL;
}

/* The error of an answer as a REPLY has it; a new reference. */
static struct json_t *action_error(const struct rest_response *res)
{
	own(json_unref) struct json_t *body = opt_json(buf_sv(&res->body));
	struct json_t *given = json_member(body, SV_LIT("error"));
	struct json_t *error =
		json_kind(given) == JSON_KIND_OBJECT ? json_clone(given) : json_new_obj();

	json_set_str(error, "kind", SV_LIT("control"));
	json_set_int(error, "status", res->status);
	return error;
}

static int send_action(
	struct live *l, const struct runner_call *call, struct rest_response *res, struct err *err)
{
	own(json_unref) struct json_t *body = json_new_obj();
	own_in(buf_done) struct buf text = { 0 };
	struct json_t *input = opt_json(call->body);
	const struct rest_header headers[] = {
		{ "Connection-Id", json_sv(json_member(call->head, SV_LIT("connectionId"))) },
		{ "Provider-Config-Key",
			json_sv(json_member(call->head, SV_LIT("providerConfigKey"))) },
	};

	json_set(body, SV_LIT("action_name"), json_ref(json_member(call->head, SV_LIT("name"))));
	if (input)
		json_set(body, SV_LIT("input"), input);
	buf_init(&text, 64u << 20);
	json_dump_compact(body, &text);
	struct rest_request req = { .method = "POST",
		.path = "/action/trigger",
		.headers = headers,
		.header_count = ARRAY_LEN(headers),
		.body = buf_sv(&text) };
	return rest_send(l->rest, &req, res, err);
}

static void on_trigger_action(struct local_run *local, const struct runner_call *call)
{
	struct live *l = of_local(local);
	own_in(rest_response_done) struct rest_response res = { 0 };
	struct err err = { 0 };

	if (send_action(l, call, &res, &err) < 0) {
		local_refuse(local, call, "network", "ECONNREFUSED", err.msg);
		return;
	}
	bool ok = res.status < 300;
	own(json_unref) struct json_t *error = ok ? NULL : action_error(&res);
	if (l->actions) {
		own(json_unref) struct json_t *input = opt_json(call->body);
		own(json_unref) struct json_t *output = opt_json(buf_sv(&res.body));
		live_record_action(l, call, input, output, error);
	}
	if (ok)
		local_answer(local, call, json_new_obj(), buf_sv(&res.body));
	else
		local_refuse_as(local, call, json_ref(error));
}

/* Everything else. */

static struct json_t *connection(struct local_run *local)
{
	struct live *l = of_local(local);

	l->connection_read = true;
	return json_clone(l->connection);
}

static struct json_t *fetch(struct local_run *local, const char *path)
{
	struct json_t *v = NULL;
	struct err err = { 0 };

	if (rest_json(of_local(local)->rest, "GET", path, SV_NULL, &v, &err) < 0)
		local_problem(local, "%s", err.msg);
	return v;
}

static struct json_t *integration(struct local_run *local)
{
	struct live *l = of_local(local);
	struct json_t *v = fetch(
		local, arena_printf(&l->rest->arena, "/integrations/%s", local->fn->integration));
	struct json_t *data = json_ref(json_member(v, SV_LIT("data")));

	json_unref(v);
	return data;
}

static struct json_t *env_vars(struct local_run *local)
{
	return fetch(local, "/environment-variables");
}

static void on_log(struct local_run *l UNUSED, struct json_t *head)
{
	struct sv level = SV_LIT("info"), message = SV_LIT("");

	json_opt_str(head, "level", &level, NULL);
	json_opt_str(head, "message", &message, NULL);
	fprintf(stderr, "%.*s: %.*s\n", SV(level), SV(message));
}

static const struct local_source live_source = {
	.proxy = on_proxy,
	.fetch = on_fetch,
	.trigger_action = on_trigger_action,
	.connection = connection,
	.integration = integration,
	.env_vars = env_vars,
	.log = on_log,
};

static int fetch_connection(struct live *l, const char *id, struct err *err)
{
	own_in(buf_done) struct buf path = { 0 };

	buf_init(&path, 1 << 16);
	buf_str(&path, "/connection/");
	enc_percent(&path, sv_str(id), ENC_COMPONENT);
	buf_str(&path, "?provider_config_key=");
	enc_percent(&path, sv_str(l->local.fn->integration), ENC_COMPONENT);
	if (rest_json(l->rest, "GET", path.ptr, SV_NULL, &l->connection, err) < 0)
		return err_wrap(err, "connection '%s' of '%s'", id, l->local.fn->integration);
	return 0;
}

/* What the catalogue of the server says about pagination; a server without the provider has none.
 */
static int fetch_provider(struct live *l, struct err *err)
{
	own(json_unref) struct json_t *provider = NULL;
	struct sv name = json_sv(json_member(l->connection, SV_LIT("provider")));
	struct json_t *paginate;

	l->local.provider = arena_str(&l->rest->arena, name.ptr ? name : SV_LIT("unknown"));
	const char *path = arena_printf(&l->rest->arena, "/providers/%s", l->local.provider);
	int rc = rest_json(l->rest, "GET", path, SV_NULL, &provider, err);
	if (rc == ERR_NOT_FOUND)
		return 0;
	TRY(rc);
	paginate = json_find(provider, SV_LIT("data.proxy.paginate"));
	l->local.paginate = json_ref(paginate);
	return 0;
}

int live_init(struct live *l, struct rest *rest, struct project_fn *fn, const char *connection_id,
	bool record_it, struct err *err)
{
	*l = (struct live){ .rest = rest };
	local_init(&l->local, fn, &live_source);
	l->local.connection_id = connection_id;
	l->local.environment = rest->environment;
	l->recorded = record_it ? json_new_obj() : NULL;
	l->actions = record_it ? json_new_arr() : NULL;
	TRY(fetch_connection(l, connection_id, err));
	return fetch_provider(l, err);
}

void live_done(struct live *l)
{
	local_done(&l->local);
	json_unref(l->connection);
	json_unref(l->recorded);
	json_unref(l->actions);
}
