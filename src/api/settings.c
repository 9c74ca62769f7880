/* Settings of an environment: where webhooks go, the key that signs them, variables. */
#include "api/handlers.h"
#include "base/sv.h"
#include "data/json.h"
#include "db/db.h"
#include "model/env.h"

#include <strings.h>

/* Empty text clears a URL. */
static int take_url(struct api_call *call, const char *name, struct sv *url, struct err *err)
{
	struct json_t *v = json_member(call->body, sv_str(name));

	if (!v)
		return 0;
	struct sv text = json_sv(v);
	bool http = text.len > 7 && strncasecmp(text.ptr, "http://", 7) == 0;
	bool https = text.len > 8 && strncasecmp(text.ptr, "https://", 8) == 0;
	if (text.len && !http && !https) {
		struct issues *is = api_issues(call);
		issue_add_at(is, name, "invalid_format", "Invalid URL");
		return api_refuse_issues(call, err, "invalid_body", is);
	}
	*url = text.len ? text : SV_NULL;
	return 0;
}

static void take_flag(struct api_call *call, const char *name, bool *flag)
{
	struct json_t *v = json_member(call->body, sv_str(name));

	if (v)
		*flag = json_truth(v);
}

int webhook_settings_update(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check fields[] = {
		{ "primary_url", CHECK_STR, CHECK_NULLABLE, .max = 2048 },
		{ "secondary_url", CHECK_STR, CHECK_NULLABLE, .max = 2048 },
		{ "on_sync_completion_always", CHECK_BOOL },
		{ "on_sync_error", CHECK_BOOL },
		{ "on_auth_creation", CHECK_BOOL },
		{ "on_auth_refresh_error", CHECK_BOOL },
		{ "on_async_action_completion", CHECK_BOOL },
		{ 0 },
	};
	struct environment e;

	TRY(api_check_body(call, fields, err));
	TRY(env_get(c, api_env(call), db_arena(c), &e, err));
	TRY(take_url(call, "primary_url", &e.primary_url, err));
	TRY(take_url(call, "secondary_url", &e.secondary_url, err));
	take_flag(call, "on_sync_completion_always", &e.on_sync_completion_always);
	take_flag(call, "on_sync_error", &e.on_sync_error);
	take_flag(call, "on_auth_creation", &e.on_auth_creation);
	take_flag(call, "on_auth_refresh_error", &e.on_auth_refresh_error);
	take_flag(call, "on_async_action_completion", &e.on_async_action_completion);
	TRY(env_save_webhooks(c, &e, err));
	return api_success(call);
}

int signing_key_rotate(struct api_call *call, struct dbc *c, struct err *err)
{
	struct sv key;

	TRY(api_check_no_query(call, err));
	TRY(env_signing_key_rotate(c, call->eng->keys, api_env(call), db_arena(c), &key, err));
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_obj(&w, "data");
	jw_kv_str(&w, "webhook_signing_key", key);
	jw_end(&w);
	jw_end(&w);
	return 0;
}

int environment_variables(struct api_call *call, struct dbc *c, struct err *err)
{
	struct env_variable *all;
	size_t count;

	TRY(api_check_no_query(call, err));
	TRY(env_variables(c, call->eng->keys, api_env(call), db_arena(c), &all, &count, err));
	struct jw w = api_json(call, 200);
	jw_arr(&w);
	for (size_t i = 0; i < count; i++) {
		jw_obj(&w);
		jw_kv_str(&w, "name", all[i].name);
		jw_kv_str(&w, "value", all[i].value);
		jw_end(&w);
	}
	jw_end(&w);
	return 0;
}

/* The whole list: what is not in it any more is gone. */
int environment_variables_set(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check variable_fields[] = {
		{ "name", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 256 },
		{ "value", CHECK_STR, CHECK_REQUIRED, .max = 4000 },
		{ 0 },
	};
	static const struct check variable = { "", CHECK_OBJ, CHECK_REQUIRED,
		.fields = variable_fields };
	static const struct check fields[] = {
		{ "variables", CHECK_ARR, CHECK_REQUIRED, .max = 1000, .item = &variable },
		{ 0 },
	};
	struct env_variable *old;
	size_t count;

	TRY(api_check_body(call, fields, err));
	TRY(env_variables(c, call->eng->keys, api_env(call), db_arena(c), &old, &count, err));
	for (size_t i = 0; i < count; i++)
		TRY(env_variable_set(c, call->eng->keys, api_env(call), old[i].name, SV_NULL, err));
	const struct json_t *list = json_member(call->body, SV_LIT("variables"));
	for (size_t i = 0; i < json_len(list); i++) {
		const struct json_t *v = json_item(list, i);
		TRY(env_variable_set(c, call->eng->keys, api_env(call),
			json_sv(json_member(v, SV_LIT("name"))),
			json_sv(json_member(v, SV_LIT("value"))), err));
	}
	return api_success(call);
}

/* --- the environment itself --- */

static void write_settings(struct api_call *call, const struct environment *e)
{
	struct jw w = api_json(call, 200);

	jw_obj(&w);
	jw_kv_obj(&w, "data");
	jw_kv_str(&w, "name", e->name);
	jw_kv_str(&w, "uuid", e->uuid);
	jw_kv_bool(&w, "is_production", e->is_production);
	jw_kv_str(&w, "validation", e->validation);
	jw_kv_str(&w, "log_level", e->log_level);
	jw_kv_obj(&w, "webhooks");
	jw_kv_str(&w, "primary_url", e->primary_url);
	jw_kv_str(&w, "secondary_url", e->secondary_url);
	jw_kv_bool(&w, "on_sync_completion_always", e->on_sync_completion_always);
	jw_kv_bool(&w, "on_sync_error", e->on_sync_error);
	jw_kv_bool(&w, "on_auth_creation", e->on_auth_creation);
	jw_kv_bool(&w, "on_auth_refresh_error", e->on_auth_refresh_error);
	jw_kv_bool(&w, "on_async_action_completion", e->on_async_action_completion);
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
}

int environment_get(struct api_call *call, struct dbc *c, struct err *err)
{
	struct environment e;

	TRY(api_check_no_query(call, err));
	TRY(env_get(c, api_env(call), db_arena(c), &e, err));
	write_settings(call, &e);
	return 0;
}

int environment_update(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check fields[] = {
		{ "validation", CHECK_ENUM, .options = "off|warn|fail" },
		{ "log_level", CHECK_ENUM, .options = "debug|info|warn|error|off" },
		{ 0 },
	};
	struct environment e;

	TRY(api_check_no_query(call, err));
	TRY(api_check_body(call, fields, err));
	TRY(env_get(c, api_env(call), db_arena(c), &e, err));
	struct sv validation = api_text(call, "validation"), level = api_text(call, "log_level");
	if (validation.ptr)
		e.validation = validation;
	if (level.ptr)
		e.log_level = level;
	TRY(env_save_settings(c, &e, err));
	write_settings(call, &e);
	return 0;
}

/* The public CLI reports its use here; nobody listens. */
bool cli_telemetry(struct api_call *call)
{
	call->status = 204;
	return false;
}
