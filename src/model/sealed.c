#include "model/sealed.h"

#include "base/clock.h"
#include "crypto/keyring.h"
#include "model/row.h"

/* Binds sealed text to this use: no record payload passes for a credential. */
#define PURPOSE SV_LIT("model")

static int load(struct dbc *c, struct keyring *keys, enum query q, int64_t env, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int more;

	TRY(db_query(c, q, ARGS(arg_i64(env)), &rows, err));
	while ((more = rows_next(&rows, err)) > 0)
		TRY(keyring_add(keys, row_i64(&rows, 1), row_i64(&rows, 0), row_sv(&rows, 2), err));
	return more;
}

int sealed_load_keys(struct dbc *c, struct keyring *keys, struct err *err)
{
	return load(c, keys, Q_DATA_KEY_LIST, 0, err);
}

int sealed_make_key(struct dbc *c, struct keyring *keys, int64_t env, struct err *err)
{
	unsigned char wrapped[KEY_WRAPPED_SIZE];
	struct sv bytes = sv_make((const char *)wrapped, sizeof(wrapped));
	int64_t id;

	keyring_make(keys, env, wrapped);
	TRY(db_one_i64(c, Q_DATA_KEY_INSERT,
		ARGS(arg_i64(env), arg_blob(bytes), arg_i64(clock_now_ms())), &id, err));
	return keyring_add(keys, env, id, bytes, err);
}

int sealed_make(struct dbc *c, struct keyring *keys, int64_t env, struct sv text, struct arena *a,
	struct sv *ret, struct err *err)
{
	own_in(buf_done) struct buf out = { 0 };

	if (!keyring_current(keys, env))
		TRY(load(c, keys, Q_DATA_KEY_OF_ENV, env, err));
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
	int rc = keyring_open(keys, env, PURPOSE, sealed, &out, err);
	if (rc == ERR_NOT_FOUND) {
		/* Another server may have made the key since we looked. */
		TRY(load(c, keys, Q_DATA_KEY_OF_ENV, env, err));
		rc = keyring_open(keys, env, PURPOSE, sealed, &out, err);
	}
	TRY(rc);
	*ret = arena_sv(a, buf_sv(&out));
	return 0;
}
