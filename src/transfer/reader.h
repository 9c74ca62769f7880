/* The lines of an export as values: header, tables, rows, trailer. Pure but for memory. */
#pragma once

#include "base/mem.h"
#include "db/db.h"
#include "db/tables.h"

struct export_header {
	char id[40];
	char key[20]; /* fingerprint of the master key */
};
/* Checks format and schema, too. */
int read_header(struct sv line, struct export_header *ret, struct err *err) MUST_CHECK;

/* The line that begins a table: its name and columns must be those of t. */
int read_table(
	struct sv line, const struct table *t, int64_t *ret_sequence, struct err *err) MUST_CHECK;

/* A row as arguments of t->insert; text lives in the arena. */
int read_row(struct sv line, const struct table *t, struct arena *a, struct arg *ret,
	struct err *err) MUST_CHECK;

/* Counts (in the order of `tables`) and digest must be those of the trailer. */
int check_trailer(
	struct sv line, const int64_t *rows, const char *digest, struct err *err) MUST_CHECK;

static inline bool is_row(struct sv line)
{
	return line.len && line.ptr[0] == '[';
}
static inline bool is_trailer(struct sv line)
{
	return sv_starts(line, SV_LIT("{\"end\":"));
}
