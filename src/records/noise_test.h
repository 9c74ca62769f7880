/*
 * Random JSON values, and random spellings of the same value: key order, white space, escapes,
 * forms of numbers, repeated keys. What the store must take for equal and what for different is
 * known by construction. Test code.
 */
#pragma once

#include "base/buf.h"
#include "data/json.h"

/* Repeatable everywhere, unlike rand(). */
struct noise {
	uint64_t state;
};

/* 0 to n - 1. */
unsigned noise_pick(struct noise *n, unsigned below);
/* Once in `in` calls. */
bool noise_hit(struct noise *n, unsigned in);

/* Any value, from few enough that equal ones come up. */
struct json_t *noise_value(struct noise *n, unsigned depth);
/* A few members with values; no `id`. */
struct json_t *noise_object(struct noise *n, unsigned depth);

/* One of the spellings of a value; `plain` gives the compact one. */
void noise_spell(struct noise *n, const struct json_t *v, bool plain, struct buf *out);
/* The same for a record, whose id is spelled as given. */
void noise_spell_record(struct noise *n, const struct json_t *record, const char *id,
	const char *extra, bool plain, struct buf *out);
