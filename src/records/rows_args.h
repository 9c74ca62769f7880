/*
 * The arguments of one statement for many rows of a locked dataset: width columns each, of which
 * the first two are always the connection and the dataset. In the job's arena. Internal to
 * records/.
 */
#pragma once

#include "records/dataset.h"

struct rows_args {
	struct arena *arena;
	struct arg *list; /* made for the first row */
	size_t width, most, rows;
};

struct rows_args rows_args(struct dbc *c, size_t width, size_t most);

/* Room for the next row. */
struct arg *rows_args_add(struct rows_args *a, const struct dataset *d);

/* Runs it. Every row must change exactly one stored row: else the tables are damaged. */
int rows_args_run(
	struct dbc *c, enum query q, const struct rows_args *a, struct err *err) MUST_CHECK;
