/*
 * Text of the model that is kept sealed by its environment's data key: credentials, signing keys,
 * variables. Inside a job; results live in the arena.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;
struct keyring;

int sealed_make(struct dbc *c, struct keyring *keys, int64_t env, struct sv text, struct arena *a,
	struct sv *ret, struct err *err);
/* Absent stays absent. */
int sealed_open(struct dbc *c, struct keyring *keys, int64_t env, struct sv sealed, struct arena *a,
	struct sv *ret, struct err *err);

/* At start: every data key into the ring. ERR_INVALID: the master key is another one. */
int sealed_load_keys(struct dbc *c, struct keyring *keys, struct err *err);

/* A first or newer data key for the environment; the newest seals. */
int sealed_make_key(struct dbc *c, struct keyring *keys, int64_t env, struct err *err);
