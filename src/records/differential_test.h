/*
 * What the differential test is made of: its state, and the half that reads and compares. Test
 * code.
 */
#pragma once

#include "records/noise_test.h"
#include "records/oracle_test.h"
#include "records/records_test.h"

enum { DATASETS = 4, RUNS = 3, MARKS = 8, KEPT = 6, READERS = 2, PENDING = 3 };

/* A place in a feed, as the store and as the model know it. */
struct mark {
	char cursor[128];
	int64_t position, us;
};

struct reader {
	char cursor[128]; /* "" = from the start */
	int64_t position;
};

struct guard {
	int64_t run, stamp, position;
};

struct side {
	struct records_of of;
	struct oracle_dataset model;
	struct mark marks[MARKS];
	struct reader readers[READERS];
	struct guard guard; /* of the last run that asked for one */
	int64_t top_position, top_us; /* the furthest change that has been read */
};

struct pending {
	int side; /* -1 = none */
	struct records_input in;
	struct oracle_batch model;
	struct buf text;
	struct records_batch *batch;
};

/* A batch that was applied with a number, to be sent again. */
struct kept {
	int side; /* -1 = none */
	struct records_input in;
	char *text;
	struct records_counts counts;
};

struct test {
	struct store *s;
	struct noise noise;
	uint64_t seed;
	int64_t operation, batches;
	int64_t next_run, next_seq;
	int64_t runs[2][RUNS]; /* that have not ended, by connection */
	int64_t clock_ms; /* how far the clock was moved */
	bool done;
	struct side sides[DATASETS];
	struct pending pending[PENDING];
	struct kept kept[KEPT];
};

struct id_form {
	const char *text, *as[4]; /* as: JSON that means it; none: the plain string */
};
extern const struct id_form id_forms[ORACLE_IDS];

#define RND(n) ((int)noise_pick(&t->noise, (n)))

/* Everything that can be read of a dataset; the tables agree. */
void compare_dataset(struct test *t, struct side *d);
/* The next page of a reader that goes on from where it was. */
void compare_reader(struct test *t, struct side *d, struct reader *r, int64_t limit);
