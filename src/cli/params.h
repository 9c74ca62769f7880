/*
 * Query parameters as pairs of name and text, in order, repeats kept: how the requests of a
 * recording and those of a function are compared. Pure, any thread; all memory is the arena's.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "base/mem.h"

struct json_t;

struct param {
	struct sv name, value;
};

struct params {
	struct arena *arena;
	struct param *items;
	size_t count;
};

/* Appends what a query string ("a=1&b[]=2", without '?') holds, decoded. */
void params_parse(struct params *p, struct sv query);

/* As URLSearchParams.set: replaces every pair of that name. */
void params_set(struct params *p, struct sv name, struct sv value);

/* What String(v) gives, for texts, numbers, booleans, null and lists of them. */
struct sv params_text(struct arena *a, const struct json_t *v);

/* By name, then value: the order in which recordings are hashed. */
void params_sort(struct params *p);
bool params_same(const struct params *a, const struct params *b); /* both sorted */

/* As JSON: [["a","1"],["b","2"]]. */
void params_dump(const struct params *p, struct buf *out);
