/*
 * Reading records: the change feed in order of stamps, records by id, the ends of a dataset. The
 * JSON of answers is written straight into a buffer (spec/records.md 9, 10). Inside a read job.
 */
#pragma once

#include "base/buf.h"
#include "records/dataset.h"

/* Actions to include; 0 means all. */
enum { RECORDS_ADDED = 1, RECORDS_UPDATED = 2, RECORDS_DELETED = 4 };

struct records_query {
	struct records_of of;
	struct sv cursor; /* absent: from the start */
	int64_t limit;
	unsigned actions;
	int64_t modified_after_us; /* inclusive, truncated to milliseconds; 0 = none */
	const struct sv *ids; /* only these, when there are any */
	size_t id_count;
	int64_t max_bytes; /* of payloads; 0 = no budget. One record always fits. */
};

/* Appends {"next_cursor": text or null, "records": [...]}. ERR_INVALID: Invalid cursor. */
int records_list(
	struct dbc *c, const struct records_query *q, struct buf *out, struct err *err) MUST_CHECK;

/* Appends {"records": [...]}: those there are of the ids, also deleted and pruned ones. */
int records_by_ids(struct dbc *c, const struct records_of *of, const struct sv *ids, size_t count,
	struct buf *out, struct err *err) MUST_CHECK;

/* Appends the cursor of the first or last record; nothing when the dataset is empty. */
int records_edge(struct dbc *c, const struct records_of *of, bool last, struct buf *out,
	struct err *err) MUST_CHECK;

/* The stamp of the last record, 0 when empty: what a merging strategy guards from. */
int records_last_stamp(
	struct dbc *c, const struct records_of *of, int64_t *ret, struct err *err) MUST_CHECK;

/* Live records; 0 when nothing was ever stored. */
int records_count(
	struct dbc *c, const struct records_of *of, int64_t *ret, struct err *err) MUST_CHECK;
