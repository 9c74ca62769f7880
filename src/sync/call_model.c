/* What functions ask of the server about itself: connection, integration, variables, other syncs.
 */
#include "auth/refresh.h"
#include "base/clock.h"
#include "conf/settings.h"
#include "model/connection.h"
#include "model/env.h"
#include "model/function.h"
#include "model/integration.h"
#include "model/provider.h"
#include "model/refresh_token.h"
#include "model/sync.h"
#include "sync/call.h"

/* Actions that trigger actions end somewhere: runs in flight, as a multiple of the usual limit. */
enum { ACTIONS_DEEP = 8 };

/* Which connection a call is about: the run's, unless it names another of the environment. */
struct target {
	struct sv integration, connection_id;
};

static struct sv text_or(const struct call *c, const char *key, struct sv otherwise)
{
	struct sv s = json_sv(json_member(c->head, sv_str(key)));

	return s.len ? s : otherwise;
}

static struct target target_of(const struct call *c)
{
	return (struct target){
		text_or(c, "providerConfigKey", c->fl->run.integration),
		text_or(c, "connectionId", c->fl->run.connection_id),
	};
}

/* Ends the call as the API would have answered. */
static int refuse(struct call *c, const char *code, int status, const char *message)
{
	call_refuse(c, "control", code, message, status);
	return 0;
}

/* Says which of the two is unknown, with the status that the API gives it. */
static int refuse_unknown(struct dbc *db, struct call *c, struct sv integration, struct err *err)
{
	struct integration in;

	int rc = integration_find(
		db, c->fl->run.environment_id, integration, db_arena(db), &in, err);
	if (rc == ERR_NOT_FOUND)
		return refuse(c, "unknown_provider_config", 400, "the integration does not exist");
	TRY(rc);
	return refuse(c, "unknown_connection", c->method == CALL_trigger_action ? 400 : 404,
		"the connection does not exist");
}

/* 1 = found, 0 = refused. */
static int find_connection(struct dbc *db, struct call *c, struct connection *ret, struct err *err)
{
	struct target t = target_of(c);

	int rc = connection_find(db, c->fl->run.environment_id, t.integration, t.connection_id,
		db_arena(db), ret, err);
	if (rc == ERR_NOT_FOUND)
		return refuse_unknown(db, c, t.integration, err);
	return rc < 0 ? rc : 1;
}

/* The connection as functions see it (function-runtime.md 5.1). */

static struct json_t *parsed(struct sv text)
{
	struct json_t *v = NULL;

	return text.ptr && json_parse(text, &v, NULL) == 0 ? v : json_new_null();
}

static void set_stripped(struct json_t *obj, const char *key, struct sv text, bool refresh_token)
{
	own(json_unref) struct json_t *whole = parsed(text);

	json_set(obj, sv_str(key), refresh_token ? json_ref(whole) : without_refresh_tokens(whole));
}

static void set_time(struct json_t *obj, const char *key, int64_t ms)
{
	char iso[CLOCK_ISO_SIZE];

	if (ms)
		json_set_str(obj, key, sv_str(clock_iso_us(ms * 1000, iso)));
	else
		json_set_null(obj, key);
}

static struct json_t *connection_json(
	const struct connection *conn, struct sv credentials, bool refresh_token)
{
	struct json_t *obj = json_new_obj();

	json_set_int(obj, "id", conn->id);
	json_set_str(obj, "connection_id", conn->connection_id);
	json_set_str(obj, "provider_config_key", conn->integration);
	json_set_str(obj, "provider", conn->provider);
	json_set(obj, SV_LIT("errors"), parsed(conn->errors));
	json_set(obj, SV_LIT("end_user"), parsed(conn->end_user));
	json_set(obj, SV_LIT("tags"), parsed(conn->tags));
	json_set(obj, SV_LIT("metadata"), parsed(conn->metadata));
	set_stripped(obj, "connection_config", conn->connection_config, refresh_token);
	if (conn->webhook_url_override.ptr)
		json_set_str(obj, "webhook_url_override", conn->webhook_url_override);
	else
		json_set_null(obj, "webhook_url_override");
	set_time(obj, "created_at", conn->created_ms);
	set_time(obj, "updated_at", conn->updated_ms);
	set_time(obj, "last_fetched_at", conn->last_fetched_ms);
	set_stripped(obj, "credentials", credentials, refresh_token);
	return obj;
}

/* The connection is read, its token made fresh, then it is read again and answered. */
struct connection_call {
	int64_t id;
	bool fresh;
	struct refresh_outcome outcome;
};

static int job_connection_get(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct connection_call *cc = c->state;
	bool refresh_token = json_truth(json_member(c->head, SV_LIT("refreshToken")));
	own(json_unref) struct json_t *obj = NULL;
	struct connection conn;
	struct sv credentials;

	int rc = find_connection(db, c, &conn, err);
	if (rc <= 0)
		return rc;
	cc->id = conn.id;
	if (!cc->fresh)
		return 0;
	TRY(connection_credentials(
		db, c->fl->runs->eng->keys, &conn, db_arena(db), &credentials, err));
	obj = connection_json(&conn, credentials, refresh_token);
	json_dump_compact(obj, &c->out);
	return 0;
}

static bool is_forced(const struct call *c)
{
	return json_truth(json_member(c->head, SV_LIT("forceRefresh")));
}

static void connection_fresh(void *ctx, const struct err *err)
{
	struct call *c = ctx;
	struct connection_call *cc = c->state;
	const struct refresh_outcome *o = &cc->outcome;

	if (err->code == ERR_OK && o->code[0] && (is_forced(c) || !o->usable)) {
		refuse(c, o->code, o->status, o->message);
		call_end(c, NULL);
	} else if (err->code != ERR_OK) {
		call_end(c, err);
	} else {
		cc->fresh = true;
		c->after = NULL;
		call_job(c, DB_READ, job_connection_get);
	}
}

static void connection_read(struct call *c, const struct err *err)
{
	struct connection_call *cc = c->state;
	struct refresh_request req = { .connection = cc->id,
		.why = is_forced(c) ? REFRESH_DEMANDED : REFRESH_DUE };

	if (err->code != ERR_OK || c->reply) {
		call_end(c, err);
		return;
	}
	c->op = (struct op){ .done = connection_fresh, .ctx = c };
	refresh_connection(c->fl->runs->eng->refresher, &c->op, &req, &cc->outcome);
}

int call_connection_get(struct call *c, struct err *err UNUSED)
{
	c->state = ARENA_NEW(&c->arena, struct connection_call);
	c->after = connection_read;
	return call_job(c, DB_READ, job_connection_get);
}

/* Metadata. */

static int job_metadata(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	own_in(run_guard_done) struct run_guard g = call_guard(c);
	own_in(buf_done) struct buf text = { 0 };
	bool merge = c->method == CALL_metadata_update;
	struct json_t *metadata = json_member(c->head, SV_LIT("metadata"));
	struct connection conn;
	struct jw w;

	TRY(run_guard(db, &g, err));
	int rc = find_connection(db, c, &conn, err);
	if (rc <= 0)
		return rc;
	buf_init(&text, 16 << 20);
	json_dump_compact(metadata, &text);
	TRY(merge ? connection_merge_metadata(db, &conn, buf_sv(&text), err)
		  : connection_set_metadata(db, conn.id, buf_sv(&text), err));
	c->reply = json_new_obj();
	json_set_int(c->reply, "status", merge ? 200 : 201);
	jw_init(&w, &c->out);
	jw_obj(&w);
	jw_kv_json(&w, "metadata", metadata);
	jw_kv_str(&w, "connection_id", conn.connection_id);
	jw_kv_str(&w, "provider_config_key", conn.integration);
	jw_end(&w);
	return 0;
}

int call_metadata(struct call *c, struct err *err)
{
	if (json_kind(json_member(c->head, SV_LIT("metadata"))) != JSON_KIND_OBJECT)
		return err_set(err, ERR_INVALID, "metadata must be an object");
	return call_job(c, DB_WRITE, job_metadata);
}

/* Integration. */

static bool includes(const struct call *c, const char *what)
{
	const struct json_t *list = json_member(c->head, SV_LIT("include"));

	for (size_t i = 0; i < json_len(list); i++)
		if (sv_eq_str(json_sv(json_item(list, i)), what))
			return true;
	return false;
}

static void write_iso(struct jw *w, const char *key, int64_t ms)
{
	char iso[CLOCK_ISO_SIZE];

	jw_kv_cstr(w, key, clock_iso_ms(ms, iso));
}

static void write_webhook_url(struct jw *w, const struct call *c, const struct integration *in,
	const struct environment *env)
{
	const char *base = c->fl->runs->eng->conf->public_url;
	own_in(buf_done) struct buf url = { 0 };

	buf_init(&url, 4096);
	buf_printf(
		&url, "%s/webhook/%.*s/%.*s", base ? base : "", SV(env->uuid), SV(in->unique_key));
	jw_kv_str(w, "webhook_url", buf_sv(&url));
}

static int write_integration(
	struct dbc *db, struct call *c, const struct integration *in, struct jw *w, struct err *err)
{
	const struct provider *p = provider_find(c->fl->runs->eng->providers, in->provider);
	struct environment env;
	struct sv credentials;

	jw_kv_str(w, "unique_key", in->unique_key);
	jw_kv_str(w, "provider", in->provider);
	jw_kv_str(w, "display_name",
		in->display_name.ptr ? in->display_name
		: p		     ? p->display_name
				     : in->provider);
	jw_kv_null(w, "logo");
	jw_kv_bool(w, "forward_webhooks", in->forward_webhooks);
	write_iso(w, "created_at", in->created_ms);
	write_iso(w, "updated_at", in->updated_ms);
	if (includes(c, "webhook")) {
		TRY(env_get(db, in->environment_id, db_arena(db), &env, err));
		write_webhook_url(w, c, in, &env);
	}
	if (includes(c, "credentials")) {
		TRY(integration_credentials(
			db, c->fl->runs->eng->keys, in, db_arena(db), &credentials, err));
		jw_kv_raw(w, "credentials", credentials.ptr ? credentials : SV_LIT("null"));
	}
	return 0;
}

static int job_integration_get(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct integration in;
	struct jw w;

	TRY(integration_get(db, c->fl->run.integration_id, db_arena(db), &in, err));
	jw_init(&w, &c->out);
	jw_obj(&w);
	TRY(write_integration(db, c, &in, &w, err));
	jw_end(&w);
	return 0;
}

int call_integration_get(struct call *c, struct err *err UNUSED)
{
	return call_job(c, DB_READ, job_integration_get);
}

/* Environment variables. */

static int job_env_vars(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct env_variable *vars;
	struct jw w;
	size_t n;

	TRY(env_variables(db, c->fl->runs->eng->keys, c->fl->run.environment_id, db_arena(db),
		&vars, &n, err));
	jw_init(&w, &c->out);
	jw_arr(&w);
	for (size_t i = 0; i < n; i++) {
		jw_obj(&w);
		jw_kv_str(&w, "name", vars[i].name);
		jw_kv_str(&w, "value", vars[i].value);
		jw_end(&w);
	}
	jw_end(&w);
	return 0;
}

int call_env_vars(struct call *c, struct err *err UNUSED)
{
	return call_job(c, DB_READ, job_env_vars);
}

/* Other functions. */

/* An action is a run of its own, whose output is the answer. */
struct action_call {
	int64_t connection;
	struct runs_reply reply;
};

static void action_free(struct call *c)
{
	struct action_call *a = c->state;

	mem_free((char *)a->reply.output.ptr);
	mem_free((char *)a->reply.error.ptr);
}

/* As POST /action/trigger would have answered. */
static void refuse_action(struct call *c, struct sv error)
{
	own(json_unref) struct json_t *v = NULL;
	struct sv type = SV_LIT("action_failure"), message = SV_LIT("the action failed");
	int64_t status = 500;

	if (error.len && json_parse(error, &v, NULL) == 0) {
		json_opt_str(v, "type", &type, NULL);
		json_opt_str(v, "message", &message, NULL);
		json_opt_int(v, "status", &status, NULL);
	}
	call_refuse(c, "control", arena_str(&c->arena, type), arena_str(&c->arena, message),
		(int)status);
	struct json_t *payload = json_member(v, SV_LIT("payload"));
	if (payload)
		json_set(json_member(c->reply, SV_LIT("error")), SV_LIT("payload"),
			json_clone(payload));
}

static void action_done(void *ctx, const struct err *err)
{
	struct call *c = ctx;
	struct action_call *a = c->state;

	if (err->code == ERR_OK && a->reply.ok)
		c->raw = a->reply.output.ptr ? a->reply.output : SV_LIT("null");
	else if (err->code == ERR_OK)
		refuse_action(c, a->reply.error);
	call_end(c, err);
}

static int job_find_target(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct connection conn;
	struct function f;

	int rc = find_connection(db, c, &conn, err);
	if (rc <= 0)
		return rc;
	rc = function_find(db, conn.integration_id, FUNCTION_ACTION, text_or(c, "name", SV_LIT("")),
		db_arena(db), &f, err);
	if (rc == ERR_NOT_FOUND)
		return refuse(c, "not_found", 404, "there is no action of that name");
	TRY(rc);
	if (!f.enabled)
		return refuse(c, "disabled_resource", 404, "the action is disabled");
	((struct action_call *)c->state)->connection = conn.id;
	return 0;
}

static void target_found(struct call *c, const struct err *err)
{
	struct action_call *a = c->state;
	struct run_new n = {
		.kind = RUN_ACTION,
		.environment_id = c->fl->run.environment_id,
		.connection = a->connection,
		.name = text_or(c, "name", SV_LIT("")),
		.input = c->body.len ? c->body : SV_NULL,
	};

	if (err->code != ERR_OK || !a->connection) {
		call_end(c, err);
		return;
	}
	c->op = (struct op){ .done = action_done, .ctx = c };
	runs_execute(c->fl->runs, &n, &a->reply, &c->op);
}

int call_trigger_action(struct call *c, struct err *err UNUSED)
{
	if (c->fl->runs->count > ACTIONS_DEEP * c->fl->runs->cfg.limit) {
		refuse(c, "too_many_runs", 503, "too many runs are in flight");
		call_end(c, NULL);
		return 0;
	}
	c->state = ARENA_NEW(&c->arena, struct action_call);
	c->free = action_free;
	c->after = target_found;
	return call_job(c, DB_READ, job_find_target);
}

static int reply_success(struct call *c)
{
	c->reply = json_new_obj();
	json_set_int(c->reply, "status", 200);
	buf_str(&c->out, "{\"success\":true}");
	return 0;
}

static int job_trigger_sync(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	bool reset = json_truth(json_member(c->head, SV_LIT("reset")));
	bool empty = json_truth(json_member(c->head, SV_LIT("emptyCache")));
	struct sync_name name = { text_or(c, "sync", SV_NULL), text_or(c, "variant", SV_NULL) };
	struct connection conn;
	struct sync *syncs;
	size_t n;

	int rc = find_connection(db, c, &conn, err);
	if (rc <= 0)
		return rc;
	TRY(sync_select(db, conn.integration_id, conn.id, &name, 1, db_arena(db), &syncs, &n, err));
	if (n == 0)
		return refuse(c, "no_syncs_found", 400, "the connection has no such sync");
	TRY(sync_trigger(db, syncs, reset, reset && empty, err));
	return reply_success(c);
}

static void controlled(struct call *c, const struct err *err)
{
	struct engine *e = c->fl->runs->eng;

	call_end(c, err);
	sync_after_control(e);
}

int call_trigger_sync(struct call *c, struct err *err UNUSED)
{
	c->after = controlled;
	return call_job(c, DB_WRITE, job_trigger_sync);
}

/* "name" or {name, variant}. */
static struct sync_name name_of(const struct json_t *v)
{
	if (json_kind(v) == JSON_KIND_STRING)
		return (struct sync_name){ .name = json_sv(v) };
	return (struct sync_name){
		json_sv(json_member(v, SV_LIT("name"))),
		json_sv(json_member(v, SV_LIT("variant"))),
	};
}

static int selected(
	struct dbc *db, struct call *c, struct sync **ret, size_t *ret_count, struct err *err)
{
	const struct json_t *list = json_member(c->head, SV_LIT("syncs"));
	size_t n = json_len(list);
	struct sync_name *names = arena_array(db_arena(db), n + 1, sizeof(*names));
	struct connection conn = { 0 };
	struct integration in;

	for (size_t i = 0; i < n; i++)
		names[i] = name_of(json_item(list, i));
	*ret_count = 0;
	if (json_member(c->head, SV_LIT("connectionId"))) {
		int rc = find_connection(db, c, &conn, err);
		if (rc <= 0)
			return rc;
	}
	TRY(integration_find(
		db, c->fl->run.environment_id, target_of(c).integration, db_arena(db), &in, err));
	return sync_select(db, in.id, conn.id, names, n, db_arena(db), ret, ret_count, err);
}

static int job_start_sync(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct sync *syncs;
	size_t n;

	TRY(selected(db, c, &syncs, &n, err));
	if (c->reply)
		return 0;
	for (size_t i = 0; i < n; i++)
		TRY(sync_start(db, &syncs[i], err));
	return reply_success(c);
}

int call_start_sync(struct call *c, struct err *err UNUSED)
{
	c->after = controlled;
	return call_job(c, DB_WRITE, job_start_sync);
}
