#include "model/auth_webhook.h"

#include "base/buf.h"
#include "data/json.h"
#include "db/db.h"
#include "model/connection.h"
#include "model/env.h"
#include "model/outbox.h"

static const struct {
	const char *name, *action; /* in the body; in the users' log */
} operations[] = {
	[AUTH_CREATION] = { "creation", "connection_create" },
	[AUTH_OVERRIDE] = { "override", "connection_refresh" },
	[AUTH_REFRESH] = { "refresh", "connection_refresh" },
};

static struct json_t *end_user_of(const struct connection *conn)
{
	own(json_unref) struct json_t *user = NULL;
	struct json_t *out = json_new_obj();

	if (json_parse(conn->end_user, &user, NULL) < 0)
		return out;
	json_set_str(out, "endUserId", json_sv(json_member(user, SV_LIT("id"))));
	json_set_str(out, "endUserEmail", json_sv(json_member(user, SV_LIT("email"))));
	struct sv org = json_sv(json_find(user, SV_LIT("organization.id")));
	if (org.ptr)
		json_set_str(out, "organizationId", org);
	struct json_t *tags = json_member(user, SV_LIT("tags"));
	json_set(out, SV_LIT("tags"),
		json_kind(tags) == JSON_KIND_OBJECT ? json_ref(tags) : json_new_obj());
	return out;
}

static void set_outcome(struct json_t *body, const struct auth_event *e)
{
	json_set_bool(body, "success", !e->error_type);
	if (!e->error_type)
		return;
	struct json_t *error = json_new_obj();
	json_set_str(error, "type", sv_str(e->error_type));
	json_set_str(error, "description", e->error_text);
	json_set(body, SV_LIT("error"), error);
}

static struct sv body_of(const struct auth_event *e, const struct environment *env, struct arena *a)
{
	own(json_unref) struct json_t *body = json_new_obj();
	own(json_unref) struct json_t *tags = NULL;
	own_in(buf_done) struct buf text = { 0 };
	const struct connection *conn = e->connection;

	json_set_str(body, "from", SV_LIT("nango"));
	json_set_str(body, "type", SV_LIT("auth"));
	json_set_str(body, "connectionId", conn->connection_id);
	json_set_str(body, "providerConfigKey", conn->integration);
	json_set_str(body, "authMode", e->auth_mode);
	json_set_str(body, "provider", conn->provider);
	json_set_str(body, "environment", env->name);
	json_set_str(body, "operation", sv_str(operations[e->operation].name));
	set_outcome(body, e);
	if (json_parse(conn->tags, &tags, NULL) == 0 && json_len(tags) > 0)
		json_set(body, SV_LIT("tags"), json_ref(tags));
	if (conn->end_user.ptr)
		json_set(body, SV_LIT("endUser"), end_user_of(conn));
	buf_init(&text, 1 << 20);
	json_dump_sorted(body, &text);
	return arena_sv(a, buf_sv(&text));
}

static bool is_wanted(const struct environment *env, enum auth_operation operation)
{
	switch (operation) {
	case AUTH_CREATION: return env->on_auth_creation;
	case AUTH_OVERRIDE: return true;
	case AUTH_REFRESH: return env->on_auth_refresh_error;
	}
	return false;
}

int auth_webhook_owe(struct dbc *c, const struct auth_event *e, struct err *err)
{
	const struct connection *conn = e->connection;
	struct environment env;

	TRY(env_get(c, conn->environment_id, db_arena(c), &env, err));
	if (!is_wanted(&env, e->operation))
		return 0;
	struct outbox_message m = {
		.environment_id = env.id,
		.type = "auth",
		.action = operations[e->operation].action,
		.body = body_of(e, &env, db_arena(c)),
		.url_override = conn->webhook_url_override,
		.integration = conn->integration,
		.connection = conn->connection_id,
	};
	return outbox_add(c, &m, err);
}
