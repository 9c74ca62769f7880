/*
 * Whether the tables of the record store agree: every row has one id, one place in the feed and a
 * payload that opens and has the hash noted of it; the counts of datasets are those of their rows;
 * nothing is left of datasets that are gone. Reads everything there is: for tests, and for an
 * operator who doubts the disk. Inside a read job.
 */
#pragma once

#include "base/err.h"
#include "db/db.h"

struct keyring;

struct records_check {
	struct keyring *keys; /* of all environments; NULL: payloads stay closed */
	/* Of datasets whose connection is gone; 0: theirs stay closed. */
	int64_t environment;

	int64_t datasets, rows; /* looked at */
};

/* ERR_INTERNAL names the first dataset and record that are wrong, and how. */
int records_check(struct dbc *c, struct records_check *check, struct err *err) MUST_CHECK;
