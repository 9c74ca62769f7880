/*
 * Which rows of a dataset a run has saved, changed or not: a bit per row number, kept in chunks
 * per generation (= run id). So a batch of a thousand unchanged records writes one small row, and
 * deletion detection reads a megabyte for eight million. Inside a job, the dataset locked.
 */
#pragma once

#include "base/mem.h"
#include "records/dataset.h"

/* Sorts rows. */
int seen_mark(struct dbc *c, const struct dataset *d, int64_t generation, int64_t *rows,
	size_t count, struct err *err) MUST_CHECK;

struct seen {
	unsigned char *bits; /* for all rows of the dataset; in the arena given */
	int64_t rows;
};

/* All rows seen by this generation or a later one. */
int seen_since(struct dbc *c, const struct dataset *d, int64_t generation, struct arena *arena,
	struct seen *ret, struct err *err) MUST_CHECK;

static inline bool seen_has(const struct seen *s, int64_t row)
{
	return row < s->rows && (s->bits[row / 8] >> (row % 8) & 1);
}
