/*
 * What the records benchmark is compared with: the same number of bytes for each record, in the
 * same transactions, by the fastest way each store has, and nothing else: no keys, no look-ups, no
 * encryption.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct floor {
	int records, batch;
	size_t bytes; /* of one record */
	int64_t cpu_us; /* out: of this process */
};

/* INSERT of a prepared statement into one table, with the store's own settings. Records per second.
 */
double floor_sqlite(const char *folder, struct floor *f);

/* COPY in binary format into one table, which is dropped afterwards. Records per second. */
double floor_postgres(const char *url, struct floor *f);
