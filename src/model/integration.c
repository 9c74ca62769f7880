#include "model/integration.h"

#include "base/clock.h"
#include "model/connection.h"
#include "model/function.h"
#include "model/row.h"
#include "model/sealed.h"
#include "model/token_refresh.h"

static void read_row(struct rows *r, struct arena *a, void *ret)
{
	*(struct integration *)ret = (struct integration){
		.id = row_i64(r, 0),
		.environment_id = row_i64(r, 1),
		.unique_key = row_keep(r, 2, a),
		.provider = row_keep(r, 3, a),
		.display_name = row_keep(r, 4, a),
		.credentials_sealed = row_keep(r, 5, a),
		.custom_sealed = row_keep(r, 6, a),
		.config = row_keep(r, 7, a),
		.forward_webhooks = row_bool(r, 8),
		.created_ms = row_i64(r, 9),
		.updated_ms = row_i64(r, 10),
	};
}

int integration_find(struct dbc *c, int64_t env, struct sv unique_key, struct arena *a,
	struct integration *ret, struct err *err)
{
	return rows_only(c, Q_INTEGRATION_FIND, ARGS(arg_i64(env), arg_sv(unique_key)), a, read_row,
		ret, err);
}

int integration_get(
	struct dbc *c, int64_t id, struct arena *a, struct integration *ret, struct err *err)
{
	return rows_only(c, Q_INTEGRATION_GET, ARGS(arg_i64(id)), a, read_row, ret, err);
}

int integration_list(struct dbc *c, int64_t env, struct arena *a, struct integration **ret,
	size_t *ret_count, struct err *err)
{
	return rows_collect(c, Q_INTEGRATION_LIST, ARGS(arg_i64(env)), a, sizeof(**ret), read_row,
		(void **)ret, ret_count, err);
}

int integration_credentials(struct dbc *c, struct keyring *keys, const struct integration *in,
	struct arena *a, struct sv *ret, struct err *err)
{
	return sealed_open(c, keys, in->environment_id, in->credentials_sealed, a, ret, err);
}

int integration_custom(struct dbc *c, struct keyring *keys, const struct integration *in,
	struct arena *a, struct sv *ret, struct err *err)
{
	return sealed_open(c, keys, in->environment_id, in->custom_sealed, a, ret, err);
}

/* Absent secrets leave what *in holds. */
static int seal(struct dbc *c, struct keyring *keys, struct integration *in,
	const struct integration_secrets *s, struct err *err)
{
	int64_t env = in->environment_id;

	if (s->credentials.ptr)
		TRY(sealed_make(
			c, keys, env, s->credentials, db_arena(c), &in->credentials_sealed, err));
	if (s->custom.ptr)
		TRY(sealed_make(c, keys, env, s->custom, db_arena(c), &in->custom_sealed, err));
	return 0;
}

int integration_create(struct dbc *c, struct keyring *keys, struct integration *in,
	const struct integration_secrets *s, struct err *err)
{
	in->created_ms = in->updated_ms = clock_now_ms();
	TRY(seal(c, keys, in, s, err));
	return db_one_i64(c, Q_INTEGRATION_INSERT,
		ARGS(arg_i64(in->environment_id), arg_sv(in->unique_key), arg_sv(in->provider),
			arg_sv(in->display_name), arg_blob(in->credentials_sealed),
			arg_sv(in->config.ptr ? in->config : SV_LIT("{}")),
			arg_blob(in->custom_sealed), arg_bool(in->forward_webhooks),
			arg_i64(in->created_ms)),
		&in->id, err);
}

int integration_update(struct dbc *c, struct keyring *keys, struct integration *in,
	const struct integration_secrets *s, struct err *err)
{
	in->updated_ms = clock_now_ms();
	TRY(seal(c, keys, in, s, err));
	if (s->credentials.ptr)
		TRY(token_refresh_retry_now(c, in->id, err));
	return db_exec(c, Q_INTEGRATION_UPDATE,
		ARGS(arg_i64(in->id), arg_sv(in->unique_key), arg_sv(in->display_name),
			arg_blob(in->credentials_sealed), arg_sv(in->config),
			arg_blob(in->custom_sealed), arg_bool(in->forward_webhooks),
			arg_i64(in->updated_ms)),
		NULL, err);
}

int integration_delete(struct dbc *c, const struct integration *in, struct err *err)
{
	struct arena *a = db_arena(c);
	struct connection *conns;
	struct function *fns;
	size_t conn_count, fn_count;

	TRY(connection_list_of_integration(c, in->id, a, &conns, &conn_count, err));
	for (size_t i = 0; i < conn_count; i++)
		TRY(connection_delete(c, conns[i].id, err));
	TRY(function_list(c, in->environment_id, in->id, SV_NULL, a, &fns, &fn_count, err));
	for (size_t i = 0; i < fn_count; i++)
		TRY(function_delete(c, &fns[i], err));
	return db_exec(
		c, Q_INTEGRATION_DELETE, ARGS(arg_i64(in->id), arg_i64(clock_now_ms())), NULL, err);
}

int integration_connection_count(struct dbc *c, int64_t id, int64_t *ret, struct err *err)
{
	return db_one_i64(c, Q_INTEGRATION_CONNECTION_COUNT, ARGS(arg_i64(id)), ret, err);
}
