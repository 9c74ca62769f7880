/*
 * Locks that functions take by name within their environment, owned by a run (its operation id)
 * and kept in the store, so that they hold between processes and nodes. Synchronous, inside a
 * database write job.
 */
#pragma once

#include "base/err.h"

struct dbc;

struct lock_key {
	int64_t environment;
	struct sv key, owner; /* 1 to 255 characters each */
};

/* True when it was free, expired or the owner's already (then it is extended). */
int lock_acquire(struct dbc *c, const struct lock_key *k, int64_t ttl_ms, bool *ret,
	struct err *err) MUST_CHECK;
/* True when it was the owner's. */
int lock_release(struct dbc *c, const struct lock_key *k, bool *ret, struct err *err) MUST_CHECK;
int lock_release_all(
	struct dbc *c, int64_t environment, struct sv owner, struct err *err) MUST_CHECK;
