/*
 * Writes everything an installation consists of as lines (transfer/lines.h), from one snapshot,
 * while servers work. What is sealed stays sealed. Memory does not depend on how much there is.
 */
#pragma once

#include "base/err.h"
#include "transfer/progress.h"

struct db;
struct dbc;
struct keyring;

struct export
{
	int fd; /* written to */
	struct keyring *keys; /* must open the data keys */
	struct transfer_watcher watcher;

	int64_t rows, bytes; /* set */
	bool begun; /* internal */
};

/* ERR_CONFLICT: an import into this installation is not complete. */
int export_all(struct db *db, struct export *e, struct err *err) MUST_CHECK;
