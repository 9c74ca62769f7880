/*
 * The record store as simple as it can be: records in an array, in the order of their ids, with
 * positions that count changes. What spec/records.md says with the fixes of its section 20, and
 * nothing about how it is stored. The differential test drives it beside the store. Test code.
 */
#pragma once

#include "data/json.h"
#include "records/batch.h"

enum { ORACLE_IDS = 32, ORACLE_OWNERS = 2 };

struct oracle_record {
	bool exists, deleted, pruned;
	struct json_t
		*payload; /* with its id as text; kept when pruned: the store keeps its hash */
	int64_t row; /* order of first saves */
	int64_t created, moved; /* positions */
	int64_t writer, seen; /* runs; seen: the latest */
	int64_t deleted_us; /* as the user said; 0 = when it happened */

	/* What the store has shown of it, for positions created_known and moved_known. */
	int64_t created_known, created_us, moved_known, moved_us;
};

struct oracle_dataset {
	struct oracle_record records[ORACLE_IDS];
	int64_t position, rows; /* last given */
	int64_t windows[ORACLE_OWNERS]; /* the run that opened it; 0 = none */
};

struct oracle_item {
	int id;
	struct json_t *value; /* owned by the batch; with the id as text */
	int64_t deleted_us;
};

struct oracle_batch {
	enum records_op op;
	struct oracle_item items[ORACLE_IDS * 2];
	size_t count;
	int64_t run;
	int64_t guard; /* a position; 0 = none */
};

void oracle_batch_done(struct oracle_batch *b);
void oracle_free(struct oracle_dataset *d); /* its records */

/* Applies a batch; what the store should say of it. */
struct oracle_result {
	struct records_counts counts;
	size_t duplicates; /* ids that came more than once */
	bool moved; /* any record */
};
struct oracle_result oracle_apply(struct oracle_dataset *d, const struct oracle_batch *b);

/* Deletes what no run from generation on has seen: ids in order of first saves. */
size_t oracle_outdated(
	struct oracle_dataset *d, int64_t generation, int64_t run, int ids[ORACLE_IDS]);

/* Up to a position, at most limit; ret_last: position of the last one pruned. */
int64_t oracle_prune(struct oracle_dataset *d, int64_t until, int64_t limit, int64_t *ret_last);

/* Removes the oldest; returns how many. */
int64_t oracle_empty(struct oracle_dataset *d, int64_t limit);

/* Records that exist in the order of their changes; of the actions given (0 = all). */
size_t oracle_feed(struct oracle_dataset *d, int64_t after, unsigned actions,
	struct oracle_record *list[ORACLE_IDS]);

unsigned oracle_action(const struct oracle_record *r); /* RECORDS_ADDED... */
int64_t oracle_live(struct oracle_dataset *d);
