/*
 * A batch of records on its way into a dataset: save, update or delete. Two steps, so that the
 * writer's time goes into writing only:
 *
 *	records_prepare()	in a read job: splits and hashes the batch, looks up what is stored,
 *				decides what each record comes to, seals the payloads to be written
 *	records_apply()		in a write job: takes the dataset's lock, decides again only if the
 *				dataset has changed since, and writes
 *
 * Preparing is optional: records_apply() does what was not done. Within one batch the first record
 * of an id wins; the ids of the others are listed. A record that is stored with equal content is
 * unchanged: nothing is written for it, but the run has seen it.
 *
 * Between its jobs the batch belongs to who made it; the text of the records must stay with it.
 */
#pragma once

#include "base/mem.h"
#include "records/ids.h"
#include "records/json_canon.h"

enum records_op {
	RECORDS_SAVE, /* whole records */
	RECORDS_UPDATE, /* parts, merged into the live records that exist (records/merge.h) */
	/* Ids. The last payload stays readable; an unknown or deleted id is ignored. A member
	 * `deletedAt` (ISO time, or milliseconds) says when, else it is now. */
	RECORDS_DELETE,
};

struct records_input {
	struct records_of of;
	enum records_op op;
	struct sv records; /* JSON array */
	struct jc_limits limits;
	int64_t run; /* the generation; 0 = none, then nothing is noted as seen */
	/*
	 * Tells the batches of a run apart, over all its attempts; 0 = not recorded. A batch that
	 * comes again returns what it came to the first time. ERR_CONFLICT when its text differs.
	 */
	int64_t seq;
	/* ignore_if_modified_after: rows behind this stamp that other runs wrote are left alone. */
	int64_t guard;
};

enum record_status {
	RECORD_ADDED, /* also one that had been deleted */
	RECORD_UPDATED,
	RECORD_DELETED,
	RECORD_UNCHANGED,
	RECORD_IGNORED, /* guarded; or nothing there to update or delete */
};

enum record_action {
	ACTION_NONE,
	ACTION_INSERT,
	ACTION_CHANGE,
	ACTION_UNDELETE, /* a change that begins its life anew */
	ACTION_RESTORE, /* the same payload again where it was pruned; the row does not move */
	ACTION_DELETE,
};

struct record_item {
	struct sv id, payload;
	int64_t id_hash;
	uint64_t hash[2];
	bool untidy;
	bool repeated; /* further records of this id were dropped */

	bool found;
	struct record_row row; /* what is stored, when found */
	enum record_action action;
	enum record_status status;
	struct sv sealed; /* absent until needed */
	int64_t deleted_us; /* given by the user; 0 = none */

	/* Updates: the merged payload and the state of the row it was merged into. */
	struct sv merged;
	int64_t merged_stamp, merged_flags;
	int64_t new_stamp; /* while it is applied */
};

struct records_counts {
	int64_t added, updated, deleted, unchanged, ignored;
};

struct records_batch {
	struct records_input in;
	struct arena arena;
	struct record_item *items; /* not in the arena: it grows */
	size_t count;
	struct sv *duplicates; /* ids, each once */
	size_t duplicate_count;
	bool scanned;
	uint64_t digest;
	int64_t version; /* of the dataset when it was looked up */

	/* Results of records_apply. */
	struct records_counts counts;
	int64_t last_stamp; /* highest given to a record; 0 when nothing moved */
	bool replayed; /* came before: counts are those of then, items are not filled in */
};

struct records_batch *records_batch_new(const struct records_input *in);
void records_batch_free(struct records_batch *b); /* NULL is fine */
OWN_FN(struct records_batch, records_batch_free)

int records_prepare(struct dbc *c, struct records_batch *b, struct err *err) MUST_CHECK;
int records_apply(struct dbc *c, struct records_batch *b, struct err *err) MUST_CHECK;

/* For write.c: (re)decides the batch against the dataset; d NULL = there is none. */
int batch_decide(struct dbc *c, struct records_batch *b, const struct dataset *d,
	struct err *err) MUST_CHECK;
int batch_scan(struct records_batch *b, struct err *err) MUST_CHECK;
