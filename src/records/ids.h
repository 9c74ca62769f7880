/*
 * Which row an id has. Ids are found by a hash, in two parts: the recent ones, few enough that
 * adding to them rewrites little, and the rest, to which they are moved many at a time. Inside a
 * job, for writing with the dataset locked.
 */
#pragma once

#include "records/dataset.h"

struct record_id {
	struct sv text;
	int64_t hash;
};

/* Six bytes as SQLite stores it. */
int64_t record_id_hash(struct sv text);

/* A row of record_keys. */
struct record_row {
	uint64_t hash[2];
	int64_t stamp, row_no, flags, size, writer;
};

/* Finds the rows of ids: found[i] tells whether rows[i] was filled in. */
int ids_find(struct dbc *c, const struct dataset *d, const struct record_id *ids, size_t count,
	struct record_row *rows, bool *found, struct err *err) MUST_CHECK;

/* New rows. The rows themselves are the caller's. */
int ids_add(struct dbc *c, struct dataset *d, const struct record_id *ids, const int64_t *row_nos,
	size_t count, struct err *err) MUST_CHECK;

/* Rows that go. */
int ids_remove(struct dbc *c, struct dataset *d, const struct record_id *ids,
	const int64_t *row_nos, size_t count, struct err *err) MUST_CHECK;
int ids_clear(struct dbc *c, struct dataset *d, struct err *err) MUST_CHECK;
