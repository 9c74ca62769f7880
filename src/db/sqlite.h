/*
 * What the two halves of the SQLite back end share: sqlite_open.c owns the file (lock, pragmas,
 * schema), sqlite.c the statements of one connection.
 */
#pragma once

#include "db/backend.h"
#include "db/sqlite_wal.h"

#include <sqlite3.h>

/* What all connections share. */
struct sqlite_store {
	char *path;
	int lock_fd;
	struct wal *wal; /* NULL beside a server */
};

int sqlite_store_open(const struct db_config *cfg, void **ret_store, struct err *err);
void sqlite_store_close(void *store);

int sqlite_store_backup(void *store, struct db_backup *b, struct err *err);

/* A connection with its pragmas set. */
int sqlite_file_open(const char *path, enum db_mode mode, sqlite3 **ret, struct err *err);

/* The last error of db as ours: what failed, why, what to do. Returns the code. */
int sqlite_fail(sqlite3 *db, const char *what, struct err *err);
