/*
 * Getting rid of what is stored: payloads (prune), rows (empty), datasets (remove), and what runs
 * leave behind. Each call works on at most `limit` rows, in one write job, and is repeated while
 * there is more. Stamps already given out are never given out again.
 */
#pragma once

#include "base/mem.h"
#include "records/dataset.h"

struct records_pruned {
	int64_t count;
	bool more;
};

/*
 * Forgets payloads, oldest first, up to and including the cursor's position. `more`: the limit was
 * hit, or the record of the cursor has moved since (then another call says 0 and no more).
 */
int records_prune(struct dbc *c, const struct records_of *of, struct sv until_cursor, int64_t limit,
	struct records_pruned *ret, struct err *err) MUST_CHECK;

/* The same up to a time, for retention. `more`: the limit was hit. */
int records_prune_older(struct dbc *c, const struct records_of *of, int64_t until_us, int64_t limit,
	struct records_pruned *ret, struct err *err) MUST_CHECK;

/* Removes rows, oldest first: emptyCache. `more`: rows are left. */
int records_empty(struct dbc *c, const struct records_of *of, int64_t limit,
	struct records_pruned *ret, struct err *err) MUST_CHECK;

/*
 * Empties, and at the end removes the dataset itself with its windows. `more`: not at the end. Of
 * one that was changed in the last day an empty row stays (its last stamp): remove it again later.
 */
int records_remove(struct dbc *c, const struct records_of *of, int64_t limit,
	struct records_pruned *ret, struct err *err) MUST_CHECK;

/* Datasets that retention should look at; models in the arena. */
struct dataset_name {
	int64_t connection;
	struct sv model;
};

/* Some that have payloads from before this time. */
int datasets_prunable(struct dbc *c, int64_t until_us, int64_t limit, struct arena *arena,
	struct dataset_name **ret, size_t *ret_count, struct err *err) MUST_CHECK;

/* The one nobody has written to since, that was looked at longest ago. ERR_NOT_FOUND: none. */
int datasets_idle(struct dbc *c, int64_t since_ms, struct arena *arena, struct dataset_name *ret,
	struct err *err) MUST_CHECK;

/*
 * After a run has ended: forgets its batches, and which rows were seen by runs before `oldest`
 * (the oldest run of the connection that has not ended; at least run + 1 if there is none).
 */
int records_run_done(
	struct dbc *c, int64_t connection, int64_t run, int64_t oldest, struct err *err) MUST_CHECK;
