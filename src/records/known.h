/*
 * Which ids a dataset certainly does not have: a Bloom filter in memory for each of the datasets
 * that are written to most, shared by all who prepare batches (db_memo). Most ids that are looked
 * up while a dataset grows are new. In record_ids each of them has a page of its own, which SQLite
 * reads afresh after every commit, and PostgreSQL descends to, the slower the larger the dataset;
 * and to find none among the recent ones all of those are read.
 *
 * What is learned is committed, and a row number has one id for as long as the dataset's numbering
 * holds: it can go, never become another. So what is known stays true, and a row that went costs a
 * look-up at worst. A PostgreSQL server that lost commits, or took the place of another, shows by
 * its era. Internal to records/.
 */
#pragma once

#include "records/ids.h"

/* Ids, by their indexes: those that the dataset may have, and first of them, that may be recent. */
struct known_ids {
	size_t *index, count, recent;
};

/*
 * Keeps of the ids those that the dataset may have. Where it does not know yet, that is all of
 * them, and it reads a few rows to know more.
 */
int known_filter(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	struct known_ids *keep, struct err *err) MUST_CHECK;

#ifdef TIDEMARK_TEST_HOOKS
extern _Atomic int64_t known_skipped; /* look-ups saved so far */
extern size_t known_most_bytes; /* for all filters; 0 = as many as should be */
#endif
