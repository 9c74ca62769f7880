/*
 * What a record of a batch comes to, given what is stored: the rules of change detection. Internal
 * to records/.
 */
#pragma once

#include "records/batch.h"

/* Sets action and status of an item that has been looked up (and merged, for an update). */
void decide(const struct records_input *in, struct record_item *item);

/*
 * Loads what is stored of the batch's live records and merges: sets merged, hash and untidy of
 * their items. Does nothing again for rows that are as they were.
 */
int merge_stored(struct dbc *c, struct records_batch *b, const struct dataset *d,
	struct err *err) MUST_CHECK;

/* The member `deletedAt` of a record to be deleted, as microseconds; 0 when absent or falsy. */
int deleted_at(struct sv payload, size_t index, int64_t *ret_us, struct err *err) MUST_CHECK;
