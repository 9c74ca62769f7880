/*
 * What tools/sql.py generates from sql/: the text of every query for each back end, and the
 * migrations in order. Constant; for the back ends only, everyone else names queries by enum.
 */
#pragma once

#include "db/queries.h"

struct query_text {
	const char *name, *sqlite, *postgres;
};
extern const struct query_text query_texts[Q_COUNT + 1]; /* never empty, hence the one more */

struct migration {
	int version;
	const char *name, *sqlite, *postgres;
};
extern const struct migration migrations[]; /* versions 1, 2, 3...; ends with version 0 */
extern const int migration_count;
