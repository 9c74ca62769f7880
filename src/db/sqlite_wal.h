/*
 * Keeps SQLite's write-ahead log short. What is in the log has to be copied to the database before
 * the log can start again; the thread that commits is the one nobody can do without, so that a
 * thread of its own copies most of it. As it can never catch up with a busy writer, the writer
 * copies the rest, once that is little, between two commits; and all of it should the log ever
 * grow too long.
 */
#pragma once

#include "base/err.h"

#include <sqlite3.h>

struct wal;

/* `path` is the database: it exists, with its schema. */
int wal_open(const char *path, struct wal **ret, struct err *err) MUST_CHECK;
void wal_close(struct wal *w); /* when the connections below are closed; NULL is fine */
OWN_FN(struct wal, wal_close)

/* Watches the commits of a connection: the writer's. */
void wal_watch(struct wal *w, sqlite3 *writer);
