#include "records/id_set.h"

#include <stdlib.h>

static int by_hash(const void *a, const void *b)
{
	const struct id_ref *x = a, *y = b;

	return (x->hash > y->hash) - (x->hash < y->hash);
}

static uint64_t bit_of(int64_t hash)
{
	return (uint64_t)1 << (hash & 63);
}

static size_t word_of(int64_t hash)
{
	return hash >> 6 & 1023;
}

void id_set_init(struct id_set *s, struct arena *a, const struct record_id *ids,
	const size_t *wanted, size_t count)
{
	*s = (struct id_set){ .list = arena_array(a, count, sizeof(*s->list)), .count = count };
	for (size_t i = 0; i < count; i++) {
		int64_t hash = ids[wanted[i]].hash;
		s->bits[word_of(hash)] |= bit_of(hash);
		s->list[i] = (struct id_ref){ .hash = hash, .index = wanted[i] };
	}
	if (count)
		qsort(s->list, count, sizeof(*s->list), by_hash);
}

size_t id_set_find(const struct id_set *s, int64_t hash)
{
	size_t low = 0, high = s->count;

	if (!(s->bits[word_of(hash)] & bit_of(hash)))
		return s->count;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (s->list[mid].hash < hash)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
