/*
 * The ids that are asked for, to be met in a stream of rows of which most are none of them.
 * Internal to records/.
 */
#pragma once

#include "base/mem.h"
#include "records/ids.h"

struct id_ref {
	int64_t hash;
	size_t index;
};

struct id_set {
	struct id_ref *list; /* sorted by hash; in the arena given */
	size_t count;
	uint64_t bits[1024]; /* set for the hashes that are in the list */
};

/* Of the ids whose indexes are wanted. */
void id_set_init(struct id_set *s, struct arena *a, const struct record_id *ids,
	const size_t *wanted, size_t count);

/* Where those with this hash begin in the list, which may be at its end. */
size_t id_set_find(const struct id_set *s, int64_t hash);

/* Whether there is one at `at`, for a loop from id_set_find() on. */
static inline bool id_set_has(const struct id_set *s, size_t at, int64_t hash)
{
	return at < s->count && s->list[at].hash == hash;
}
