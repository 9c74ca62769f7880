/*
 * The data keys as jobs use them: a key that another process made since the ring was filled is
 * loaded when it is met. Whoever seals or opens inside a job goes through here.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "db/db.h"

struct aead_key;
struct keyring;

/* Every data key into the ring. ERR_INVALID: the master key is another one. */
int keys_load(struct dbc *c, struct keyring *keys, struct err *err) MUST_CHECK;

/* The key that seals for an environment. ERR_NOT_FOUND: there is none. */
int keys_current(struct dbc *c, struct keyring *keys, int64_t env, const struct aead_key **ret,
	struct err *err) MUST_CHECK;

/* Appends the plain bytes to out. */
int keys_open(struct dbc *c, struct keyring *keys, int64_t env, struct sv ad, struct sv sealed,
	struct buf *out, struct err *err) MUST_CHECK;
