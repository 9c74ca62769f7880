#include "model/api_key.h"

#include "base/clock.h"
#include "crypto/hash.h"
#include "data/uuid.h"
#include "model/row.h"
#include "model/sealed.h"

void api_key_hash(struct sv key, unsigned char ret[API_KEY_HASH_SIZE])
{
	char lower[UUID_TEXT_SIZE];
	size_t len = key.len < sizeof(lower) ? key.len : sizeof(lower);

	for (size_t i = 0; i < len; i++) {
		char ch = key.ptr[i];
		lower[i] = ch >= 'A' && ch <= 'Z' ? (char)(ch + 32) : ch;
	}
	hash_sha256(sv_make(lower, len), ret);
}

static struct arg arg_hash(const unsigned char hash[API_KEY_HASH_SIZE])
{
	return arg_blob(sv_make((const char *)hash, API_KEY_HASH_SIZE));
}

static void read_row(struct rows *r, struct arena *a, void *ret)
{
	*(struct api_key *)ret = (struct api_key){
		.id = row_i64(r, 0),
		.environment_id = row_i64(r, 1),
		.environment = row_keep(r, 2, a),
		.display_name = row_keep(r, 3, a),
		.scopes = row_keep(r, 4, a),
		.created_ms = row_i64(r, 5),
	};
}

static void read_sealed_row(struct rows *r, struct arena *a, void *ret)
{
	read_row(r, a, ret);
	((struct api_key *)ret)->secret = row_keep(r, 6, a);
}

int api_key_find(
	struct dbc *c, struct sv key, struct arena *a, struct api_key *ret, struct err *err)
{
	unsigned char hash[API_KEY_HASH_SIZE];

	api_key_hash(key, hash);
	return rows_only(c, Q_API_KEY_FIND, ARGS(arg_hash(hash)), a, read_row, ret, err);
}

int api_key_create(struct dbc *c, struct keyring *keys, int64_t env, struct sv display_name,
	struct sv key, struct sv scopes, struct err *err)
{
	unsigned char hash[API_KEY_HASH_SIZE];
	struct sv sealed;

	api_key_hash(key, hash);
	TRY(sealed_make(c, keys, env, key, db_arena(c), &sealed, err));
	return db_exec(c, Q_API_KEY_INSERT,
		ARGS(arg_i64(env), arg_sv(display_name), arg_hash(hash), arg_blob(sealed),
			arg_sv(scopes), arg_i64(clock_now_ms())),
		NULL, err);
}

int api_key_list(struct dbc *c, struct keyring *keys, int64_t env, struct arena *a,
	struct api_key **ret, size_t *ret_count, struct err *err)
{
	TRY(rows_collect(c, Q_API_KEY_LIST, ARGS(arg_i64(env)), a, sizeof(**ret), read_sealed_row,
		(void **)ret, ret_count, err));
	for (size_t i = 0; i < *ret_count; i++) {
		struct sv sealed = (*ret)[i].secret;
		TRY(sealed_open(c, keys, env, sealed, a, &(*ret)[i].secret, err));
	}
	return 0;
}

bool api_key_format_ok(struct sv key)
{
	struct uuid u;

	return uuid_parse(key, &u) && (u.bytes[6] >> 4) == 4 && (u.bytes[8] >> 6) == 2;
}
