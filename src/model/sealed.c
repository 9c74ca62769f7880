#include "model/sealed.h"

#include "base/clock.h"
#include "crypto/keyring.h"
#include "db/keys.h"
#include "model/row.h"

/* Binds sealed text to this use: no record payload passes for a credential. */
#define PURPOSE SV_LIT("model")

/*
 * One at a time makes a data key or rotates the master key; and what a master key wraps is decided
 * by what wraps the newest row, so a server that missed a rotation does not undo it.
 */
static int lock_keys(struct dbc *c, struct keyring *keys, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int64_t first;

	int rc = db_one_i64(c, Q_DATA_KEY_LOCK, NO_ARGS, &first, err);
	if (rc == ERR_NOT_FOUND)
		return 0; /* there is none yet */
	TRY(rc);
	TRY(db_one(c, Q_DATA_KEY_LAST, NO_ARGS, &rows, err));
	return keyring_follow(keys, row_i64(&rows, 0), row_sv(&rows, 1), err);
}

int sealed_make_key(struct dbc *c, struct keyring *keys, int64_t env, struct err *err)
{
	unsigned char wrapped[KEY_WRAPPED_SIZE];
	struct sv bytes = sv_make((const char *)wrapped, sizeof(wrapped));
	int64_t id;

	TRY(lock_keys(c, keys, err));
	keyring_make(keys, env, wrapped);
	TRY(db_one_i64(c, Q_DATA_KEY_INSERT,
		ARGS(arg_i64(env), arg_blob(bytes), arg_i64(clock_now_ms())), &id, err));
	return keyring_add(keys, env, id, bytes, err);
}

int sealed_renew_keys(struct dbc *c, struct keyring *keys, int64_t *ret_count, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int64_t *envs = NULL;
	size_t count = 0, cap = 0;
	int more;

	TRY(db_query(c, Q_ENV_LIST, NO_ARGS, &rows, err));
	while ((more = rows_next(&rows, err)) > 0)
		*(int64_t *)row_list_add(db_arena(c), (void **)&envs, &count, &cap, sizeof(*envs)) =
			row_i64(&rows, 0);
	TRY(more);
	for (size_t i = 0; i < count; i++)
		TRY(sealed_make_key(c, keys, envs[i], err));
	*ret_count = (int64_t)count;
	return 0;
}

int sealed_check_master(struct dbc *c, struct keyring *keys, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(keys_load(c, keys, err));
	int rc = db_one(c, Q_DATA_KEY_LAST, NO_ARGS, &rows, err);
	if (rc == ERR_NOT_FOUND)
		return 0;
	TRY(rc);
	return keyring_follow(keys, row_i64(&rows, 0), row_sv(&rows, 1), err);
}

/* Every stored key, wrapped anew, as arguments of data_key_rewrap. */
static int rewrap_all(struct dbc *c, struct keyring *keys, const struct master_key *to,
	struct arg **ret, size_t *ret_count, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	size_t cap = 0;
	int more;

	*ret = NULL;
	*ret_count = 0;
	TRY(db_query(c, Q_DATA_KEY_LIST, ARGS(arg_i64(0)), &rows, err));
	while ((more = rows_next(&rows, err)) > 0) {
		unsigned char *wrapped = arena_alloc(db_arena(c), KEY_WRAPPED_SIZE);
		TRY(keyring_rewrap(keys, to, row_i64(&rows, 1), row_sv(&rows, 2), wrapped, err));
		struct arg *args =
			row_list_add(db_arena(c), (void **)ret, ret_count, &cap, 2 * sizeof(*args));
		args[0] = arg_i64(row_i64(&rows, 0));
		args[1] = arg_blob(sv_make((const char *)wrapped, KEY_WRAPPED_SIZE));
	}
	return more;
}

int sealed_rotate(struct dbc *c, struct keyring *keys, const struct master_key *to,
	int64_t *ret_count, struct err *err)
{
	struct arg *args;
	size_t count;

	TRY(lock_keys(c, keys, err));
	TRY(rewrap_all(c, keys, to, &args, &count, err));
	if (count == 0)
		return err_set(err, ERR_NOT_FOUND, "there are no data keys");
	*ret_count = (int64_t)count;
	return db_exec_many(c, Q_DATA_KEY_REWRAP, args, 2, count, NULL, err);
}

int sealed_make(struct dbc *c, struct keyring *keys, int64_t env, struct sv text, struct arena *a,
	struct sv *ret, struct err *err)
{
	own_in(buf_done) struct buf out = { 0 };
	const struct aead_key *key;

	TRY(keys_current(c, keys, env, &key, err));
	buf_init(&out, SIZE_MAX);
	TRY(keyring_seal(keys, env, PURPOSE, text, &out, err));
	*ret = arena_sv(a, buf_sv(&out));
	return 0;
}

int sealed_open(struct dbc *c, struct keyring *keys, int64_t env, struct sv sealed, struct arena *a,
	struct sv *ret, struct err *err)
{
	own_in(buf_done) struct buf out = { 0 };

	*ret = SV_NULL;
	if (!sealed.ptr)
		return 0;
	buf_init(&out, SIZE_MAX);
	TRY(keys_open(c, keys, env, PURPOSE, sealed, &out, err));
	*ret = arena_sv(a, buf_sv(&out));
	return 0;
}
