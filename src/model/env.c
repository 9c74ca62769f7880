#include "model/env.h"

#include "base/clock.h"
#include "data/uuid.h"
#include "model/row.h"
#include "model/sealed.h"

static void read_row(struct rows *r, struct arena *a, void *ret)
{
	*(struct environment *)ret = (struct environment){
		.id = row_i64(r, 0),
		.uuid = row_keep(r, 1, a),
		.name = row_keep(r, 2, a),
		.is_production = row_bool(r, 3),
		.primary_url = row_keep(r, 4, a),
		.secondary_url = row_keep(r, 5, a),
		.on_sync_completion_always = row_bool(r, 6),
		.on_sync_error = row_bool(r, 7),
		.on_auth_creation = row_bool(r, 8),
		.on_auth_refresh_error = row_bool(r, 9),
		.on_async_action_completion = row_bool(r, 10),
		.validation = row_keep(r, 11, a),
		.log_level = row_keep(r, 12, a),
	};
}

int env_get(struct dbc *c, int64_t id, struct arena *a, struct environment *ret, struct err *err)
{
	return rows_only(c, Q_ENV_GET, ARGS(arg_i64(id)), a, read_row, ret, err);
}

int env_by_uuid(
	struct dbc *c, struct sv uuid, struct arena *a, struct environment *ret, struct err *err)
{
	return rows_only(c, Q_ENV_BY_UUID, ARGS(arg_sv(uuid)), a, read_row, ret, err);
}

int env_by_name(
	struct dbc *c, struct sv name, struct arena *a, struct environment *ret, struct err *err)
{
	return rows_only(c, Q_ENV_BY_NAME, ARGS(arg_sv(name)), a, read_row, ret, err);
}

int env_list(struct dbc *c, struct arena *a, struct environment **ret, size_t *ret_count,
	struct err *err)
{
	return rows_collect(
		c, Q_ENV_LIST, NO_ARGS, a, sizeof(**ret), read_row, (void **)ret, ret_count, err);
}

int env_create(struct dbc *c, struct keyring *keys, struct sv name, bool is_production,
	int64_t *ret_id, struct err *err)
{
	char uuid[UUID_TEXT_SIZE];
	int64_t id;
	struct sv key;

	uuid_format(uuid_v4(), uuid);
	TRY(db_one_i64(c, Q_ENV_INSERT,
		ARGS(arg_str(uuid), arg_sv(name), arg_bool(is_production), arg_i64(clock_now_ms())),
		&id, err));
	TRY(sealed_make_key(c, keys, id, err));
	TRY(env_signing_key_rotate(c, keys, id, db_arena(c), &key, err));
	*ret_id = id;
	return 0;
}

int env_save_webhooks(struct dbc *c, const struct environment *e, struct err *err)
{
	return db_exec(c, Q_ENV_SET_WEBHOOKS,
		ARGS(arg_i64(e->id), arg_sv(e->primary_url), arg_sv(e->secondary_url),
			arg_bool(e->on_sync_completion_always), arg_bool(e->on_sync_error),
			arg_bool(e->on_auth_creation), arg_bool(e->on_auth_refresh_error),
			arg_bool(e->on_async_action_completion)),
		NULL, err);
}

int env_save_settings(struct dbc *c, const struct environment *e, struct err *err)
{
	return db_exec(c, Q_ENV_SET_SETTINGS,
		ARGS(arg_i64(e->id), arg_sv(e->validation), arg_sv(e->log_level)), NULL, err);
}

int env_signing_key(struct dbc *c, struct keyring *keys, int64_t env, struct arena *a,
	struct sv *ret, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_one(c, Q_ENV_SIGNING_KEY, ARGS(arg_i64(env)), &rows, err));
	return sealed_open(c, keys, env, row_sv(&rows, 0), a, ret, err);
}

int env_signing_key_rotate(struct dbc *c, struct keyring *keys, int64_t env, struct arena *a,
	struct sv *ret, struct err *err)
{
	char text[UUID_TEXT_SIZE];
	struct sv sealed;

	uuid_format(uuid_v4(), text);
	TRY(sealed_make(c, keys, env, sv_str(text), db_arena(c), &sealed, err));
	TRY(db_exec(c, Q_ENV_SET_SIGNING_KEY, ARGS(arg_i64(env), arg_blob(sealed)), NULL, err));
	*ret = arena_sv(a, sv_str(text));
	return 0;
}

static void read_variable(struct rows *r, struct arena *a, void *ret)
{
	*(struct env_variable *)ret = (struct env_variable){
		.name = row_keep(r, 0, a),
		.value = row_keep(r, 1, a),
	};
}

int env_variables(struct dbc *c, struct keyring *keys, int64_t env, struct arena *a,
	struct env_variable **ret, size_t *ret_count, struct err *err)
{
	TRY(rows_collect(c, Q_ENV_VARIABLES, ARGS(arg_i64(env)), a, sizeof(**ret), read_variable,
		(void **)ret, ret_count, err));
	for (size_t i = 0; i < *ret_count; i++) {
		struct sv sealed = (*ret)[i].value;
		TRY(sealed_open(c, keys, env, sealed, a, &(*ret)[i].value, err));
	}
	return 0;
}

int env_variable_set(struct dbc *c, struct keyring *keys, int64_t env, struct sv name,
	struct sv value, struct err *err)
{
	struct sv sealed;

	if (!value.ptr)
		return db_exec(
			c, Q_ENV_VARIABLE_DELETE, ARGS(arg_i64(env), arg_sv(name)), NULL, err);
	TRY(sealed_make(c, keys, env, value, db_arena(c), &sealed, err));
	return db_exec(c, Q_ENV_VARIABLE_PUT, ARGS(arg_i64(env), arg_sv(name), arg_blob(sealed)),
		NULL, err);
}
