/*
 * A fresh database for a test: a SQLite file in a folder of its own or, when TIDEMARK_TEST_POSTGRES
 * names a cluster (tests/with-postgres), a new PostgreSQL database there. Tests only; fails the
 * process with a message when it cannot.
 */
#pragma once

#include "db/db.h"

struct testdb {
	char dir[64]; /* of the file; empty on PostgreSQL */
	char path[96], url[512], name[64];
};

void testdb_make(struct testdb *t);
void testdb_drop(struct testdb *t); /* after db_close */

static inline bool testdb_is_postgres(const struct testdb *t)
{
	return t->url[0] != 0;
}

/* To open it, any number of times. Borrows from t. */
static inline struct db_config testdb_config(const struct testdb *t)
{
	return (struct db_config){ .path = t->path, .url = t->url[0] ? t->url : NULL };
}

/* The first column of the rows, each followed by a space. In a static buffer. */
const char *testdb_ask(const struct testdb *t, const char *sql);
