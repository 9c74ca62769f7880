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

/*
 * The floor of a store that grows: as floor_sqlite, and each record has a key of eight bytes in no
 * order, which is looked up in an index and put into it. Adds f->records behind those of the calls
 * before; open's folder gets the database, close removes it.
 */
struct floor_keyed;
struct floor_keyed *floor_keyed_open(const char *folder);
double floor_keyed_add(struct floor_keyed *k, struct floor *f);
void floor_keyed_close(struct floor_keyed *k);

/* COPY in binary format into one table, which is dropped afterwards. Records per second. */
double floor_postgres(const char *url, struct floor *f);
