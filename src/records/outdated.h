/*
 * Deletion detection: what a series of runs has not seen is deleted (spec/records.md 8). A window
 * (trackDeletesStart/End) may stay open for any time and over failed runs; its generation is the
 * run that opened it. Inside write jobs.
 */
#pragma once

#include "base/buf.h"
#include "records/dataset.h"

/*
 * Deletes the live rows that no run from `generation` on has saved, in steps: call it, in a job
 * of its own each time, while `more` is set. A step looks at all rows from where the last one
 * stopped, and deletes at most `limit` of them.
 */
struct records_outdated {
	struct records_of of;
	int64_t generation;
	int64_t run; /* that does it */
	size_t limit; /* 0 = 10000 */
	struct buf *keys; /* gets their ids, as JSON strings with commas between; may be NULL */

	int64_t deleted; /* so far */
	bool more;
	int64_t after; /* rows the last step got to, by their number + 1 */
};
int records_outdated(struct dbc *c, struct records_outdated *o, struct err *err) MUST_CHECK;

/* Opens a window; one that is open stays as it is. owner: "sync:contacts:base". */
int records_track_start(struct dbc *c, const struct records_of *of, struct sv owner, int64_t run,
	struct err *err) MUST_CHECK;

/* The generation of an open window. ERR_NOT_FOUND with the message scripts see. */
int records_track_find(struct dbc *c, const struct records_of *of, struct sv owner,
	int64_t *ret_generation, struct err *err) MUST_CHECK;

int records_track_close(
	struct dbc *c, const struct records_of *of, struct sv owner, struct err *err) MUST_CHECK;

/* Find, delete what is outdated and close, all in this job. o: of, run and keys are given. */
int records_track_end(
	struct dbc *c, struct records_outdated *o, struct sv owner, struct err *err) MUST_CHECK;

/* Forgets the open windows of an owner (reset of a sync). */
int records_track_reset(
	struct dbc *c, int64_t connection, struct sv owner, struct err *err) MUST_CHECK;
