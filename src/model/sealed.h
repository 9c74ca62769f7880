/*
 * Text of the model that is kept sealed by its environment's data key: credentials, signing keys,
 * variables. Inside a job; results live in the arena.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;
struct keyring;
struct master_key;

int sealed_make(struct dbc *c, struct keyring *keys, int64_t env, struct sv text, struct arena *a,
	struct sv *ret, struct err *err);
/* Absent stays absent. */
int sealed_open(struct dbc *c, struct keyring *keys, int64_t env, struct sv sealed, struct arena *a,
	struct sv *ret, struct err *err);

/*
 * Every data key into the ring, and the master key that is in force: the one which wraps the newest
 * of them. ERR_INVALID: the ring has another master key. At start, and now and then.
 */
int sealed_check_master(struct dbc *c, struct keyring *keys, struct err *err);

/* A first or newer data key for the environment; the newest seals. */
int sealed_make_key(struct dbc *c, struct keyring *keys, int64_t env, struct err *err);

/* A newer data key for every environment. */
int sealed_renew_keys(struct dbc *c, struct keyring *keys, int64_t *ret_count, struct err *err);

/* Wraps all data keys for another master key. */
int sealed_rotate(struct dbc *c, struct keyring *keys, const struct master_key *to,
	int64_t *ret_count, struct err *err);
