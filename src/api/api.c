/* A request from match to reply. */
#include "api/api.h"

#include "api/auth_cache.h"
#include "api/handlers.h"
#include "api/metrics.h"
#include "auth/access.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sv.h"
#include "conf/settings.h"
#include "data/json.h"
#include "data/query.h"
#include "data/uuid.h"
#include "db/db.h"
#include "model/connection.h"
#include "sync/runs.h"
#include "webhook/outbox.h"

#define IGNORED_BODY_MAX (64u << 10)
#define JSON_BODY_MAX (10u << 20)
/* A larger body is parsed on a reader thread, so that it holds up neither the loop nor writes. */
#define PARSE_HERE_MAX (64u << 10)
#define REPLY_MAX (1u << 30)

#define READ(m, p, fn, s, b, text) { API_READ, #m, p, fn, NULL, s, b, text },
#define WRITE(m, p, fn, s, b, text) { API_WRITE, #m, p, fn, NULL, s, b, text },
#define ALONE(m, p, fn, s, b, text) { API_WRITE, #m, p, fn, NULL, s, b, text, true },
#define LOOP(m, p, fn, s, b, text) { API_LOOP, #m, p, NULL, fn, s, b, text },
static const struct api_route routes[] = {
#include "api/routes.def"
};
#undef READ
#undef WRITE
#undef ALONE
#undef LOOP

struct api {
	struct engine *eng;
	struct router *router;
	struct route table[ARRAY_LEN(routes)];
	struct auth_cache *keys;
	struct metrics metrics;
	struct api_call *alone; /* those that hold their environment */
};

const struct api_route *api_routes(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(routes);
	return routes;
}

struct metrics *api_metrics(struct api *api)
{
	return &api->metrics;
}

struct api *api_new(struct engine *eng, struct err *err)
{
	own(api_free) struct api *api = NEW(struct api);

	api->eng = eng;
	api->keys = auth_cache_new();
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		bool any = strcmp(routes[i].method, "ANY") == 0;
		api->table[i] = (struct route){ .method = any ? NULL : routes[i].method,
			.pattern = routes[i].pattern,
			.handler = &routes[i] };
	}
	if (router_new(api->table, ARRAY_LEN(routes), &api->router, err) < 0)
		return NULL;
	return take(api);
}

void api_free(struct api *api)
{
	if (!api)
		return;
	router_free(api->router);
	auth_cache_free(api->keys);
	mem_free(api);
}

/* --- before the handler --- */

static struct api_call *call_of(struct api *api, struct http_call *http)
{
	struct api_call *call = http->user;

	if (call)
		return call;
	call = ARENA_NEW(&http->arena, struct api_call);
	*call = (struct api_call){
		.api = api, .eng = api->eng, .http = http, .arena = &http->arena, .status = 200
	};
	buf_init(&call->out, REPLY_MAX);
	call->matched =
		router_match(api->router, http->method, http->path_raw, call->arena, &call->match);
	if (call->matched == ROUTER_OK)
		call->route = call->match.route->handler;
	http->user = call;
	return call;
}

size_t api_body_limit(void *ctx, struct http_call *http)
{
	struct api *api = ctx;
	struct api_call *call = call_of(api, http);

	if (!call->route)
		return IGNORED_BODY_MAX;
	switch (call->route->body) {
	case BODY_NONE: return IGNORED_BODY_MAX;
	case BODY_JSON: return JSON_BODY_MAX;
	case BODY_LARGE:
	case BODY_RAW: return (size_t)api->eng->conf->max_body;
	}
	return 0;
}

static bool wants_json(const struct api_call *call)
{
	return call->route->body != BODY_RAW;
}

static bool has_json_type(const struct api_call *call)
{
	static const struct sv want = { "application/json", 16 };
	struct sv type = api_head(call, "content-type");

	return !type.len ||
	       (type.len >= want.len && sv_eq_nocase(sv_make(type.ptr, want.len), want));
}

static int parse_body(struct api_call *call, struct err *err)
{
	struct err why = { 0 };

	if (!wants_json(call) || call->route->body == BODY_NONE || !call->http->body.len)
		return 0;
	if (json_parse(call->http->body, &call->body, &why) < 0)
		return api_refuse(call, err, 400, "invalid_json", "%s", why.msg);
	return 0;
}

static int parse_query(struct api_call *call, struct err *err)
{
	struct err why = { 0 };

	if (query_parse(call->http->query, &call->query, &why) < 0)
		return api_refuse(call, err, 400, "invalid_query_params", "%s", why.msg);
	return 0;
}

static int check_scope(struct api_call *call, struct err *err)
{
	own_in(buf_done) struct buf names = { 0 };
	struct sv rest = sv_str(call->route->scope), scope;

	if (!rest.len)
		return 0;
	buf_init(&names, 1000);
	while (sv_split(&rest, '|', &scope)) {
		const char *name = arena_str(call->arena, scope);
		if (api_allows(call, name))
			return 0;
		buf_printf(&names, "%senvironment:%s", names.len ? " or " : "", name);
	}
	return api_refuse(
		call, err, 403, "forbidden", "Insufficient scope. Required: %s", names.ptr);
}

static void refuse_key(struct api_call *call, const struct auth_refusal *r)
{
	api_refuse_payload(call, NULL, r->status, r->code, "%s", r->message);
}

static bool has_large_body(const struct api_call *call)
{
	return wants_json(call) && call->http->body.len > PARSE_HERE_MAX;
}

/* On a reader thread: the key looked up, a large body parsed. Refusals are in the call. */
static int prepare_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct auth_refusal refusal;

	call->refused = false;
	if (!call->authenticated) {
		int rc = auth_api_key(
			c, api_head(call, "authorization"), call->arena, &call->key, &refusal, err);
		TRY(rc);
		if (rc == 0)
			refuse_key(call, &refusal);
		call->authenticated = rc > 0;
	}
	if (call->authenticated && has_large_body(call) && !call->body)
		(void)parse_body(call, NULL);
	return 0;
}

void api_job_begin(struct api_call *call)
{
	call->refused = false;
	call->effects = 0;
	call->headers.count = 0;
	call->touch_connection = 0;
	call->status = 200;
	buf_clear(&call->out);
}

static int handler_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;

	api_job_begin(call);
	return call->route->job(call, c, err);
}

/* --- the steps --- */

enum { PREPARE, CHECK, WAIT_LOOP, FINISH, REPLY };

static struct api_call *call_of_flow(struct flow *f)
{
	return container_of(f, struct api_call, flow);
}

static int step_prepare(struct flow *f)
{
	struct api_call *call = call_of_flow(f);
	struct sv header = api_head(call, "authorization"), key;
	struct auth_refusal refusal;

	if (wants_json(call) && !has_json_type(call)) {
		api_refuse(call, NULL, 415, "invalid_content_type",
			"Content-Type header must be application/json");
		return REPLY;
	}
	if (!call->route->scope)
		call->authenticated = true;
	else if (!auth_key_of_header(header, &key, &refusal)) {
		refuse_key(call, &refusal);
		return REPLY;
	} else
		call->authenticated = auth_cache_get(call->api->keys, key, call->arena, &call->key);
	if (call->authenticated && !has_large_body(call))
		return CHECK;
	f->op.done = flow_wake;
	f->op.ctx = f;
	db_submit(call->eng->db, DB_READ, &f->op, prepare_job, call);
	return flow_wait(f, CHECK);
}

/* What is known about the request by now lets the handler begin, or answers for it. */
static bool is_acceptable(struct api_call *call)
{
	if (call->flow.err.code != ERR_OK || call->refused)
		return false;
	if (call->route->scope && check_scope(call, NULL) < 0)
		return false;
	if (!call->body && parse_body(call, NULL) < 0)
		return false;
	return parse_query(call, NULL) == 0;
}

/* False and a refusal while another such call works on the same environment. */
static bool hold_environment(struct api_call *call)
{
	struct api *api = call->api;

	for (const struct api_call *other = api->alone; other; other = other->next_alone) {
		if (api_env(other) != api_env(call))
			continue;
		api_refuse(call, NULL, 409, "concurrent_deployment",
			"Another deployment of this environment is under way");
		return false;
	}
	call->next_alone = api->alone;
	api->alone = call;
	return true;
}

static void release_environment(struct api_call *call)
{
	for (struct api_call **at = &call->api->alone; *at; at = &(*at)->next_alone) {
		if (*at == call) {
			*at = call->next_alone;
			return;
		}
	}
}

static int step_check(struct flow *f)
{
	struct api_call *call = call_of_flow(f);
	struct sv key;

	if (!is_acceptable(call))
		return REPLY;
	if (call->route->scope && auth_key_of_header(api_head(call, "authorization"), &key, NULL))
		auth_cache_put(call->api->keys, key, &call->key);
	if (call->route->mode == API_LOOP)
		return WAIT_LOOP;
	if (call->route->alone && !hold_environment(call))
		return REPLY;
	f->op.done = flow_wake;
	f->op.ctx = f;
	db_submit(call->eng->db, call->route->mode == API_WRITE ? DB_WRITE : DB_READ, &f->op,
		handler_job, call);
	return flow_wait(f, REPLY);
}

static void client_gone(struct http_call *http UNUSED, void *ctx)
{
	struct api_call *call = ctx;

	if (!call->keeps_on)
		flow_cancel(&call->flow, ERR_CANCELLED, "the client is gone");
}

static int step_loop(struct flow *f)
{
	struct api_call *call = call_of_flow(f);

	f->op.done = flow_wake;
	f->op.ctx = f;
	if (!call->route->loop(call))
		return REPLY;
	/* What a loop handler waits for may take minutes: not for nobody. */
	http_call_on_abort(call->http, client_gone, call);
	return flow_wait(f, FINISH);
}

static int step_finish(struct flow *f)
{
	struct api_call *call = call_of_flow(f);

	f->op.done = flow_wake;
	f->op.ctx = f;
	return call->finish(call) ? flow_wait(f, FINISH) : REPLY;
}

/* That a connection was read is noted behind the reply: nobody waits for it. */
struct touch {
	struct op op;
	int64_t connection;
};

static int touch_job(struct dbc *c, void *arg, struct err *err)
{
	return connection_touch(c, ((struct touch *)arg)->connection, err);
}

static void touched(void *ctx, const struct err *err)
{
	if (err->code != ERR_OK)
		log_warn(NULL, "reading a connection could not be noted", LOG_ERR(err));
	mem_free(ctx);
}

static void touch_connection(struct api_call *call)
{
	struct touch *t = NEW(struct touch);

	t->connection = call->touch_connection;
	t->op = (struct op){ .done = touched, .ctx = t };
	db_submit(call->eng->db, DB_WRITE, &t->op, touch_job, t);
}

static void run_effects(struct api_call *call)
{
	if (call->refused || call->flow.err.code != ERR_OK)
		return;
	if (call->effects & EFFECT_SCHEDULE)
		sync_after_control(call->eng);
	if (call->effects & EFFECT_OUTBOX)
		outbox_wake(call->eng->outbox);
	if (call->touch_connection)
		touch_connection(call);
}

/* A failure of ours: its details are for the log, the client gets a number to quote. */
static void answer_failure(struct api_call *call, const struct err *why)
{
	char id[UUID_TEXT_SIZE];
	struct jw w =
		api_json(call, err_is_transient(why->code) ? err_http_status(why->code) : 500);

	uuid_format(uuid_v4(), id);
	log_error(NULL, "request failed", LOG_SV("method", call->http->method),
		LOG_SV("path", call->http->path), LOG_ERR(why), LOG_STR("id", id));
	jw_obj(&w);
	jw_kv_obj(&w, "error");
	jw_kv_cstr(&w, "code", "generic_error_support");
	jw_kv_cstr(&w, "message", "The server could not do this; its log says why");
	jw_kv_cstr(&w, "payload", id);
	jw_end(&w);
	jw_end(&w);
}

static int step_reply(struct flow *f)
{
	struct api_call *call = call_of_flow(f);

	run_effects(call);
	if (call->route->alone)
		release_environment(call);
	if (f->err.code == ERR_CANCELLED)
		api_refuse(call, NULL, 499, "cancelled", "The client is gone");
	else if (f->err.code != ERR_OK && !call->refused)
		answer_failure(call, &f->err);
	else if (!buf_ok(&call->out))
		answer_failure(call, &(struct err){ ERR_LIMIT, "the reply is too large" });
	f->err = (struct err){ 0 };
	return FLOW_END;
}

static const struct flow_step steps[] = {
	[PREPARE] = { "prepare", step_prepare, .timeout_ms = 60000 },
	[CHECK] = { "handle", step_check, .timeout_ms = 600000, .catches = true },
	[WAIT_LOOP] = { "wait", step_loop, .timeout_ms = 3600000 },
	[FINISH] = { "finish", step_finish, .timeout_ms = 3600000, .catches = true },
	[REPLY] = { "reply", step_reply, .catches = true },
};

/* --- sending --- */

static void add_cors(struct api_call *call)
{
	api_header(call, "access-control-allow-origin", SV_LIT("*"));
	api_header(call, "access-control-expose-headers",
		SV_LIT("Authorization, Etag, Content-Type, Content-Length, X-Nango-Signature, "
		       "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"));
}

static void send(struct api_call *call)
{
	struct http_call *http = call->http;

	add_cors(call);
	metrics_count(&call->api->metrics, call->route ? (size_t)(call->route - routes) : SIZE_MAX,
		call->status, clock_mono_us() - http->start_us);
	json_unref(call->query);
	json_unref(call->body);
	struct http_answer answer = {
		.status = call->status,
		.content_type = call->content_type,
		.buf = &call->out,
		.headers = call->headers.items,
		.header_count = call->headers.count,
	};
	http_reply(http, &answer);
}

static void ended(struct flow *f)
{
	struct api_call *call = call_of_flow(f);

	flow_done(f);
	send(call);
}

static void answer_options(struct api_call *call)
{
	call->status = 204;
	api_header(call, "access-control-allow-methods",
		SV_LIT("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
	api_header(call, "access-control-allow-headers",
		SV_LIT("Authorization, Content-Type, Provider-Config-Key, Connection-Id, "
		       "Nango-Is-Sync, Nango-Is-Script, Nango-Is-Dry-Run, Nango-Activity-Log-Id"));
	api_header(call, "access-control-max-age", SV_LIT("86400"));
	send(call);
}

static void answer_unmatched(struct api_call *call)
{
	struct http_call *http = call->http;

	if (call->matched == ROUTER_METHOD) {
		api_refuse(call, NULL, 405, "method_not_allowed",
			"%.*s is not allowed here, only %s", SV(http->method), call->match.allow);
		api_header(call, "allow", sv_str(call->match.allow));
	} else {
		api_refuse(call, NULL, 404, "not_found", "There is no %.*s %.*s", SV(http->method),
			SV(http->path));
	}
	send(call);
}

void api_handle(void *ctx, struct http_call *http)
{
	struct api_call *call = call_of(ctx, http);
	bool any = call->route && strcmp(call->route->method, "ANY") == 0;

	if (sv_eq_str(http->method, "OPTIONS") && !any) {
		answer_options(call);
		return;
	}
	if (!call->route) {
		answer_unmatched(call);
		return;
	}
	flow_init(&call->flow, call->eng->loop, steps, ended);
	flow_start(&call->flow, PREPARE);
}

void api_refuse_call(void *ctx, struct http_call *http, int status)
{
	struct api_call *call = call_of(ctx, http);

	if (status == 413)
		api_refuse(call, NULL, 413, "request_too_large", "The body is too large");
	else
		api_refuse(
			call, NULL, status, "server_busy", "Too many requests at once, try again");
	send(call);
}
