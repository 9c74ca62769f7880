/*
 * Which row an id has. Ids are found by a hash, in one of two places: the newest rows in lists that
 * cost little to add to (recent.h), the others in the index record_ids, to which they move many at
 * a time. Inside a job, for writing with the dataset locked.
 */
#pragma once

#include "records/dataset.h"

struct record_id {
	struct sv text;
	int64_t hash;
};

/* Six bytes as SQLite stores it; never 0. */
int64_t record_id_hash(struct sv text);

/* A row of record_keys. */
struct record_row {
	uint64_t hash[2];
	int64_t stamp, row_no, flags, size, writer;
};

/* Finds the rows of ids: found[i] tells whether rows[i] was filled in. */
int ids_find(struct dbc *c, const struct dataset *d, const struct record_id *ids, size_t count,
	struct record_row *rows, bool *found, struct err *err) MUST_CHECK;

/* Where the id of a row is: in one of the two places, or in both while it moves (ids.c). */
enum id_place { ID_INDEXED = 1, ID_RECENT = 2 };
int id_places(const struct dataset *d, int64_t row_no, int64_t hash);

/* New rows, numbered from first_row on up to d->next_row. The rows themselves are the caller's. */
int ids_add(struct dbc *c, struct dataset *d, const struct record_id *ids, int64_t first_row,
	size_t count, struct err *err) MUST_CHECK;

/* Rows that go. */
int ids_remove(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	const int64_t *row_nos, size_t count, struct err *err) MUST_CHECK;
int ids_clear(struct dbc *c, struct dataset *d, struct err *err) MUST_CHECK;

#ifdef TIDEMARK_TEST_HOOKS
extern int64_t ids_recent_most; /* how many may be recent; 0 = as many as should be */
#endif
