/*
 * Every table of the schema with the queries that count it, read it in the order of its primary
 * key, and fill it: made by tools/sql_tables.py from sql/schema, so that none can be forgotten. In
 * an order that satisfies foreign keys. For src/transfer/. Constant.
 */
#pragma once

#include "db/queries.h"

#include <stdbool.h>
#include <stddef.h>

struct table_column {
	const char *name;
	enum { COLUMN_INT, COLUMN_REAL, COLUMN_TEXT, COLUMN_BLOB } type;
};

struct table {
	const char *name;
	const struct table_column *columns;
	size_t column_count;
	const unsigned char *key; /* which columns are the primary key */
	size_t key_count;
	bool identity; /* `id` is given out by the database */
	enum query count;
	enum query first; /* all columns; argument: how many rows */
	enum query next; /* the same behind a key, which comes before the number */
	enum query insert; /* for db_exec_many */
};

extern const int schema_version; /* that the tables are of */
extern const struct table tables[];
extern const size_t table_count;
