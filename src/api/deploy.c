/* /sync/deploy: what the command lines send (spec/api-cli.md section 3). */
#include "model/deploy.h"

#include "api/handlers.h"
#include "base/sv.h"
#include "conf/settings.h"
#include "data/json.h"
#include "db/db.h"

/* Older public command lines sent bundles of another shape. */
enum { CLI_MAJOR = 0, CLI_MINOR = 39, CLI_PATCH = 25 };

/* One number of a version, behind it the dot or the end. */
static bool next_number(struct sv *rest, int64_t *ret)
{
	size_t n = 0;

	while (n < rest->len && rest->ptr[n] >= '0' && rest->ptr[n] <= '9')
		n++;
	if (!sv_to_i64(sv_make(rest->ptr, n), ret))
		return false;
	*rest = sv_from(*rest, n);
	if (rest->len && rest->ptr[0] == '.')
		*rest = sv_from(*rest, 1);
	return true;
}

/* Who is not the public command line is no concern of this check. */
static bool is_old_cli(struct sv user_agent)
{
	static const int64_t least[] = { CLI_MAJOR, CLI_MINOR, CLI_PATCH };
	struct sv name = SV_LIT("nango-cli/");

	ptrdiff_t at = sv_find(user_agent, name);
	if (at < 0)
		return false;
	struct sv rest = sv_from(user_agent, (size_t)at + name.len);
	for (size_t i = 0; i < ARRAY_LEN(least); i++) {
		int64_t n;
		if (!next_number(&rest, &n))
			return false;
		if (n != least[i])
			return n < least[i];
	}
	return false;
}

static int check_cli(struct api_call *call, struct err *err)
{
	if (!is_old_cli(api_head(call, "user-agent")))
		return 0;
	return api_refuse(call, err, 400, "invalid_cli_version",
		"This CLI is too old: update it (npm install -g nango)");
}

/* --- the package --- */

static const struct check text_item = { "", CHECK_STR, CHECK_REQUIRED };
static const struct check any_item = { "", CHECK_ANY, CHECK_REQUIRED };

static const struct check code_fields[] = {
	{ "js", CHECK_STR, CHECK_REQUIRED },
	{ "ts", CHECK_STR, CHECK_REQUIRED },
	{ 0 },
};

#define NAME_FIELD(n)                                                              \
	{                                                                          \
		n, CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,    \
							  .pattern = &PATTERN_NAME \
	}
#define INTEGRATION_FIELD                                                     \
	{                                                                     \
		"providerConfigKey", CHECK_STR, CHECK_REQUIRED | CHECK_MIN,   \
			.min = 1, .max = 255, .pattern = &PATTERN_INTEGRATION \
	}
#define CODE_FIELD                                                           \
	{                                                                    \
		"fileBody", CHECK_OBJ, CHECK_REQUIRED, .fields = code_fields \
	}

static const struct check metadata_fields[] = {
	{ "description", CHECK_STR },
	{ "scopes", CHECK_ARR, .item = &text_item },
	{ 0 },
};
static const struct check schema_fields[] = {
	{ "definitions", CHECK_OBJ, CHECK_REQUIRED },
	{ 0 },
};

static const struct check flow_fields[] = {
	NAME_FIELD("syncName"),
	INTEGRATION_FIELD,
	{ "type", CHECK_ENUM, CHECK_REQUIRED, .options = "sync|action" },
	{ "models", CHECK_ARR, CHECK_REQUIRED, .item = &text_item },
	{ "input", CHECK_STR, CHECK_NULLABLE },
	{ "version", CHECK_STR, CHECK_NULLABLE, .max = 255 },
	{ "runs", CHECK_STR, CHECK_NULLABLE, .max = 255 },
	{ "auto_start", CHECK_BOOL },
	{ "track_deletes", CHECK_BOOL },
	{ "sync_type", CHECK_ENUM, .options = "full|incremental" },
	{ "attributes", CHECK_OBJ },
	{ "metadata", CHECK_OBJ, .fields = metadata_fields },
	{ "endpoints", CHECK_ARR, .item = &any_item },
	{ "webhookSubscriptions", CHECK_ARR, .item = &text_item },
	{ "models_json_schema", CHECK_OBJ, CHECK_LOOSE, .fields = schema_fields },
	{ "features", CHECK_ARR, .item = &text_item },
	CODE_FIELD,
	/* Of older command lines; nothing here needs them. */
	{ "model_schema", CHECK_ANY },
	{ "layout_mode", CHECK_ANY },
	{ 0 },
};

static const struct check script_fields[] = {
	NAME_FIELD("name"),
	CODE_FIELD,
	{ "event", CHECK_ENUM,
		.options = "post-connection-creation|pre-connection-deletion|validate-connection" },
	{ 0 },
};
static const struct check script = { "", CHECK_OBJ, CHECK_REQUIRED, .fields = script_fields };
static const struct check group_fields[] = {
	INTEGRATION_FIELD,
	{ "scripts", CHECK_ARR, CHECK_REQUIRED, .item = &script },
	{ 0 },
};

static void check_defined(struct issues *is, const struct json_t *definitions, struct sv name)
{
	if (!json_member(definitions, name))
		issue_add_at(is, "models_json_schema", "custom",
			"json_schema doesn't contain model \"%.*s\"", SV(name));
}

/* What concerns several members of a function at once. */
static void check_flow(struct issues *is, const struct json_t *flow)
{
	const struct json_t *models = json_member(flow, SV_LIT("models"));
	const struct json_t *schema = json_member(flow, SV_LIT("models_json_schema"));
	const struct json_t *definitions = json_member(schema, SV_LIT("definitions"));
	struct sv input = json_sv(json_member(flow, SV_LIT("input")));

	for (size_t i = 0; schema && i < json_len(models); i++)
		check_defined(is, definitions, json_sv(json_item(models, i)));
	if (schema && input.len)
		check_defined(is, definitions, input);
	if (json_truth(json_member(flow, SV_LIT("track_deletes"))) &&
		sv_eq_str(json_sv(json_member(flow, SV_LIT("sync_type"))), "incremental"))
		issue_add_at(is, "track_deletes", "custom",
			"Track deletes is not supported for incremental syncs");
}

static int check_package(struct api_call *call, struct err *err)
{
	static const struct check flow = { "", CHECK_OBJ, CHECK_REQUIRED, .fields = flow_fields,
		.also = check_flow };
	static const struct check group = { "", CHECK_OBJ, CHECK_REQUIRED, .fields = group_fields };
	static const struct check fields[] = {
		{ "flowConfigs", CHECK_ARR, CHECK_REQUIRED, .item = &flow },
		{ "onEventScriptsByProvider", CHECK_ARR, 0, .item = &group },
		{ "postConnectionScriptsByProvider", CHECK_ARR, 0, .item = &group },
		{ "deployMode", CHECK_ENUM, .options = "all|integration|single" },
		{ "singleDeployMode", CHECK_BOOL },
		{ "jsonSchema", CHECK_OBJ, CHECK_LOOSE },
		{ "reconcile", CHECK_BOOL, CHECK_REQUIRED },
		{ "debug", CHECK_BOOL, CHECK_REQUIRED },
		{ "nangoYamlBody", CHECK_STR },
		{ "sdkVersion", CHECK_STR },
		{ "source", CHECK_ENUM, .options = "repo|standalone" },
		{ 0 },
	};

	TRY(check_cli(call, err));
	TRY(api_check_no_query(call, err));
	return api_check_body(call, fields, err);
}

static enum deploy_mode mode_of(const struct api_call *call)
{
	struct sv mode = api_text(call, "deployMode");

	if (sv_eq_str(mode, "single") ||
		json_truth(json_member(call->body, SV_LIT("singleDeployMode"))))
		return DEPLOY_SINGLE;
	return sv_eq_str(mode, "integration") ? DEPLOY_INTEGRATION : DEPLOY_ALL;
}

static int plan(struct api_call *call, struct dbc *c, struct deploy *d, struct err *err)
{
	*d = (struct deploy){
		.environment_id = api_env(call),
		.min_frequency_ms = call->eng->conf->min_frequency_ms,
	};
	TRY(check_package(call, err));
	struct sv source = api_text(call, "source");
	d->mode = mode_of(call);
	d->source = source.ptr ? source : SV_LIT("repo");
	d->sdk_version = api_text(call, "sdkVersion");
	d->reconcile = json_truth(json_member(call->body, SV_LIT("reconcile")));
	int rc = deploy_plan(c, call->body, db_arena(c), d, err);
	if (rc < 0 && d->error_code) {
		struct err why = *err;
		return api_refuse(call, err, 400, d->error_code, "%s", why.msg);
	}
	return rc;
}

int deploy_confirmation(struct api_call *call, struct dbc *c, struct err *err)
{
	struct deploy d;

	TRY(plan(call, c, &d, err));
	api_json(call, 200);
	deploy_write_plan(&d, &call->out);
	return 0;
}

int deploy_functions(struct api_call *call, struct dbc *c, struct err *err)
{
	struct deploy d;

	TRY(plan(call, c, &d, err));
	TRY(deploy_apply(c, &d, db_arena(c), err));
	call->effects |= EFFECT_SCHEDULE;
	api_json(call, 200);
	deploy_write_result(&d, &call->out);
	return 0;
}
