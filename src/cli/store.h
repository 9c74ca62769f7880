/*
 * The data folder: its lock, its master key, its database. Shared by `serve` and by commands that
 * work on the folder directly.
 */
#pragma once

#include "base/err.h"
#include "model/node.h"

struct settings;

struct store {
	struct loop *loop;
	struct keyring *keys;
	struct db *db;
	int lock_fd; /* 0 = not locked */
	struct node node; /* of a server */
	bool is_new; /* the database file was made by this call */
	char path[1024]; /* of the database file */
	char key_path[1024]; /* of the key file; "" when the key is a setting */
};

/* The settings of a command, from its flags and where it is run. */
int store_settings(int argc, char **argv, struct settings **ret, struct err *err);

enum store_mode {
	STORE_SERVE, /* alone: refuses a folder that a server uses; makes what is not there */
	STORE_FILL, /* the same, but the key must be there */
	STORE_BESIDE, /* beside a server that may be running; what is not there is an error */
};

/* *ret stays where it is until store_close: its key ring knows the path of the key file. */
int store_open(
	const struct settings *conf, enum store_mode mode, struct store *ret, struct err *err);
void store_close(struct store *s);

/* After the ring followed the data keys: brings a rotation of the key file to its end, if one was
 * interrupted. 1: it did. */
int store_settle_key(struct store *s, struct err *err);
