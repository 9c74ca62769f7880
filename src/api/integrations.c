/* /integrations: providers as an environment uses them. */
#include "model/integration.h"

#include "api/handlers.h"
#include "auth/credentials.h"
#include "data/enc.h"
#include "data/json.h"
#include "db/db.h"
#include "model/env.h"
#include "model/provider.h"

#include <stdio.h>

static const struct check key_param[] = {
	{ "key", CHECK_STR, CHECK_REQUIRED, .max = 255, .pattern = &PATTERN_INTEGRATION },
	{ 0 },
};

static const struct check text = { "", CHECK_STR, CHECK_REQUIRED };
static const struct check config_text = { "", CHECK_STR, CHECK_REQUIRED, .max = 8192 };

#define SECRET(n)                                              \
	{                                                      \
		n, CHECK_STR, CHECK_REQUIRED | CHECK_MIN, 1, 0 \
	}
#define SECRET_OPTIONAL(n)                    \
	{                                     \
		n, CHECK_STR, CHECK_MIN, 1, 0 \
	}

static const struct check oauth_fields[] = {
	{ "type", CHECK_ENUM, CHECK_REQUIRED, .options = "OAUTH1|OAUTH2|TBA" },
	SECRET("client_id"),
	SECRET("client_secret"),
	{ "scopes", CHECK_STR },
	{ "webhook_secret", CHECK_STR },
	{ 0 },
};
static const struct check app_fields[] = {
	{ "type", CHECK_ENUM, CHECK_REQUIRED, .options = "APP" },
	SECRET("app_id"),
	{ "app_link", CHECK_STR, CHECK_REQUIRED | CHECK_URL },
	SECRET("private_key"),
	{ 0 },
};
static const struct check custom_fields[] = {
	{ "type", CHECK_ENUM, CHECK_REQUIRED, .options = "CUSTOM" },
	SECRET("client_id"),
	SECRET("client_secret"),
	SECRET("app_id"),
	{ "app_link", CHECK_STR, CHECK_REQUIRED | CHECK_URL },
	SECRET("private_key"),
	{ 0 },
};
static const struct check credential_kinds[] = {
	{ "oauth", CHECK_OBJ, CHECK_REQUIRED, .fields = oauth_fields },
	{ "app", CHECK_OBJ, CHECK_REQUIRED, .fields = app_fields },
	{ "custom", CHECK_OBJ, CHECK_REQUIRED, .fields = custom_fields },
	{ 0 },
};

#define KEY_FIELD(flags)                                                                      \
	{                                                                                     \
		"unique_key", CHECK_STR, (flags) | CHECK_MIN, .min = 1, .max = 255,           \
							      .pattern = &PATTERN_INTEGRATION \
	}
#define COMMON_FIELDS                                                       \
	{ "display_name", CHECK_STR, CHECK_MIN, .min = 1, .max = 255 },     \
		{ "credentials", CHECK_UNION, .fields = credential_kinds }, \
		{ "forward_webhooks", CHECK_BOOL },                         \
		{ "integration_config", CHECK_MAP, .item = &config_text },  \
		{ "custom", CHECK_MAP, .item = &text },                     \
	{                                                                   \
		0                                                           \
	}

static const struct check create_body[] = {
	{ "provider", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_PROVIDER },
	KEY_FIELD(CHECK_REQUIRED),
	COMMON_FIELDS,
};
static const struct check update_body[] = {
	KEY_FIELD(0),
	COMMON_FIELDS,
};

/* --- writing --- */

static void write_fields(struct api_call *call, struct jw *w, const struct integration *in)
{
	const struct provider *p = provider_find(call->eng->providers, in->provider);
	struct sv name = in->display_name.ptr	    ? in->display_name
			 : p && p->display_name.ptr ? p->display_name
						    : in->provider;

	jw_kv_str(w, "unique_key", in->unique_key);
	jw_kv_str(w, "provider", in->provider);
	jw_kv_str(w, "display_name", name);
	jw_kv_cstr(w, "logo",
		arena_printf(call->arena, "%s/images/template-logos/%.*s.svg", api_base_url(call),
			SV(in->provider)));
	jw_kv_bool(w, "forward_webhooks", in->forward_webhooks);
	write_time_z(w, "created_at", in->created_ms);
	write_time_z(w, "updated_at", in->updated_ms);
}

static int reply_one(struct api_call *call, const struct integration *in)
{
	struct jw w = api_json(call, 200);

	jw_obj(&w);
	jw_kv_obj(&w, "data");
	write_fields(call, &w, in);
	jw_end(&w);
	jw_end(&w);
	return 0;
}

static int unknown(struct api_call *call, struct sv key, struct err *err)
{
	return api_refuse(
		call, err, 404, "not_found", "Integration \"%.*s\" does not exist", SV(key));
}

/* The integration of the path, or a refusal. */
static int find(struct api_call *call, struct dbc *c, struct integration *ret, struct err *err)
{
	struct sv key = api_param(call, "key");

	int rc = integration_find(c, api_env(call), key, call->arena, ret, err);
	return rc == ERR_NOT_FOUND ? unknown(call, key, err) : rc;
}

int integrations_list(struct api_call *call, struct dbc *c, struct err *err)
{
	struct integration *all;
	size_t count;

	TRY(api_check_no_query(call, err));
	TRY(integration_list(c, api_env(call), call->arena, &all, &count, err));
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_arr(&w, "data");
	for (size_t i = 0; i < count; i++) {
		jw_obj(&w);
		write_fields(call, &w, &all[i]);
		jw_end(&w);
	}
	jw_end(&w);
	jw_end(&w);
	return 0;
}

/* --- one --- */

static bool includes(const struct api_call *call, const char *what)
{
	const struct json_t *v = json_member(call->query, SV_LIT("include"));

	if (json_kind(v) == JSON_KIND_STRING)
		return sv_eq_str(json_sv(v), what);
	for (size_t i = 0; i < json_len(v); i++) {
		if (sv_eq_str(json_sv(json_item(v, i)), what))
			return true;
	}
	return false;
}

static int write_webhook_url(struct api_call *call, struct dbc *c, struct jw *w,
	const struct integration *in, struct err *err)
{
	own_in(buf_done) struct buf key = { 0 };
	struct environment env;

	TRY(env_get(c, in->environment_id, call->arena, &env, err));
	buf_init(&key, 4096);
	enc_percent(&key, in->unique_key, ENC_COMPONENT);
	jw_kv_cstr(w, "webhook_url",
		arena_printf(call->arena, "%s/webhook/%.*s/%s", api_base_url(call), SV(env.uuid),
			key.ptr));
	return 0;
}

static int write_credentials(struct api_call *call, struct dbc *c, struct jw *w,
	const struct integration *in, struct err *err)
{
	struct sv credentials;

	TRY(integration_credentials(c, call->eng->keys, in, call->arena, &credentials, err));
	if (credentials.ptr)
		jw_kv_raw(w, "credentials", credentials);
	else
		jw_kv_null(w, "credentials");
	return 0;
}

int integrations_get(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check kind = { "", CHECK_ENUM, CHECK_REQUIRED,
		.options = "webhook|credentials" };
	static const struct check kinds[] = {
		{ "one", CHECK_ENUM, CHECK_REQUIRED, .options = "webhook|credentials" },
		{ "many", CHECK_ARR, CHECK_REQUIRED, .item = &kind },
		{ 0 },
	};
	static const struct check query[] = { { "include", CHECK_UNION, .fields = kinds }, { 0 } };
	struct integration in;

	TRY(api_check_query(call, query, err));
	TRY(api_check_params(call, key_param, err));
	TRY(find(call, c, &in, err));
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_obj(&w, "data");
	write_fields(call, &w, &in);
	if (includes(call, "webhook"))
		TRY(write_webhook_url(call, c, &w, &in, err));
	if (includes(call, "credentials") && api_allows(call, "integrations:read_credentials"))
		TRY(write_credentials(call, c, &w, &in, err));
	jw_end(&w);
	jw_end(&w);
	return 0;
}

/* --- create, update, delete --- */

static int issue(struct api_call *call, struct err *err, const char *field, const char *code,
	const char *message)
{
	struct issues *is = api_issues(call);

	issue_add_at(is, field, code, "%s", message);
	return api_refuse_issues(call, err, "invalid_body", is);
}

static bool needs_app(struct sv auth_mode)
{
	static const char *const modes[] = { "OAUTH1", "OAUTH2", "TBA", "APP", "CUSTOM" };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (sv_eq_str(auth_mode, modes[i]))
			return true;
	}
	return false;
}

static int check_credentials(
	struct api_call *call, const struct provider *p, bool required, struct err *err)
{
	const struct json_t *given = json_member(call->body, SV_LIT("credentials"));
	struct sv type = json_sv(json_member(given, SV_LIT("type")));

	if (!given && required && needs_app(p->auth_mode))
		return issue(call, err, "credentials", "custom",
			arena_printf(call->arena, "Missing credentials for auth type %.*s",
				SV(p->auth_mode)));
	if (given && !sv_eq(type, p->auth_mode))
		return issue(call, err, "credentials", "custom",
			arena_printf(call->arena,
				"Incompatible credentials auth type: provider \"%.*s\" uses %.*s",
				SV(p->name), SV(p->auth_mode)));
	return 0;
}

static struct integration_secrets secrets(struct api_call *call)
{
	return (struct integration_secrets){
		.credentials = api_dump(call, json_member(call->body, SV_LIT("credentials"))),
		.custom = api_dump(call, json_member(call->body, SV_LIT("custom"))),
	};
}

static int key_taken(struct api_call *call, struct err *err)
{
	return issue(call, err, "unique_key", "invalid_string", "Unique key already exists");
}

int integrations_create(struct api_call *call, struct dbc *c, struct err *err)
{
	TRY(api_check_no_query(call, err));
	TRY(api_check_body(call, create_body, err));
	const struct provider *p = provider_find(call->eng->providers, api_text(call, "provider"));
	if (!p)
		return issue(call, err, "provider", "invalid_string", "Invalid provider");
	TRY(check_credentials(call, p, true, err));
	const struct json_t *forward = json_member(call->body, SV_LIT("forward_webhooks"));
	struct integration_secrets s = secrets(call);
	struct integration in = {
		.environment_id = api_env(call),
		.unique_key = api_text(call, "unique_key"),
		.provider = p->name,
		.display_name = api_text(call, "display_name"),
		.config = api_dump(call, json_member(call->body, SV_LIT("integration_config"))),
		.forward_webhooks = !forward || json_truth(forward),
	};
	int rc = integration_create(c, call->eng->keys, &in, &s, err);
	if (rc == ERR_CONFLICT)
		return key_taken(call, err);
	TRY(rc);
	return reply_one(call, &in);
}

static int rename_to(struct api_call *call, struct dbc *c, struct integration *in, struct sv key,
	struct err *err)
{
	struct integration other;
	int64_t count;

	if (!key.ptr || sv_eq(key, in->unique_key))
		return 0;
	int rc = integration_find(c, in->environment_id, key, call->arena, &other, err);
	if (rc >= 0)
		return key_taken(call, err);
	if (rc != ERR_NOT_FOUND)
		return rc;
	TRY(integration_connection_count(c, in->id, &count, err));
	if (count)
		return issue(call, err, "unique_key", "custom",
			"Can't rename an integration with active connections");
	in->unique_key = key;
	return 0;
}

int integrations_update(struct api_call *call, struct dbc *c, struct err *err)
{
	struct integration in;

	TRY(api_check_no_query(call, err));
	TRY(api_check_params(call, key_param, err));
	TRY(api_check_body(call, update_body, err));
	TRY(find(call, c, &in, err));
	const struct provider *p = provider_find(call->eng->providers, in.provider);
	if (p)
		TRY(check_credentials(call, p, false, err));
	TRY(rename_to(call, c, &in, api_text(call, "unique_key"), err));
	const struct json_t *forward = json_member(call->body, SV_LIT("forward_webhooks"));
	const struct json_t *config = json_member(call->body, SV_LIT("integration_config"));
	if (forward)
		in.forward_webhooks = json_truth(forward);
	if (config)
		in.config = api_dump(call, config);
	if (api_text(call, "display_name").ptr)
		in.display_name = api_text(call, "display_name");
	struct integration_secrets s = secrets(call);
	TRY(integration_update(c, call->eng->keys, &in, &s, err));
	return reply_one(call, &in);
}

int integrations_delete(struct api_call *call, struct dbc *c, struct err *err)
{
	struct integration in;

	TRY(api_check_no_query(call, err));
	TRY(api_check_params(call, key_param, err));
	TRY(find(call, c, &in, err));
	TRY(integration_delete(c, &in, err));
	call->effects |= EFFECT_SCHEDULE;
	return api_success(call);
}
