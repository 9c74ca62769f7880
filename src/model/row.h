/*
 * Reading rows into structs: text copied into an arena, lists that grow in one. Inside a job.
 */
#pragma once

#include "base/mem.h"
#include "db/db.h"

/* A copy that outlives the row; NULL stays absent. */
static inline struct sv row_keep(struct rows *r, int col, struct arena *a)
{
	return arena_sv(a, row_sv(r, col));
}

static inline bool row_bool(struct rows *r, int col)
{
	return row_i64(r, col) != 0;
}

static inline struct arg arg_bool(bool v)
{
	return arg_i64(v ? 1 : 0);
}

/* 0 is NULL: times and numbers that may be missing. */
static inline struct arg arg_some(int64_t v)
{
	return v ? arg_i64(v) : arg_null();
}

/* A zeroed place at the end of an array in the arena that doubles; count becomes one more. */
static inline void *row_list_add(
	struct arena *a, void **items, size_t *count, size_t *cap, size_t size)
{
	if (*count == *cap) {
		*cap = *cap ? *cap * 2 : 16;
		void *more = arena_array(a, *cap, size);
		if (*count)
			memcpy(more, *items, *count * size);
		*items = more;
	}
	return (char *)*items + (*count)++ * size;
}

/* List queries: every row through `read` into an array of the arena. */
typedef void row_read_fn(struct rows *r, struct arena *a, void *ret);
int rows_collect(struct dbc *c, enum query q, const struct arg *args, size_t arg_count,
	struct arena *a, size_t size, row_read_fn *read, void **ret, size_t *ret_count,
	struct err *err);
/* The only row; ERR_NOT_FOUND without one. */
int rows_only(struct dbc *c, enum query q, const struct arg *args, size_t arg_count,
	struct arena *a, row_read_fn *read, void *ret, struct err *err);
