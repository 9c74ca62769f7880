/*
 * Checkpoints: a small flat object per (connection, key) that a function saves to resume from.
 * Key: <kind>:<function>[:<variant>][:trackDeletes:<model>]. Versions make concurrent writers
 * notice each other. Synchronous, inside a database job; who writes for a run has checked the
 * run's fence in the same transaction.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;
struct json_t;

enum { CHECKPOINT_FIELDS_MAX = 16, CHECKPOINT_KEY_MAX = 255, CHECKPOINT_TEXT_MAX = 4000 };

struct checkpoint {
	struct sv value; /* JSON object; absent when there is none or it was cleared */
	int64_t version; /* of the row, cleared or not; 0 = no row */
};

/* "sync:orders:base"; kinds without variants pass an absent one. */
char *checkpoint_key(struct arena *a, struct sv kind, struct sv name, struct sv variant);

/* Flat, at most 16 members, strings of at most 4000 characters, numbers, booleans. */
int checkpoint_check(const struct json_t *value, struct err *err) MUST_CHECK;

int checkpoint_get(struct dbc *c, int64_t connection, struct sv key, struct arena *a,
	struct checkpoint *ret, struct err *err) MUST_CHECK;

/*
 * Writes value if the stored version is *version (0 = whatever is stored), which becomes the new
 * one. ERR_CONFLICT "the checkpoint was changed by someone else..." otherwise.
 */
int checkpoint_put(struct dbc *c, int64_t environment, int64_t connection, struct sv key,
	struct sv value, int64_t *version, struct err *err) MUST_CHECK;

/* Clears it, keeping the version; nothing happens where there is nothing. */
int checkpoint_clear(struct dbc *c, int64_t connection, struct sv key, int64_t *version,
	struct err *err) MUST_CHECK;

/* Removes the row of `key` and of every "key:..." for good: a reset. */
int checkpoint_wipe(struct dbc *c, int64_t connection, struct sv key, struct err *err) MUST_CHECK;
