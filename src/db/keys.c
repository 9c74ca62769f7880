#include "db/keys.h"

#include "crypto/keyring.h"

static int load(struct dbc *c, struct keyring *keys, enum query q, int64_t id, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int more;

	TRY(db_query(c, q, ARGS(arg_i64(id)), &rows, err));
	while ((more = rows_next(&rows, err)) > 0)
		TRY(keyring_add(keys, row_i64(&rows, 1), row_i64(&rows, 0), row_sv(&rows, 2), err));
	return more;
}

int keys_load(struct dbc *c, struct keyring *keys, struct err *err)
{
	return load(c, keys, Q_DATA_KEY_LIST, 0, err);
}

int keys_current(struct dbc *c, struct keyring *keys, int64_t env, const struct aead_key **ret,
	struct err *err)
{
	const struct aead_key *key = keyring_current(keys, env);

	if (!key) {
		TRY(load(c, keys, Q_DATA_KEY_OF_ENV, env, err));
		key = keyring_current(keys, env);
	}
	if (!key)
		return err_set(
			err, ERR_NOT_FOUND, "environment %lld has no data key", (long long)env);
	*ret = key;
	return 0;
}

int keys_open(struct dbc *c, struct keyring *keys, int64_t env, struct sv ad, struct sv sealed,
	struct buf *out, struct err *err)
{
	int rc = keyring_open(keys, env, ad, sealed, out, err);

	if (rc != ERR_NOT_FOUND)
		return rc;
	TRY(load(c, keys, Q_DATA_KEY_OF_ENV, env, err));
	return keyring_open(keys, env, ad, sealed, out, err);
}
