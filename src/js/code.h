/*
 * The functions this runner has been sent, by content key. A key never changes its meaning, so what
 * is here stays here until the process is recycled.
 */
#pragma once

#include "base/base.h"

struct code {
	struct code *next;
	char *key;
	char *file; /* "crm/syncs/contacts", for stack traces */
	char *source; /* the bundle, a CommonJS module */
	size_t source_len;
	size_t index; /* counts from 0: where a realm keeps its wrapper */
};

enum { CODE_BUCKETS = 512 };

struct code_table {
	struct code *buckets[CODE_BUCKETS];
	size_t count;
};

void code_table_done(struct code_table *t);
struct code *code_find(const struct code_table *t, struct sv key);
/* Copies. A key that is known already keeps its first meaning. */
struct code *code_add(struct code_table *t, struct sv key, struct sv file, struct sv source);
