/*
 * Promise 1 of the design put to the test: writers in several threads (and, on PostgreSQL,
 * processes) save, update and delete on one dataset while readers poll with their last cursor.
 * Every change that was committed is noted by who made it, with the stamp the store gave it;
 * afterwards the logs of the readers are held against those notes. Test code.
 */
#pragma once

#include "records/records_test.h"

struct race {
	int writers, processes; /* writers of each process; several processes need PostgreSQL */
	int64_t changes; /* at least so many */
	uint64_t seed;
};

struct race_result {
	int64_t changes; /* committed */
	int64_t batches;
	int64_t read; /* by all readers */
	int64_t polls;
	/*
	 * All must be 0. missed: the last change of an id that a reader never saw; invented: what a
	 * reader saw, but nobody wrote; disorder: stamps that are not unique, or not later than
	 * those that were visible before.
	 */
	int64_t missed, invented, disorder;
};

void race_run(struct store *s, const struct race *race, struct race_result *ret);
