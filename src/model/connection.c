#include "model/connection.h"

#include "base/clock.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/row.h"
#include "model/sealed.h"
#include "model/sync.h"
#include "model/token_refresh.h"

void connection_read_row(struct rows *r, struct arena *a, void *ret)
{
	*(struct connection *)ret = (struct connection){
		.id = row_i64(r, 0),
		.environment_id = row_i64(r, 1),
		.integration_id = row_i64(r, 2),
		.connection_id = row_keep(r, 3, a),
		.integration = row_keep(r, 4, a),
		.provider = row_keep(r, 5, a),
		.credentials_sealed = row_keep(r, 6, a),
		.connection_config = row_keep(r, 7, a),
		.metadata = row_keep(r, 8, a),
		.tags = row_keep(r, 9, a),
		.end_user = row_keep(r, 10, a),
		.errors = row_keep(r, 11, a),
		.webhook_url_override = row_keep(r, 12, a),
		.created_ms = row_i64(r, 13),
		.updated_ms = row_i64(r, 14),
		.last_fetched_ms = row_i64(r, 15),
	};
}

int connection_find(struct dbc *c, int64_t env, struct sv integration, struct sv connection_id,
	struct arena *a, struct connection *ret, struct err *err)
{
	return rows_only(c, Q_CONNECTION_FIND,
		ARGS(arg_i64(env), arg_sv(integration), arg_sv(connection_id)), a,
		connection_read_row, ret, err);
}

int connection_get(
	struct dbc *c, int64_t id, struct arena *a, struct connection *ret, struct err *err)
{
	return rows_only(c, Q_CONNECTION_GET, ARGS(arg_i64(id)), a, connection_read_row, ret, err);
}

int connection_credentials(struct dbc *c, struct keyring *keys, const struct connection *conn,
	struct arena *a, struct sv *ret, struct err *err)
{
	return sealed_open(c, keys, conn->environment_id, conn->credentials_sealed, a, ret, err);
}

int connection_swap_credentials(struct dbc *c, struct keyring *keys, const struct connection *conn,
	struct sv credentials, bool *ret_swapped, struct err *err)
{
	struct sv sealed;
	int64_t changed = 0;

	TRY(sealed_make(c, keys, conn->environment_id, credentials, db_arena(c), &sealed, err));
	TRY(db_exec(c, Q_CONNECTION_SWAP_CREDENTIALS,
		ARGS(arg_i64(conn->id), arg_blob(sealed), arg_sv(conn->connection_config),
			arg_i64(clock_now_ms()), arg_blob(conn->credentials_sealed)),
		&changed, err));
	*ret_swapped = changed > 0;
	return 0;
}

int connection_touch(struct dbc *c, int64_t id, struct err *err)
{
	return db_exec(
		c, Q_CONNECTION_TOUCH, ARGS(arg_i64(id), arg_i64(clock_now_ms())), NULL, err);
}

int connection_set_errors(struct dbc *c, int64_t id, struct sv errors, struct err *err)
{
	return db_exec(c, Q_CONNECTION_SET_ERRORS, ARGS(arg_i64(id), arg_sv(errors)), NULL, err);
}

int connection_set_auth_error(struct dbc *c, int64_t id, const char *log_id, struct err *err)
{
	const char *errors =
		arena_printf(db_arena(c), "[{\"type\":\"auth\",\"log_id\":\"%s\"}]", log_id);

	return connection_set_errors(c, id, sv_str(errors), err);
}

static struct sv either(struct sv given, struct sv otherwise)
{
	return given.ptr ? given : otherwise;
}

static int insert(struct dbc *c, struct connection *conn, struct sv sealed, struct err *err)
{
	conn->connection_config = either(conn->connection_config, SV_LIT("{}"));
	conn->tags = either(conn->tags, SV_LIT("{}"));
	conn->errors = SV_LIT("[]");
	conn->created_ms = conn->updated_ms;
	return db_one_i64(c, Q_CONNECTION_INSERT,
		ARGS(arg_i64(conn->environment_id), arg_i64(conn->integration_id),
			arg_sv(conn->connection_id), arg_blob(sealed),
			arg_sv(conn->connection_config), arg_sv(conn->metadata), arg_sv(conn->tags),
			arg_sv(conn->end_user), arg_sv(conn->webhook_url_override),
			arg_i64(conn->created_ms)),
		&conn->id, err);
}

static int overwrite(struct dbc *c, struct connection *conn, const struct connection *old,
	struct sv sealed, struct err *err)
{
	conn->id = old->id;
	conn->created_ms = old->created_ms;
	conn->last_fetched_ms = old->last_fetched_ms;
	conn->connection_config = either(conn->connection_config, old->connection_config);
	conn->metadata = either(conn->metadata, old->metadata);
	conn->tags = either(conn->tags, old->tags);
	conn->end_user = either(conn->end_user, old->end_user);
	conn->webhook_url_override = either(conn->webhook_url_override, old->webhook_url_override);
	conn->errors = SV_LIT("[]");
	TRY(token_refresh_forget(c, old->id, err));
	return db_exec(c, Q_CONNECTION_OVERWRITE,
		ARGS(arg_i64(conn->id), arg_blob(sealed), arg_sv(conn->connection_config),
			arg_sv(conn->metadata), arg_sv(conn->tags), arg_sv(conn->end_user),
			arg_sv(conn->webhook_url_override), arg_i64(conn->updated_ms)),
		NULL, err);
}

int connection_store(struct dbc *c, struct keyring *keys, struct connection *conn,
	struct sv credentials, bool *ret_created, struct err *err)
{
	struct connection old;
	struct sv sealed;

	conn->updated_ms = clock_now_ms();
	TRY(sealed_make(c, keys, conn->environment_id, credentials, db_arena(c), &sealed, err));
	int rc = connection_find(c, conn->environment_id, conn->integration, conn->connection_id,
		db_arena(c), &old, err);
	if (rc < 0 && rc != ERR_NOT_FOUND)
		return rc;
	*ret_created = rc == ERR_NOT_FOUND;
	if (*ret_created)
		TRY(insert(c, conn, sealed, err));
	else
		TRY(overwrite(c, conn, &old, sealed, err));
	return 0;
}

int connection_upsert(struct dbc *c, struct keyring *keys, struct connection *conn,
	struct sv credentials, bool *ret_created, struct err *err)
{
	TRY(connection_store(c, keys, conn, credentials, ret_created, err));
	return sync_ensure_for_connection(c, conn->id, err);
}

int connection_update(struct dbc *c, const struct connection *conn, struct err *err)
{
	return db_exec(c, Q_CONNECTION_UPDATE,
		ARGS(arg_i64(conn->id), arg_sv(conn->tags), arg_sv(conn->end_user),
			arg_sv(conn->webhook_url_override), arg_i64(clock_now_ms())),
		NULL, err);
}

int connection_set_metadata(struct dbc *c, int64_t id, struct sv metadata, struct err *err)
{
	return db_exec(c, Q_CONNECTION_SET_METADATA,
		ARGS(arg_i64(id), arg_sv(metadata), arg_i64(clock_now_ms())), NULL, err);
}

int connection_merge_metadata(
	struct dbc *c, const struct connection *conn, struct sv metadata, struct err *err)
{
	own(json_unref) struct json_t *old = NULL, *add = NULL;
	own_in(buf_done) struct buf text = { 0 };
	void *it = NULL;
	struct sv key;
	struct json_t *value;

	TRY(json_parse(metadata, &add, err));
	if (conn->metadata.ptr)
		TRY(json_parse(conn->metadata, &old, err));
	else
		old = json_new_obj();
	while (json_next(add, &it, &key, &value))
		json_set(old, key, json_ref(value));
	buf_init(&text, SIZE_MAX);
	json_dump_compact(old, &text);
	return connection_set_metadata(c, conn->id, buf_sv(&text), err);
}

int connection_delete(struct dbc *c, int64_t id, struct err *err)
{
	TRY(sync_delete_of_connection(c, id, err));
	return db_exec(
		c, Q_CONNECTION_DELETE, ARGS(arg_i64(id), arg_i64(clock_now_ms())), NULL, err);
}

int connection_erase(struct dbc *c, int64_t id, struct err *err)
{
	static const enum query parts[] = { Q_RETENTION_SYNCS, Q_RETENTION_CHECKPOINTS,
		Q_RETENTION_BATCHES, Q_RETENTION_WINDOWS, Q_RETENTION_SEEN, Q_RETENTION_DATASETS,
		Q_RETENTION_CONNECTION_DELETE };
	int64_t records;

	TRY(db_one_i64(c, Q_RETENTION_RECORDS, ARGS(arg_i64(id)), &records, err));
	if (records > 0)
		return err_set(err, ERR_CONFLICT, "the connection has records");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		TRY(db_exec(c, parts[i], ARGS(arg_i64(id)), NULL, err));
	return 0;
}

int connection_list_of_integration(struct dbc *c, int64_t integration_id, struct arena *a,
	struct connection **ret, size_t *ret_count, struct err *err)
{
	return rows_collect(c, Q_CONNECTION_LIST_OF_INTEGRATION, ARGS(arg_i64(integration_id)), a,
		sizeof(**ret), connection_read_row, (void **)ret, ret_count, err);
}
