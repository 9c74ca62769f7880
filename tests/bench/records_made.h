/* Records such as an API returns them, and a place to keep them, for the benches of the record
 * store. */
#pragma once

#include "base/buf.h"

enum { RECORD_BYTES = 1024, RECORDS_PER_BATCH = 1000 };

/* The same for the same i and version; ids in no order, as most are. */
void make_record(struct buf *out, int i, int version);

/* A batch: a JSON array of records first, first + 1... */
void make_batch(struct buf *out, int first, int count, int version);

/* Where a bench keeps its records. */
struct bench_place {
	const char *url; /* of an empty PostgreSQL database; NULL: SQLite in dir */
	char dir[200];
};

/*
 * `where`: a folder to make one in, postgres://..., or "postgres" for what TIDEMARK_TEST_POSTGRES
 * names. False when there is no such place.
 */
bool bench_place_open(const char *where, struct bench_place *ret);
int bench_place_close(const struct bench_place *p); /* 0, or what rm said */
