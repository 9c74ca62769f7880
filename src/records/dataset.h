/*
 * A dataset: what one connection keeps of one model (full name: Model or Model::variant). Its row
 * is the lock of everything in it: a write takes it first, and only then reads what is stored or
 * gives out stamps. Stamps are microseconds, strictly increasing, one per changed row, never behind
 * the clock's past: so the order of stamps is the order of commits (spec/records.md 19.1).
 *
 * Synchronous, inside a database job.
 */
#pragma once

#include "base/err.h"
#include "db/db.h"

/* Which dataset is meant, and what opens its payloads. Borrowed. */
struct records_of {
	struct keyring *keys;
	int64_t environment, connection; /* internal ids */
	struct sv model; /* full name */
};

/* Bits of record_keys.flags. */
enum { ROW_DELETED = 1, ROW_PRUNED = 2 };

struct dataset {
	int64_t connection, id;
	int64_t last_stamp, version, next_row, indexed;
	int64_t live, total, size, pruned_to;
	int64_t numbering; /* a higher one when row numbers have started again */
	int64_t moving, moved; /* see ids.c */
	int64_t era; /* another one where commits may have been lost; 0 = unknown, or locked */
	int64_t now_us; /* when it was locked */
	bool changed;
};

/* Reads the row. ERR_NOT_FOUND when nothing was ever stored. */
int dataset_find(struct dbc *c, const struct records_of *of, struct dataset *ret,
	struct err *err) MUST_CHECK;

/* Locks the row, creating it if need be, and notes the activity. */
int dataset_lock(struct dbc *c, const struct records_of *of, struct dataset *ret,
	struct err *err) MUST_CHECK;

/* The same for upkeep, which is no activity. ERR_NOT_FOUND where there is no dataset. */
int dataset_lock_quietly(struct dbc *c, const struct records_of *of, struct dataset *ret,
	struct err *err) MUST_CHECK;

/* The next stamp of a locked dataset; marks it changed. */
int64_t dataset_stamp(struct dataset *d);

/* Writes a locked dataset back if it changed. */
int dataset_store(struct dbc *c, struct dataset *d, struct err *err) MUST_CHECK;

/* The associated data of a record's payload: the dataset by name, then the record's id. */
struct record_ad {
	char text[1400]; /* ids are at most 255 UTF-16 units, 765 bytes */
	size_t prefix;
};
int record_ad_init(struct record_ad *ad, const struct records_of *of, struct err *err) MUST_CHECK;
struct sv record_ad(struct record_ad *ad, struct sv external_id);

/* Live records and stored bytes per dataset of a connection, by full model name. */
struct dataset_counts {
	struct sv model;
	int64_t live, size, updated_ms;
};
int datasets_list(struct dbc *c, int64_t connection, struct arena *arena,
	struct dataset_counts **ret, size_t *ret_count, struct err *err) MUST_CHECK;
