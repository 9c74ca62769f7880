#include "model/connect.h"

#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "model/row.h"
#include "model/sealed.h"

#include <stdio.h>

#define TOKEN_PREFIX "nango_connect_session_"
enum { SESSION_MS = 30 * 60 * 1000, OAUTH_MS = 15 * 60 * 1000, TOKEN_BYTES = 32 };

static struct sv hash_of(struct sv token, unsigned char hash[HASH_SHA256_SIZE])
{
	hash_sha256(token, hash);
	return sv_make((const char *)hash, HASH_SHA256_SIZE);
}

bool connect_token_format_ok(struct sv token)
{
	struct sv prefix = SV_LIT(TOKEN_PREFIX);

	if (!sv_starts(token, prefix) || token.len != prefix.len + 2 * TOKEN_BYTES)
		return false;
	for (size_t i = prefix.len; i < token.len; i++)
		if (!strchr("0123456789abcdef", token.ptr[i]))
			return false;
	return true;
}

int connect_session_create(struct dbc *c, int64_t env, struct sv spec, struct connect_session *ret,
	char token[CONNECT_TOKEN_SIZE], struct err *err)
{
	unsigned char random[TOKEN_BYTES], hash[HASH_SHA256_SIZE];
	char hex[HASH_HEX_SIZE];
	int64_t now = clock_now_ms();

	random_bytes(random, sizeof(random));
	snprintf(token, CONNECT_TOKEN_SIZE, TOKEN_PREFIX "%s",
		hash_hex(random, sizeof(random), hex));
	*ret = (struct connect_session){
		.environment_id = env, .spec = spec, .expires_ms = now + SESSION_MS
	};
	return db_one_i64(c, Q_CONNECT_SESSION_INSERT,
		ARGS(arg_i64(env), arg_blob(hash_of(sv_str(token), hash)), arg_sv(spec),
			arg_i64(now), arg_i64(ret->expires_ms)),
		&ret->id, err);
}

static void read_session(struct rows *r, struct arena *a, void *ret)
{
	*(struct connect_session *)ret = (struct connect_session){
		.id = row_i64(r, 0),
		.environment_id = row_i64(r, 1),
		.spec = row_keep(r, 2, a),
		.expires_ms = row_i64(r, 3),
	};
}

int connect_session_find(struct dbc *c, struct sv token, struct arena *a,
	struct connect_session *ret, struct err *err)
{
	unsigned char hash[HASH_SHA256_SIZE];

	return rows_only(c, Q_CONNECT_SESSION_FIND,
		ARGS(arg_blob(hash_of(token, hash)), arg_i64(clock_now_ms())), a, read_session, ret,
		err);
}

int connect_session_get(
	struct dbc *c, int64_t id, struct arena *a, struct connect_session *ret, struct err *err)
{
	return rows_only(c, Q_CONNECT_SESSION_GET, ARGS(arg_i64(id), arg_i64(clock_now_ms())), a,
		read_session, ret, err);
}

int connect_session_delete(struct dbc *c, int64_t id, struct err *err)
{
	return db_exec(c, Q_CONNECT_SESSION_DELETE, ARGS(arg_i64(id)), NULL, err);
}

int oauth_session_create(
	struct dbc *c, struct keyring *keys, const struct oauth_session *s, struct err *err)
{
	struct sv sealed;

	TRY(sealed_make(c, keys, s->environment_id, s->secret, db_arena(c), &sealed, err));
	return db_exec(c, Q_OAUTH_SESSION_INSERT,
		ARGS(arg_sv(s->state), arg_i64(s->environment_id), arg_i64(s->integration_id),
			arg_i64(s->session_id), arg_blob(sealed),
			arg_i64(clock_now_ms() + OAUTH_MS)),
		NULL, err);
}

/* As it is stored. */
struct taken {
	struct oauth_session session;
	struct sv sealed;
	int64_t expires_ms;
};

static void read_taken(struct rows *r, struct arena *a, void *ret)
{
	*(struct taken *)ret = (struct taken){
		.session = { .environment_id = row_i64(r, 0),
			.integration_id = row_i64(r, 1),
			.session_id = row_i64(r, 2) },
		.sealed = row_keep(r, 3, a),
		.expires_ms = row_i64(r, 4),
	};
}

int oauth_session_take(struct dbc *c, struct keyring *keys, struct sv state, struct arena *a,
	struct oauth_session *ret, struct err *err)
{
	struct taken t;

	TRY(rows_only(c, Q_OAUTH_SESSION_TAKE, ARGS(arg_sv(state)), a, read_taken, &t, err));
	if (t.expires_ms <= clock_now_ms())
		return err_set(err, ERR_NOT_FOUND, "the authorisation took too long");
	*ret = t.session;
	ret->state = arena_sv(a, state);
	return sealed_open(c, keys, ret->environment_id, t.sealed, a, &ret->secret, err);
}

int connect_prune(struct dbc *c, struct err *err)
{
	int64_t now = clock_now_ms();

	TRY(db_exec(c, Q_OAUTH_SESSION_PRUNE, ARGS(arg_i64(now)), NULL, err));
	return db_exec(c, Q_CONNECT_SESSION_PRUNE, ARGS(arg_i64(now)), NULL, err);
}
