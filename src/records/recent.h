/*
 * The ids of the newest rows of a dataset, before ids.c moves them to record_ids: their hashes in
 * the order of the rows, many to a blob. New ids cost next to nothing here, where an index would
 * rewrite most of its pages for each batch; to find some, all of them are read, so they must stay
 * few. Inside a job, for writing with the dataset locked. Internal to records/.
 */
#pragma once

#include "records/ids.h"

/* Rows from first_row on, one for each id: they are the next of the dataset. */
int recent_add(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	int64_t first_row, size_t count, struct err *err) MUST_CHECK;

/* A row whose id may be what is asked for: their hashes are equal. */
struct recent_row {
	int64_t hash, row_no;
	size_t index; /* of the id asked for */
};

struct recent_rows {
	struct recent_row *list;
	size_t count, cap;
};
void recent_rows_done(struct recent_rows *r);

/* Rows for those of the ids whose index is in wanted. */
int recent_find(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	const size_t *wanted, size_t count, struct recent_rows *ret, struct err *err) MUST_CHECK;

/* Rows numbered below `end` with hashes from low up to and including high. */
struct recent_range {
	int64_t low, high, end;
};

/* In the order of their hashes; the indexes mean nothing. */
int recent_between(struct dbc *c, const struct dataset *d, struct recent_range range,
	struct recent_rows *ret, struct err *err) MUST_CHECK;

/* Rows that go; they must be there. */
int recent_remove(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	const int64_t *row_nos, size_t count, struct err *err) MUST_CHECK;

/* Rows numbered below `end` are no longer kept here. */
int recent_forget(struct dbc *c, const struct dataset *d, int64_t end, struct err *err) MUST_CHECK;

int recent_clear(struct dbc *c, const struct dataset *d, struct err *err) MUST_CHECK;
