/* What export and import tell whoever watches. */
#pragma once

#include "base/base.h"

struct transfer_progress {
	const char *table;
	int64_t rows; /* of all tables so far */
	int64_t skipped; /* of these, done by an earlier attempt */
	int64_t done, total; /* of the same kind (rows or bytes); total 0 = unknown */
};

struct transfer_watcher {
	void (*fn)(void *ctx, const struct transfer_progress *p); /* NULL: nobody watches */
	void *ctx;
};
