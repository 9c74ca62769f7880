/*
 * Parameters in the form that signatures are made of (OAuth 1.0a, AWS Signature Version 4, what
 * providers invent): decoded, encoded by RFC 3986, sorted by name and then by value. Pure, any
 * thread; everything is in the arena.
 */
#pragma once

#include "base/mem.h"

enum { PARAMS_MAX = 2000 };

struct param {
	struct sv name, value; /* encoded */
};
struct params {
	struct arena *arena;
	struct param *items;
	size_t count;
	bool full; /* there were more than PARAMS_MAX */
};

void params_init(struct params *p, struct arena *a);
/* Plain text; the value may be absent. */
void params_add(struct params *p, struct sv name, struct sv value);
/* Those of a query or a form (a=1&b=2). */
void params_add_pairs(struct params *p, struct sv pairs);
/* Sorts them; "a=1&b=2". Absent when there were too many, or too long ones. */
struct sv params_canonical(struct params *p);

/* All that for one query or form. */
struct sv params_canonical_pairs(struct sv pairs, struct arena *a);
