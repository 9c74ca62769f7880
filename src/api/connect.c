/* Connect sessions: what the app lets a customer do, and connections made by the customer. */
#include "api/connect.h"

#include "api/connections.h"
#include "api/handlers.h"
#include "auth/credentials.h"
#include "base/clock.h"
#include "base/sv.h"
#include "data/json.h"
#include "data/uuid.h"
#include "db/db.h"
#include "model/connection.h"
#include "model/integration.h"
#include "model/provider.h"

static const struct check key_item = { "", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1,
	.max = 255, .pattern = &PATTERN_INTEGRATION };
static const struct check text_item = { "", CHECK_STR, CHECK_REQUIRED, .max = 8192 };
static const struct check default_fields[] = {
	{ "user_scopes", CHECK_STR },
	{ "authorization_params", CHECK_MAP, .item = &text_item },
	{ "connection_config", CHECK_OBJ },
	{ 0 },
};
static const struct check default_item = { "", CHECK_OBJ, CHECK_REQUIRED,
	.fields = default_fields };
static const struct check override_fields[] = { { "docs_connect", CHECK_STR }, { 0 } };
static const struct check override_item = { "", CHECK_OBJ, CHECK_REQUIRED,
	.fields = override_fields };
static const struct check organization_fields[] = {
	{ "id", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255 },
	{ "display_name", CHECK_STR, CHECK_NULLABLE, .max = 255 },
	{ 0 },
};

#define SESSION_FIELDS                                                                \
	{ "end_user", CHECK_OBJ, .fields = end_user_fields },                         \
		{ "organization", CHECK_OBJ, .fields = organization_fields },         \
		{ "integrations_config_defaults", CHECK_MAP, .item = &default_item }, \
		{ "overrides", CHECK_MAP, .item = &override_item },                   \
		{ "webhook_url_override", CHECK_STR, 0, .also = check_url_or_empty }, \
	{                                                                             \
		"tags", CHECK_MAP, .item = &tag_value, .also = check_tags             \
	}

static const struct check session_body[] = {
	SESSION_FIELDS,
	{ "allowed_integrations", CHECK_ARR, .item = &key_item },
	{ 0 },
};
static const struct check reconnect_body[] = {
	SESSION_FIELDS,
	{ "connection_id", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_CONNECTION },
	{ "integration_id", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_INTEGRATION },
	{ 0 },
};

/* --- sessions --- */

static int create(struct api_call *call, struct dbc *c, struct err *err)
{
	char token[CONNECT_TOKEN_SIZE], iso[CLOCK_ISO_SIZE];
	struct connect_session s;

	TRY(connect_session_create(c, api_env(call), api_dump(call, call->body), &s, token, err));
	struct jw w = api_json(call, 201);
	jw_obj(&w);
	jw_kv_obj(&w, "data");
	jw_kv_cstr(&w, "token", token);
	jw_kv_cstr(&w, "connect_link",
		arena_printf(
			call->arena, "%s/connect?session_token=%s", api_base_url(call), token));
	jw_kv_cstr(&w, "expires_at", clock_iso_ms(s.expires_ms, iso));
	jw_end(&w);
	jw_end(&w);
	return 0;
}

static int check_known(struct api_call *call, struct dbc *c, struct err *err)
{
	const struct json_t *keys = json_member(call->body, SV_LIT("allowed_integrations"));
	struct issues *is = api_issues(call);
	struct integration in;

	for (size_t i = 0; i < json_len(keys); i++) {
		struct sv key = json_sv(json_item(keys, i));
		int rc = integration_find(c, api_env(call), key, call->arena, &in, err);
		if (rc == ERR_NOT_FOUND)
			issue_add_at(is, arena_printf(call->arena, "allowed_integrations.%zu", i),
				"custom", "Integration does not exist");
		else if (rc < 0)
			return rc;
	}
	return is->count ? api_refuse_issues(call, err, "invalid_body", is) : 0;
}

int connect_sessions_create(struct api_call *call, struct dbc *c, struct err *err)
{
	struct issues *is = api_issues(call);

	TRY(api_check_no_query(call, err));
	TRY(api_check_body(call, session_body, err));
	if (!json_member(call->body, SV_LIT("end_user")) &&
		!json_member(call->body, SV_LIT("tags"))) {
		issue_add_at(is, "end_user", "invalid_type",
			"Invalid input: expected object, received undefined");
		return api_refuse_issues(call, err, "invalid_body", is);
	}
	TRY(check_known(call, c, err));
	return create(call, c, err);
}

int connect_sessions_reconnect(struct api_call *call, struct dbc *c, struct err *err)
{
	struct issues *is = api_issues(call);
	struct connection conn;

	TRY(api_check_no_query(call, err));
	TRY(api_check_body(call, reconnect_body, err));
	int rc = connection_find(c, api_env(call), api_text(call, "integration_id"),
		api_text(call, "connection_id"), call->arena, &conn, err);
	if (rc == ERR_NOT_FOUND) {
		issue_add_at(is, "connection_id", "custom", "Connection does not exist");
		return api_refuse_issues(call, err, "invalid_body", is);
	}
	TRY(rc);
	return create(call, c, err);
}

int connect_session_of(
	struct api_call *call, struct dbc *c, struct connect_session *ret, struct err *err)
{
	struct sv token = api_query(call, "connect_session_token");
	struct sv header = api_head(call, "authorization"), bearer = SV_LIT("Bearer ");

	if (!token.len && sv_starts(header, bearer))
		token = sv_trim(sv_from(header, bearer.len));
	if (!token.len)
		return api_refuse(
			call, err, 401, "missing_auth_header", "A connect session token is needed");
	if (!connect_token_format_ok(token))
		return api_refuse(call, err, 401, "invalid_connect_session_token_format",
			"This is no connect session token");
	int rc = connect_session_find(c, token, call->arena, ret, err);
	if (rc == ERR_NOT_FOUND)
		return api_refuse(call, err, 401, "unknown_connect_session_token",
			"The connect session is unknown or over: make another one");
	return rc;
}

/* The end user as a connection has it: with the organisation in it. */
static struct json_t *end_user_of(const struct json_t *spec)
{
	struct json_t *user = json_member(spec, SV_LIT("end_user"));
	struct json_t *org = json_member(spec, SV_LIT("organization"));

	if (!user)
		return NULL;
	struct json_t *copy = json_clone(user);
	if (org)
		json_set(copy, SV_LIT("organization"), json_clone(org));
	return copy;
}

static void copy_if_there(struct jw *w, const struct json_t *spec, const char *key)
{
	const struct json_t *v = json_member(spec, sv_str(key));

	if (v)
		jw_kv_json(w, key, v);
}

int connect_session_show(struct api_call *call, struct dbc *c, struct err *err)
{
	own(json_unref) struct json_t *spec = NULL, *user = NULL;
	struct connect_session s;

	TRY(connect_session_of(call, c, &s, err));
	TRY(json_parse(s.spec, &spec, err));
	const struct json_t *again = json_member(spec, SV_LIT("integration_id"));
	user = end_user_of(spec);
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_obj(&w, "data");
	jw_kv_json(&w, "endUser", user);
	jw_kv_obj(&w, "connectUISettings");
	jw_end(&w);
	copy_if_there(&w, spec, "allowed_integrations");
	if (again) {
		jw_kv_arr(&w, "allowed_integrations");
		jw_json(&w, again);
		jw_end(&w);
		jw_kv_bool(&w, "isReconnecting", true);
	}
	copy_if_there(&w, spec, "integrations_config_defaults");
	copy_if_there(&w, spec, "overrides");
	jw_end(&w);
	jw_end(&w);
	return 0;
}

int connect_session_end(struct api_call *call, struct dbc *c, struct err *err)
{
	struct connect_session s;

	TRY(connect_session_of(call, c, &s, err));
	TRY(connect_session_delete(c, s.id, err));
	call->status = 204;
	return 0;
}

bool connect_telemetry(struct api_call *call)
{
	call->status = 204;
	return false;
}

/* --- what comes of a session --- */

void connecting_done(struct connecting *k)
{
	json_unref(take(k->spec));
}

bool connect_allows(const struct json_t *spec, struct sv key)
{
	const struct json_t *list = json_member(spec, SV_LIT("allowed_integrations"));
	struct sv again = json_sv(json_member(spec, SV_LIT("integration_id")));

	if (again.ptr)
		return sv_eq(again, key);
	for (size_t i = 0; i < json_len(list); i++)
		if (sv_eq(json_sv(json_item(list, i)), key))
			return true;
	return json_len(list) == 0;
}

int connecting_begin(struct api_call *call, struct dbc *c, struct connecting *ret, struct err *err)
{
	own_in(connecting_done) struct connecting k = { 0 };
	struct sv key = api_param(call, "key");

	TRY(connect_session_of(call, c, &k.session, err));
	TRY(json_parse(k.session.spec, &k.spec, err));
	k.in = ARENA_NEW(call->arena, struct integration);
	int rc = integration_find(c, k.session.environment_id, key, call->arena, k.in, err);
	if (rc == ERR_NOT_FOUND)
		return api_refuse(call, err, 404, "unknown_provider_config",
			"There is no integration '%.*s'", SV(key));
	TRY(rc);
	if (!connect_allows(k.spec, key))
		return api_refuse(call, err, 400, "integration_not_allowed",
			"The connect session does not allow the integration '%.*s'", SV(key));
	k.defaults = json_member(json_member(k.spec, SV_LIT("integrations_config_defaults")), key);
	*ret = k;
	k = (struct connecting){ 0 };
	return 0;
}

struct json_t *connecting_merge(const struct api_call *call, const char *given_key,
	const struct connecting *k, const char *set_key)
{
	const struct json_t *given = json_member(call->query, sv_str(given_key));
	const struct json_t *set = json_member(k->defaults, sv_str(set_key));
	struct json_t *out = json_new_obj(), *val;
	struct sv key;

	for (void *it = NULL; json_next(given, &it, &key, &val);)
		if (json_kind(val) == JSON_KIND_STRING)
			json_set(out, key, json_ref(val));
	for (void *it = NULL; json_next(set, &it, &key, &val);)
		json_set(out, key, json_clone(val));
	return out;
}

struct json_t *connecting_config(const struct api_call *call, const struct connecting *k)
{
	return connecting_merge(call, "params", k, "connection_config");
}

void connecting_fill(struct api_call *call, const struct connecting *k, struct connection *ret)
{
	own(json_unref) struct json_t *user = end_user_of(k->spec);
	const struct json_t *tags = json_member(k->spec, SV_LIT("tags"));
	struct sv again = json_sv(json_member(k->spec, SV_LIT("connection_id")));
	struct sv url = json_sv(json_member(k->spec, SV_LIT("webhook_url_override")));
	char uuid[UUID_TEXT_SIZE];

	*ret = (struct connection){
		.environment_id = k->session.environment_id,
		.integration_id = k->in->id,
		.integration = k->in->unique_key,
		.provider = k->in->provider,
		.connection_id = arena_sv(
			call->arena, again.ptr ? again : sv_str(uuid_format(uuid_v4(), uuid))),
		.end_user = user ? end_user_text(call, user) : SV_NULL,
		.tags = tags ? tags_text(call, tags) : SV_NULL,
		.webhook_url_override = url.len ? arena_sv(call->arena, url) : SV_NULL,
	};
}

/* --- connections by credentials that the customer types in --- */

static const struct {
	const char *path;
	enum auth_type type;
} endpoints[] = {
	{ "/api-auth/api-key/", AUTH_API_KEY },
	{ "/api-auth/basic/", AUTH_BASIC },
	{ "/auth/unauthenticated/", AUTH_NONE },
	{ "/oauth2/auth/", AUTH_OAUTH2_CC },
	{ "/auth/two-step/", AUTH_TWO_STEP },
	{ "/auth/jwt/", AUTH_JWT },
	{ "/auth/tba/", AUTH_TBA },
	{ "/auth/signature/", AUTH_SIGNATURE },
	{ "/auth/bill/", AUTH_BILL },
	{ "/auth/aws-sigv4/", AUTH_AWS_SIGV4 },
};

static int check_mode(struct api_call *call, const struct connecting *k, struct err *err)
{
	const struct provider *p = provider_find(call->eng->providers, k->in->provider);

	if (!p)
		return api_refuse(call, err, 404, "unknown_provider_template",
			"The catalogue has no provider '%.*s'", SV(k->in->provider));
	for (size_t i = 0; i < ARRAY_LEN(endpoints); i++)
		if (sv_starts(sv_str(call->route->pattern), sv_str(endpoints[i].path)) &&
			sv_eq_str(p->auth_mode, auth_type_name(endpoints[i].type)))
			return 0;
	return api_refuse(call, err, 400, "invalid_auth_mode",
		"The provider of this integration takes %.*s", SV(p->auth_mode));
}

static int typed_in_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct establishing *e = call->state;
	own_in(connecting_done) struct connecting k = { 0 };
	own(json_unref) struct json_t *config = NULL;
	struct sv credentials;

	api_job_begin(call);
	*e = (struct establishing){ 0 };
	TRY(connecting_begin(call, c, &k, err));
	if (json_member(call->query, SV_LIT("connection_id")))
		return api_refuse(call, err, 400, "invalid_query_params",
			"The connect session decides on the id of the connection");
	TRY(check_mode(call, &k, err));
	TRY(connection_read_credentials(call, k.in, call->body, &credentials, err));
	connecting_fill(call, &k, &e->connection);
	config = connecting_config(call, &k);
	e->connection.connection_config = api_dump(call, config);
	return connection_establish(call, c, e, credentials, err);
}

static bool typed_in(struct api_call *call)
{
	const struct establishing *e = call->state;

	if (call->flow.err.code != ERR_OK)
		return false; /* a refusal, or answered as our failure */
	if (e->refusal.ptr) {
		connection_refused(call, e);
		return false;
	}
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_str(&w, "providerConfigKey", e->connection.integration);
	jw_kv_str(&w, "connectionId", e->connection.connection_id);
	jw_end(&w);
	return false;
}

static bool typed_in_stored(struct api_call *call)
{
	return connection_validate(call, call->state, typed_in);
}

bool connect_with_credentials(struct api_call *call)
{
	call->keeps_on = true;
	call->state = ARENA_NEW(call->arena, struct establishing);
	call->finish = typed_in_stored;
	db_submit(call->eng->db, DB_WRITE, &call->flow.op, typed_in_job, call);
	return true;
}
