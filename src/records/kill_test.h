/*
 * Promise 2 of the design put to the test: a process that writes with several threads, into several
 * datasets, is killed at a random moment, again and again on the same database. What it had
 * acknowledged must be there, what it was at must be there whole or not at all, and a reader that
 * goes on with its cursor must know the same as one that reads everything. Test code.
 */
#pragma once

#include "records/records_test.h"

struct kills {
	int cycles;
	uint64_t seed;
	int64_t most_ms; /* how long a process lives at most */
	/*
	 * A command that makes the database itself fail (a restart), run while the process writes;
	 * what fails by it is tried again. NULL: nothing fails but the process.
	 */
	const char *strike;
};

struct kills_result {
	int64_t acknowledged; /* batches, each found whole */
	int64_t pending_whole, pending_absent; /* batches that were at work */
	int64_t seen; /* changes a reader was told, in the processes and after them */
};

void kills_run(struct store *s, const struct kills *kills, struct kills_result *ret);
