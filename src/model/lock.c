#include "model/lock.h"

#include "base/clock.h"
#include "db/db.h"

enum { NAME_MAX_CHARS = 255 };

static int check(const struct lock_key *k, struct err *err)
{
	if (k->key.len < 1 || k->key.len > NAME_MAX_CHARS)
		return err_set(err, ERR_INVALID, "the key of a lock has 1 to %d characters",
			NAME_MAX_CHARS);
	if (k->owner.len < 1 || k->owner.len > NAME_MAX_CHARS)
		return err_set(err, ERR_INVALID, "the owner of a lock has 1 to %d characters",
			NAME_MAX_CHARS);
	return 0;
}

int lock_acquire(
	struct dbc *c, const struct lock_key *k, int64_t ttl_ms, bool *ret, struct err *err)
{
	int64_t now = clock_now_ms(), changed = 0;

	TRY(check(k, err));
	if (ttl_ms <= 0)
		return err_set(err, ERR_INVALID, "ttlMs of a lock must be greater than 0");
	/* More than a century is as good as for ever, and cannot overflow. */
	if (ttl_ms > INT64_C(4000000000000))
		ttl_ms = INT64_C(4000000000000);
	TRY(db_exec(c, Q_LOCK_ACQUIRE,
		ARGS(arg_i64(k->environment), arg_sv(k->key), arg_sv(k->owner),
			arg_i64(now + ttl_ms), arg_i64(now)),
		&changed, err));
	*ret = changed > 0;
	return 0;
}

int lock_release(struct dbc *c, const struct lock_key *k, bool *ret, struct err *err)
{
	int64_t changed = 0;

	TRY(check(k, err));
	TRY(db_exec(c, Q_LOCK_RELEASE,
		ARGS(arg_i64(k->environment), arg_sv(k->key), arg_sv(k->owner)), &changed, err));
	*ret = changed > 0;
	return 0;
}

int lock_release_all(struct dbc *c, int64_t environment, struct sv owner, struct err *err)
{
	return db_exec(c, Q_LOCK_RELEASE_ALL, ARGS(arg_i64(environment), arg_sv(owner)), NULL, err);
}
