/*
 * POST /action/trigger: an action runs and its output is the answer; or, with X-Async, the answer
 * says where its result will be: GET /action/{id} (spec/api-cli.md 2.7).
 */
#include "api/connections.h"
#include "api/handlers.h"
#include "base/sv.h"
#include "data/json.h"
#include "data/uuid.h"
#include "db/db.h"
#include "model/connection.h"
#include "model/function.h"
#include "model/run.h"
#include "sync/runs.h"

struct action {
	struct connection connection;
	struct runs_reply reply;
	char id[UUID_TEXT_SIZE]; /* when nobody waits */
};

static const struct check headers[] = {
	{ "connection-id", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_CONNECTION },
	{ "provider-config-key", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_INTEGRATION },
	{ "x-async", CHECK_BOOL_TEXT, .options = "true|false" },
	{ "x-max-retries", CHECK_COERCED, CHECK_MIN, .min = 0, .max = 5 },
	{ 0 },
};
static const struct check body[] = {
	{ "action_name", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_NAME },
	{ "input", CHECK_ANY },
	{ 0 },
};

static int find_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct action *a = call->state;
	struct function f;

	call->refused = false;
	int rc = connection_find(c, api_env(call), api_head(call, "provider-config-key"),
		api_head(call, "connection-id"), call->arena, &a->connection, err);
	if (rc == ERR_NOT_FOUND)
		return connection_unknown(call, err, 400);
	TRY(rc);
	struct sv name = api_text(call, "action_name");
	rc = function_find(
		c, a->connection.integration_id, FUNCTION_ACTION, name, call->arena, &f, err);
	if (rc == ERR_NOT_FOUND)
		return api_refuse(call, err, 404, "not_found", "Action '%.*s' not found", SV(name));
	TRY(rc);
	if (!f.enabled)
		return api_refuse(call, err, 404, "disabled_resource",
			"The action '%.*s' is disabled", SV(name));
	return 0;
}

static struct run_new new_run(struct api_call *call)
{
	const struct action *a = call->state;

	return (struct run_new){
		.kind = RUN_ACTION,
		.environment_id = api_env(call),
		.connection = a->connection.id,
		.name = api_text(call, "action_name"),
		.input = api_dump(call, json_member(call->body, SV_LIT("input"))),
	};
}

/* The status that goes with the type of a function's error. */
static int status_of(struct sv type)
{
	static const struct {
		const char *type;
		int status;
	} known[] = {
		{ "script_http_error", 424 },
		{ "script_api_rate_limit_error", 424 },
		{ "script_aborted", 410 },
		{ "script_output_too_large", 400 },
		{ "action_failure", 400 },
		{ "invalid_action_input", 400 },
		{ "invalid_action_output", 400 },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (sv_eq_str(type, known[i].type))
			return known[i].status;
	}
	return 500;
}

static void answer_error(struct api_call *call, struct sv text)
{
	own(json_unref) struct json_t *error = NULL;
	struct sv type = SV_LIT("action_script_failure"), message = SV_LIT("The action failed");

	if (text.ptr && json_parse(text, &error, NULL) == 0) {
		json_opt_str(error, "type", &type, NULL);
		json_opt_str(error, "message", &message, NULL);
	}
	struct jw w = api_json(call, status_of(type));
	jw_obj(&w);
	jw_kv_obj(&w, "error");
	jw_kv_str(&w, "message", message);
	jw_kv_str(&w, "code", type);
	jw_kv_json(&w, "payload", json_member(error, SV_LIT("payload")));
	struct json_t *upstream = json_member(error, SV_LIT("upstream"));
	if (upstream)
		jw_kv_json(&w, "upstream", upstream);
	jw_end(&w);
	jw_end(&w);
	call->refused = true;
}

static bool executed(struct api_call *call)
{
	struct action *a = call->state;

	if (call->flow.err.code != ERR_OK)
		return false;
	if (a->reply.ok) {
		struct jw w = api_json(call, 200);
		jw_raw(&w, a->reply.output.len ? a->reply.output : SV_LIT("null"));
	} else {
		answer_error(call, a->reply.error);
	}
	mem_free((char *)a->reply.output.ptr);
	mem_free((char *)a->reply.error.ptr);
	return false;
}

static bool found(struct api_call *call)
{
	struct action *a = call->state;
	struct run_new n = new_run(call);

	if (call->flow.err.code != ERR_OK)
		return false; /* a refusal, or answered as our failure */
	call->finish = executed;
	runs_execute(call->eng->runs, &n, &a->reply, &call->flow.op);
	return true;
}

/* Without a caller that waits: queued, to be found under an id. */

static int queue_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct action *a = call->state;
	struct sv retries = api_head(call, "x-max-retries");
	int64_t id;

	TRY(find_job(c, arg, err));
	struct run_new n = new_run(call);
	n.async_id = sv_str(a->id);
	if (retries.ptr && !sv_to_i64(sv_trim(retries), &n.retries))
		n.retries = 0;
	return run_create(c, &n, &id, err);
}

static bool queued(struct api_call *call)
{
	const struct action *a = call->state;

	if (call->flow.err.code != ERR_OK)
		return false;
	const char *url = arena_printf(call->arena, "/action/%s", a->id);
	struct jw w = api_json(call, 202);
	api_header(call, "Location", sv_str(url));
	jw_obj(&w);
	jw_kv_cstr(&w, "id", a->id);
	jw_kv_cstr(&w, "statusUrl", url);
	jw_end(&w);
	sync_after_control(call->eng);
	return false;
}

bool action_trigger(struct api_call *call)
{
	if (api_check_no_query(call, NULL) < 0 || api_check_headers(call, headers, NULL) < 0 ||
		api_check_body(call, body, NULL) < 0)
		return false;
	struct action *a = call->state = ARENA_NEW(call->arena, struct action);
	bool waits = !sv_eq_str(api_head(call, "x-async"), "true");
	uuid_format(uuid_v4(), a->id);
	call->finish = waits ? found : queued;
	db_submit(call->eng->db, waits ? DB_READ : DB_WRITE, &call->flow.op,
		waits ? find_job : queue_job, call);
	return true;
}

/* GET /action/{id} */

static const struct check id_param[] = {
	{ "id", CHECK_STR, CHECK_REQUIRED | CHECK_UUID },
	{ 0 },
};

int action_result(struct api_call *call, struct dbc *c, struct err *err)
{
	struct run_outcome outcome;

	TRY(api_check_no_query(call, err));
	TRY(api_check_params(call, id_param, err));
	int rc = run_of_async(c, api_env(call), api_param(call, "id"), call->arena, &outcome, err);
	if (rc == ERR_NOT_FOUND || (rc == 0 && !outcome.ended))
		return api_refuse(call, err, 404, "not_found",
			"There is no result of such an action, or not yet");
	TRY(rc);
	if (!outcome.ok) {
		answer_error(call, outcome.error);
		return err_set(err, ERR_INVALID, "the action failed");
	}
	struct jw w = api_json(call, 200);
	jw_raw(&w, outcome.output.len ? outcome.output : SV_LIT("null"));
	return 0;
}
