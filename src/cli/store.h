/*
 * The data folder: its lock, its master key, its database. Shared by `serve` and by commands that
 * work on the folder directly.
 */
#pragma once

#include "base/err.h"

struct settings;

struct store {
	struct loop *loop;
	struct keyring *keys;
	struct db *db;
	int lock_fd; /* 0 = not locked */
	bool is_new; /* the database file was made by this call */
	char path[1024]; /* of the database file */
};

/* exclusive: refuses a folder that a server uses. Made when it is not there, but only then. */
int store_open(const struct settings *conf, bool exclusive, struct store *ret, struct err *err);
void store_close(struct store *s);
