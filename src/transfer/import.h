/*
 * Fills an empty installation with the lines of an export (transfer/lines.h). Each batch of rows is
 * committed together with how far it came, so an import that was interrupted continues where it
 * stopped when the same file is given again. Until the file is complete and everything fits
 * together, the installation says that it is not whole (import_check_none), and no server starts.
 */
#pragma once

#include "base/err.h"
#include "transfer/progress.h"

struct db;
struct dbc;
struct keyring;

struct import {
	int fd; /* read from */
	int64_t file_bytes; /* for the progress; 0 = unknown */
	struct keyring *keys; /* the master key of the exporting installation */
	struct transfer_watcher watcher;

	int64_t rows, resumed_rows; /* set: of the file; of these, there already */
};

/*
 * ERR_CONFLICT: the target is not empty, or another import into it is not complete. ERR_INVALID:
 * the file is no export, of another schema, damaged or cut off, or the master key is another one.
 */
int import_all(struct db *db, struct import *i, struct err *err) MUST_CHECK;

/* A regular file that does not end as an export does is refused before anything is written. */
int import_check_end(int fd, struct err *err) MUST_CHECK;

/* ERR_CONFLICT: an import is not complete. In any job. */
int import_check_none(struct dbc *c, struct err *err) MUST_CHECK;
