/* /connections (and its old name /connection): list, get, change, delete. */
#include "model/connection.h"

#include "api/connections.h"
#include "api/handlers.h"
#include "auth/refresh.h"
#include "base/sv.h"
#include "data/json.h"
#include "db/db.h"
#include "model/integration.h"

enum { LIST_MAX = 10000 };

static const struct check id_param[] = {
	{ "id", CHECK_STR, CHECK_REQUIRED, .max = 255, .pattern = &PATTERN_CONNECTION },
	{ 0 },
};

#define INTEGRATION_FIELD                                                     \
	{                                                                     \
		"provider_config_key", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, \
			.min = 1, .max = 255, .pattern = &PATTERN_INTEGRATION \
	}

static const struct check one_query[] = { INTEGRATION_FIELD, { 0 } };

int connection_unknown(struct api_call *call, struct err *err, int status)
{
	return api_refuse(call, err, status, "unknown_connection",
		"Provided ConnectionId and ProviderConfigKey does not match a valid connection");
}

/* --- list --- */

static void write_simple(struct jw *w, const struct connection *conn)
{
	jw_obj(w);
	jw_kv_i64(w, "id", conn->id);
	jw_kv_str(w, "connection_id", conn->connection_id);
	jw_kv_str(w, "provider_config_key", conn->integration);
	jw_kv_str(w, "provider", conn->provider);
	jw_kv_raw(w, "errors", conn->errors);
	write_json_or_null(w, "end_user", conn->end_user);
	jw_kv_raw(w, "tags", conn->tags);
	write_json_or_null(w, "metadata", conn->metadata);
	write_time(w, "created", conn->created_ms);
	jw_end(w);
}

static int64_t number(const struct api_call *call, const char *name, int64_t otherwise)
{
	double n;
	struct sv text = api_query(call, name);

	return text.ptr && check_number(text, &n) ? (int64_t)n : otherwise;
}

static struct sv nonempty(struct sv s)
{
	return s.len ? s : SV_NULL;
}

static struct sv lower_keys(struct api_call *call, const struct json_t *tags)
{
	own(json_unref) struct json_t *obj = json_new_obj();
	void *it = NULL;
	struct sv key;
	struct json_t *value;

	if (!tags || json_len(tags) == 0)
		return SV_NULL;
	while (json_next(tags, &it, &key, &value))
		json_set(obj, text_lower(call->arena, key), json_ref(value));
	return api_dump(call, obj);
}

int connections_list(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check tag = { "", CHECK_STR, CHECK_REQUIRED };
	static const struct check query[] = {
		{ "connectionId", CHECK_STR, CHECK_MIN, .min = 1, .max = 255,
			.pattern = &PATTERN_CONNECTION },
		{ "search", CHECK_STR, 0, .max = 255 },
		{ "endUserId", CHECK_STR, 0, .max = 255 },
		{ "endUserOrganizationId", CHECK_STR, 0, .max = 255 },
		{ "integrationId", CHECK_STR },
		{ "tags", CHECK_MAP, .item = &tag },
		{ "limit", CHECK_COERCED, CHECK_MIN, .min = 1, .max = 2000 },
		{ "page", CHECK_COERCED, CHECK_MIN, .min = 0 },
		{ 0 },
	};
	struct connection *all;
	size_t count;

	TRY(api_check_query(call, query, err));
	struct connection_filter f = {
		.environment_id = api_env(call),
		.connection_id = nonempty(api_query(call, "connectionId")),
		.search = nonempty(api_query(call, "search")),
		.end_user_id = nonempty(api_query(call, "endUserId")),
		.organization_id = nonempty(api_query(call, "endUserOrganizationId")),
		.integrations = nonempty(api_query(call, "integrationId")),
		.tags = lower_keys(call, json_member(call->query, SV_LIT("tags"))),
		.limit = number(call, "limit", LIST_MAX),
	};
	f.offset = number(call, "page", 0) * f.limit;
	TRY(connection_list(c, &f, db_arena(c), &all, &count, err));
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_arr(&w, "connections");
	for (size_t i = 0; i < count; i++)
		write_simple(&w, &all[i]);
	jw_end(&w);
	jw_end(&w);
	return 0;
}

/* --- one --- */

static int find_integration(
	struct api_call *call, struct dbc *c, struct integration *ret, struct err *err)
{
	struct sv key = api_query(call, "provider_config_key");

	int rc = integration_find(c, api_env(call), key, call->arena, ret, err);
	if (rc == ERR_NOT_FOUND)
		return api_refuse_payload(call, err, 400, "unknown_provider_config",
			"There is no Provider Configuration matching this key: %.*s", SV(key));
	return rc;
}

/* The connection that path and query name; `get` answers an unknown one with 404 not_found. */
static int find(struct api_call *call, struct dbc *c, struct connection *ret, struct err *err)
{
	struct integration in;

	TRY(api_check_params(call, id_param, err));
	TRY(find_integration(call, c, &in, err));
	int rc = connection_find(
		c, api_env(call), in.unique_key, api_param(call, "id"), call->arena, ret, err);
	if (rc == ERR_NOT_FOUND)
		return api_refuse(call, err, 404, "not_found",
			"Connection with connectionId %.*s and providerConfigKey %.*s not found",
			SV(api_param(call, "id")), SV(in.unique_key));
	return rc;
}

/* GET: the token is made fresh first, so a loop handler with jobs on both sides of that. */
struct getting {
	struct connection conn;
	bool force, done;
	struct refresh_outcome outcome;
};

/* 424 or 400, with the connection as it is, its dead credentials left out. */
static int refuse_stale(struct api_call *call, struct dbc *c, const struct connection *conn,
	const struct refresh_outcome *o, struct err *err)
{
	struct connection_view view = { .times = write_time };
	own_in(buf_done) struct buf whole = { 0 };

	TRY(connection_reply(call, c, 200, conn, &view, err));
	whole = call->out;
	call->out = (struct buf){ 0 };
	buf_init(&call->out, whole.max);
	struct jw w = api_json(call, o->status);
	jw_obj(&w);
	jw_kv_obj(&w, "error");
	jw_kv_cstr(&w, "message", o->message);
	jw_kv_cstr(&w, "code",
		sv_starts(sv_str(o->code), SV_LIT("connection_")) ? o->code
								  : "invalid_credentials");
	jw_kv_obj(&w, "payload");
	jw_kv_raw(&w, "connection", buf_sv(&whole));
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
	call->refused = true;
	return err_set(err, ERR_INVALID, "%s", o->code);
}

static int get_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct getting *g = call->state;
	const struct refresh_outcome *o = &g->outcome;
	struct connection_view view = { .times = write_time,
		.credentials = api_allows(call, "connections:read_credentials"),
		.refresh_token = sv_eq_str(api_query(call, "refresh_token"), "true") };

	call->refused = false;
	TRY(find(call, c, &g->conn, err));
	if (!g->done)
		return 0;
	/* A refresh that was demanded and failed is an error even while the old token lives. */
	if (o->code[0] && (g->force || !o->usable))
		return refuse_stale(call, c, &g->conn, o, err);
	return connection_reply(call, c, 200, &g->conn, &view, err);
}

static bool written(struct api_call *call)
{
	struct getting *g = call->state;

	if (call->flow.err.code == ERR_OK)
		call->touch_connection = g->conn.id;
	return false;
}

static bool refreshed(struct api_call *call)
{
	struct getting *g = call->state;

	if (call->flow.err.code != ERR_OK)
		return false;
	g->done = true;
	call->finish = written;
	db_submit(call->eng->db, DB_READ, &call->flow.op, get_job, call);
	return true;
}

static bool found(struct api_call *call)
{
	struct getting *g = call->state;
	struct refresh_request req = { .connection = g->conn.id,
		.why = g->force ? REFRESH_DEMANDED : REFRESH_DUE };

	if (call->flow.err.code != ERR_OK)
		return false; /* a refusal, or answered as our failure */
	call->finish = refreshed;
	refresh_connection(call->eng->refresher, &call->flow.op, &req, &g->outcome);
	return true;
}

bool connections_get(struct api_call *call)
{
	static const struct check query[] = {
		INTEGRATION_FIELD,
		{ "force_refresh", CHECK_BOOL_TEXT, .options = "true|false" },
		{ "refresh_token", CHECK_BOOL_TEXT, .options = "true|false" },
		{ "refresh_github_app_jwt_token", CHECK_BOOL_TEXT, .options = "true|false" },
		{ 0 },
	};
	struct getting *g = ARENA_NEW(call->arena, struct getting);

	if (api_check_query(call, query, NULL) < 0)
		return false;
	g->force = sv_eq_str(api_query(call, "force_refresh"), "true");
	if ((g->force || sv_eq_str(api_query(call, "refresh_token"), "true")) &&
		!api_allows(call, "connections:read_credentials")) {
		api_refuse(call, NULL, 403, "forbidden",
			"You do not have permission to force refresh the token or refresh the "
			"token");
		return false;
	}
	call->state = g;
	/* Without credentials in the answer nobody needs them fresh. */
	g->done = !api_allows(call, "connections:read_credentials");
	call->finish = g->done ? written : found;
	db_submit(call->eng->db, DB_READ, &call->flow.op, get_job, call);
	return true;
}

int connections_update(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check body[] = {
		{ "end_user", CHECK_OBJ, .fields = end_user_fields },
		{ "tags", CHECK_MAP, .item = &tag_value, .also = check_tags },
		{ "webhook_url_override", CHECK_STR, 0, .also = check_url_or_empty },
		{ 0 },
	};
	struct connection conn;

	TRY(api_check_query(call, one_query, err));
	TRY(api_check_body(call, body, err));
	TRY(find(call, c, &conn, err));
	const struct json_t *user = json_member(call->body, SV_LIT("end_user"));
	const struct json_t *tags = json_member(call->body, SV_LIT("tags"));
	const struct json_t *url = json_member(call->body, SV_LIT("webhook_url_override"));
	if (user)
		conn.end_user = end_user_text(call, user);
	if (tags)
		conn.tags = tags_text(call, tags);
	if (url)
		conn.webhook_url_override = nonempty(json_sv(url));
	TRY(connection_update(c, &conn, err));
	return api_success(call);
}
