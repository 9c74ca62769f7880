/* POST /connections: importing a connection. */
#include "api/connections.h"
#include "api/handlers.h"
#include "auth/credentials.h"
#include "base/sv.h"
#include "data/json.h"
#include "data/uuid.h"
#include "db/db.h"
#include "model/connection.h"
#include "model/integration.h"
#include "model/provider.h"

static const struct check scope = { "", CHECK_STR, CHECK_REQUIRED };
static const struct check config_fields[] = {
	{ "oauth_scopes_override", CHECK_ARR, .item = &scope },
	{ 0 },
};

static const struct check create_body[] = {
	{ "provider_config_key", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_INTEGRATION },
	{ "connection_id", CHECK_STR, CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_CONNECTION },
	{ "metadata", CHECK_OBJ },
	{ "connection_config", CHECK_OBJ, CHECK_LOOSE, .fields = config_fields },
	{ "webhook_url_override", CHECK_STR, 0, .also = check_url_or_empty },
	{ "credentials", CHECK_OBJ, CHECK_REQUIRED },
	{ "end_user", CHECK_OBJ, .fields = end_user_fields },
	{ "tags", CHECK_MAP, .item = &tag_value, .also = check_tags },
	{ 0 },
};

static int wrong_credentials(struct api_call *call, struct err *err, const char *why)
{
	struct issues *is = api_issues(call);

	issue_add_at(is, "credentials", "custom", "%s", why);
	return api_refuse_issues(call, err, "invalid_body", is);
}

int connection_read_credentials(struct api_call *call, const struct integration *in,
	const struct json_t *given, struct sv *ret, struct err *err)
{
	const struct provider *p = provider_find(call->eng->providers, in->provider);
	own_in(buf_done) struct buf text = { 0 };
	enum auth_type mode;
	struct err why = { 0 };

	if (!p || !auth_type_parse(p->auth_mode, &mode))
		return wrong_credentials(call, err,
			"The provider of this integration is not in the catalogue of this server");
	buf_init(&text, 1 << 20);
	if (credentials_import(mode, given, &text, &why) < 0)
		return wrong_credentials(call, err, why.msg);
	*ret = arena_sv(call->arena, buf_sv(&text));
	return 0;
}

static void read_connection(
	struct api_call *call, const struct integration *in, struct connection *conn)
{
	const struct json_t *body = call->body;
	const struct json_t *user = json_member(body, SV_LIT("end_user"));
	const struct json_t *tags = json_member(body, SV_LIT("tags"));
	struct sv url = api_text(call, "webhook_url_override");
	char uuid[UUID_TEXT_SIZE];

	*conn = (struct connection){
		.environment_id = api_env(call),
		.integration_id = in->id,
		.integration = in->unique_key,
		.provider = in->provider,
		.connection_id = api_text(call, "connection_id"),
		.metadata = api_dump(call, json_member(body, SV_LIT("metadata"))),
		.connection_config = api_dump(call, json_member(body, SV_LIT("connection_config"))),
		.tags = tags ? tags_text(call, tags) : SV_NULL,
		.end_user = user ? end_user_text(call, user) : SV_NULL,
		.webhook_url_override = url.len ? url : SV_NULL,
	};
	if (!conn->connection_id.ptr)
		conn->connection_id = arena_sv(call->arena, sv_str(uuid_format(uuid_v4(), uuid)));
}

/* --- the call --- */

struct creating {
	struct establishing establishing;
	bool answered;
};

static int reply_to(struct api_call *call, struct dbc *c, struct err *err)
{
	struct creating *k = call->state;
	struct connection_view view = { write_time_z, true, true };

	k->answered = true;
	return connection_reply(call, c, 201, &k->establishing.connection, &view, err);
}

static int create_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct creating *k = call->state;
	struct integration in;
	struct sv credentials;

	api_job_begin(call);
	*k = (struct creating){ 0 };
	struct sv key = api_text(call, "provider_config_key");
	int rc = integration_find(c, api_env(call), key, call->arena, &in, err);
	if (rc == ERR_NOT_FOUND)
		return api_refuse(call, err, 404, "not_found",
			"Integration \"%.*s\" does not exist", SV(key));
	TRY(rc);
	TRY(connection_read_credentials(
		call, &in, json_member(call->body, SV_LIT("credentials")), &credentials, err));
	read_connection(call, &in, &k->establishing.connection);
	TRY(connection_establish(call, c, &k->establishing, credentials, err));
	return k->establishing.count ? 0 : reply_to(call, c, err);
}

static int reply_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;

	buf_clear(&call->out);
	return reply_to(call, c, err);
}

static bool answered(struct api_call *call UNUSED)
{
	return false;
}

static bool established(struct api_call *call)
{
	const struct creating *k = call->state;

	if (call->flow.err.code != ERR_OK || k->answered)
		return false; /* a refusal, answered as our failure, or done */
	if (k->establishing.refusal.ptr) {
		connection_refused(call, &k->establishing);
		return false;
	}
	call->finish = answered;
	db_submit(call->eng->db, DB_READ, &call->flow.op, reply_job, call);
	return true;
}

static bool stored(struct api_call *call)
{
	struct creating *k = call->state;

	return connection_validate(call, &k->establishing, established);
}

bool connections_create(struct api_call *call)
{
	if (api_check_no_query(call, NULL) < 0 || api_check_body(call, create_body, NULL) < 0)
		return false;
	call->keeps_on = true;
	call->state = ARENA_NEW(call->arena, struct creating);
	call->finish = stored;
	db_submit(call->eng->db, DB_WRITE, &call->flow.op, create_job, call);
	return true;
}
