/* Metadata of connections: set, merge; for one or several at once, and the old forms. */
#include "api/connections.h"
#include "api/handlers.h"
#include "data/json.h"
#include "db/db.h"
#include "model/connection.h"

static const struct check id_item = { "", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1,
	.max = 255, .pattern = &PATTERN_CONNECTION };
static const struct check id_kinds[] = {
	{ "one", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_CONNECTION },
	{ "many", CHECK_ARR, CHECK_REQUIRED, .item = &id_item },
	{ 0 },
};
static const struct check body_fields[] = {
	{ "connection_id", CHECK_UNION, CHECK_REQUIRED, .fields = id_kinds },
	{ "provider_config_key", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_INTEGRATION },
	{ "metadata", CHECK_OBJ, CHECK_REQUIRED },
	{ 0 },
};

struct change {
	struct sv integration, metadata;
	bool merge;
};

static int change_one(struct api_call *call, struct dbc *c, const struct change *ch,
	struct sv connection_id, struct err *err)
{
	struct connection conn;

	int rc = connection_find(
		c, api_env(call), ch->integration, connection_id, call->arena, &conn, err);
	if (rc == ERR_NOT_FOUND)
		return api_refuse(call, err, 404, "unknown_connection",
			"Connection with connection id %.*s and provider config key %.*s not "
			"found. "
			"Please make sure the connection exists in the dashboard. No actions were "
			"taken on any of the connections as a result of this failure.",
			SV(connection_id), SV(ch->integration));
	TRY(rc);
	return ch->merge ? connection_merge_metadata(c, &conn, ch->metadata, err)
			 : connection_set_metadata(c, conn.id, ch->metadata, err);
}

static int change(struct api_call *call, struct dbc *c, bool merge, struct err *err)
{
	TRY(api_check_no_query(call, err));
	TRY(api_check_body(call, body_fields, err));
	const struct json_t *ids = json_member(call->body, SV_LIT("connection_id"));
	struct change ch = {
		.integration = api_text(call, "provider_config_key"),
		.metadata = api_dump(call, json_member(call->body, SV_LIT("metadata"))),
		.merge = merge,
	};
	if (json_kind(ids) == JSON_KIND_STRING)
		TRY(change_one(call, c, &ch, json_sv(ids), err));
	for (size_t i = 0; i < json_len(ids) && json_kind(ids) == JSON_KIND_ARRAY; i++)
		TRY(change_one(call, c, &ch, json_sv(json_item(ids, i)), err));
	struct jw w = api_json(call, merge ? 200 : 201);
	jw_json(&w, call->body);
	return 0;
}

int metadata_set(struct api_call *call, struct dbc *c, struct err *err)
{
	return change(call, c, false, err);
}

int metadata_merge(struct api_call *call, struct dbc *c, struct err *err)
{
	return change(call, c, true, err);
}

/* The old form: the connection in the path, the body is the metadata itself. */
static int change_in_path(struct api_call *call, struct dbc *c, bool merge, struct err *err)
{
	struct sv key = api_query(call, "provider_config_key");
	struct change ch = {
		.integration = key.len ? key : api_head(call, "provider-config-key"),
		.metadata = api_dump(call, call->body),
		.merge = merge,
	};

	if (json_kind(call->body) != JSON_KIND_OBJECT)
		return api_refuse(call, err, 400, "invalid_body", "The body must be an object");
	TRY(change_one(call, c, &ch, api_param(call, "id"), err));
	struct jw w = api_json(call, merge ? 200 : 201);
	jw_json(&w, call->body);
	return 0;
}

int metadata_set_in_path(struct api_call *call, struct dbc *c, struct err *err)
{
	return change_in_path(call, c, false, err);
}

int metadata_merge_in_path(struct api_call *call, struct dbc *c, struct err *err)
{
	return change_in_path(call, c, true, err);
}
