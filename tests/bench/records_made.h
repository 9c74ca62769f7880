/* Records such as an API returns them, for the benches of the record store. */
#pragma once

#include "base/buf.h"

enum { RECORD_BYTES = 1024, RECORDS_PER_BATCH = 1000 };

/* The same for the same i and version; ids in no order, as most are. */
void make_record(struct buf *out, int i, int version);

/* A batch: a JSON array of records first, first + 1... */
void make_batch(struct buf *out, int first, int count, int version);
