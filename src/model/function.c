#include "model/function.h"

#include "base/clock.h"
#include "crypto/hash.h"
#include "model/row.h"
#include "model/sync.h"

static void read_row(struct rows *r, struct arena *a, void *ret)
{
	*(struct function *)ret = (struct function){
		.id = row_i64(r, 0),
		.environment_id = row_i64(r, 1),
		.integration_id = row_i64(r, 2),
		.integration = row_keep(r, 3, a),
		.name = row_keep(r, 4, a),
		.type = row_keep(r, 5, a),
		.version = row_keep(r, 6, a),
		.active = row_bool(r, 7),
		.enabled = row_bool(r, 8),
		.source = row_keep(r, 9, a),
		.file_hash = row_keep(r, 10, a),
		.sdk_version = row_keep(r, 11, a),
		.runs = row_keep(r, 12, a),
		.interval_ms = row_i64(r, 13),
		.auto_start = row_bool(r, 14),
		.track_deletes = row_bool(r, 15),
		.sync_type = row_keep(r, 16, a),
		.models = row_keep(r, 17, a),
		.input = row_keep(r, 18, a),
		.json_schema = row_keep(r, 19, a),
		.metadata = row_keep(r, 20, a),
		.attributes = row_keep(r, 21, a),
		.endpoints = row_keep(r, 22, a),
		.features = row_keep(r, 23, a),
		.webhook_subscriptions = row_keep(r, 24, a),
		.event = row_keep(r, 25, a),
		.created_ms = row_i64(r, 26),
	};
}

int function_get(struct dbc *c, int64_t id, struct arena *a, struct function *ret, struct err *err)
{
	return rows_only(c, Q_FUNCTION_GET, ARGS(arg_i64(id)), a, read_row, ret, err);
}

int function_find(struct dbc *c, int64_t integration_id, struct sv type, struct sv name,
	struct arena *a, struct function *ret, struct err *err)
{
	return rows_only(c, Q_FUNCTION_FIND,
		ARGS(arg_i64(integration_id), arg_sv(type), arg_sv(name)), a, read_row, ret, err);
}

int function_list(struct dbc *c, int64_t env, int64_t integration_id, struct sv type,
	struct arena *a, struct function **ret, size_t *ret_count, struct err *err)
{
	size_t kept = 0;

	TRY(rows_collect(c, integration_id ? Q_FUNCTION_LIST_OF_INTEGRATION : Q_FUNCTION_LIST,
		ARGS(arg_i64(integration_id ? integration_id : env)), a, sizeof(**ret), read_row,
		(void **)ret, ret_count, err));
	for (size_t i = 0; i < *ret_count; i++) {
		if (!type.ptr || sv_eq((*ret)[i].type, type))
			(*ret)[kept++] = (*ret)[i];
	}
	*ret_count = kept;
	return 0;
}

int function_code(struct dbc *c, struct sv file_hash, struct arena *a, struct function_code *ret,
	struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_one(c, Q_FUNCTION_CODE, ARGS(arg_sv(file_hash)), &rows, err));
	*ret = (struct function_code){ row_keep(&rows, 0, a), row_keep(&rows, 1, a) };
	return 0;
}

struct sv function_code_hash(const struct function_code *code, struct arena *a)
{
	unsigned char digests[3][HASH_SHA256_SIZE];
	char hex[HASH_HEX_SIZE];

	/* Hash of hashes, so that no byte can move from js to ts unnoticed. */
	hash_sha256(code->js, digests[0]);
	hash_sha256(code->ts, digests[1]);
	hash_sha256(sv_make((const char *)digests, 2 * HASH_SHA256_SIZE), digests[2]);
	hash_hex(digests[2], HASH_SHA256_SIZE, hex);
	return arena_sv(a, sv_str(hex));
}

int function_code_put(struct dbc *c, const struct function_code *code, struct arena *a,
	struct sv *ret_hash, struct err *err)
{
	struct sv hash = function_code_hash(code, a);

	TRY(db_exec(c, Q_FUNCTION_CODE_PUT, ARGS(arg_sv(hash), arg_sv(code->js), arg_sv(code->ts)),
		NULL, err));
	*ret_hash = hash;
	return 0;
}

int function_put(struct dbc *c, struct function *f, struct err *err)
{
	f->active = true;
	f->created_ms = clock_now_ms();
	TRY(db_exec(c, Q_FUNCTION_RETIRE,
		ARGS(arg_i64(f->integration_id), arg_sv(f->type), arg_sv(f->name)), NULL, err));
	return db_one_i64(c, Q_FUNCTION_INSERT,
		ARGS(arg_i64(f->environment_id), arg_i64(f->integration_id), arg_sv(f->name),
			arg_sv(f->type), arg_sv(f->version), arg_bool(f->enabled),
			arg_sv(f->source), arg_sv(f->file_hash), arg_sv(f->sdk_version),
			arg_sv(f->runs), arg_some(f->interval_ms), arg_bool(f->auto_start),
			arg_bool(f->track_deletes), arg_sv(f->sync_type), arg_sv(f->models),
			arg_sv(f->input), arg_sv(f->json_schema), arg_sv(f->metadata),
			arg_sv(f->attributes), arg_sv(f->endpoints), arg_sv(f->features),
			arg_sv(f->webhook_subscriptions), arg_sv(f->event), arg_i64(f->created_ms)),
		&f->id, err);
}

int function_delete(struct dbc *c, const struct function *f, struct err *err)
{
	if (sv_eq(f->type, FUNCTION_SYNC))
		TRY(sync_delete_of_function(c, f->integration_id, f->name, err));
	return db_exec(c, Q_FUNCTION_DELETE,
		ARGS(arg_i64(f->integration_id), arg_sv(f->type), arg_sv(f->name),
			arg_i64(clock_now_ms())),
		NULL, err);
}

int function_set_enabled(struct dbc *c, const struct function *f, bool enabled, struct err *err)
{
	TRY(db_exec(c, Q_FUNCTION_SET_ENABLED, ARGS(arg_i64(f->id), arg_bool(enabled)), NULL, err));
	if (!sv_eq(f->type, FUNCTION_SYNC))
		return 0;
	return enabled ? sync_ensure_for_function(c, f->id, err)
		       : sync_delete_of_function(c, f->integration_id, f->name, err);
}

int function_has_syncs(
	struct dbc *c, int64_t integration_id, struct sv name, bool *ret, struct err *err)
{
	int64_t count;

	TRY(db_one_i64(c, Q_FUNCTION_SYNC_EXISTS, ARGS(arg_i64(integration_id), arg_sv(name)),
		&count, err));
	*ret = count > 0;
	return 0;
}
