/*
 * What is forgotten with time, a bounded piece per write job: payloads of records that have not
 * changed (their ids, times and history stay), records of which no sync has run, and what is left
 * of deleted connections. A setting of 0 keeps for ever.
 */
#pragma once

#include "base/err.h"

struct dbc;

/* What a step must know of those before; zeroed to begin with. */
struct retention_state {
	int64_t sweep_until_us; /* payloads up to here are being pruned; 0 = no sweep under way */
	int64_t next_sweep_ms;
};

struct retention {
	int64_t payload_ms, dataset_ms, connection_ms; /* settings */
	struct retention_state
		state; /* becomes `next` once the step is committed: the caller's job */

	/* Set by a step. */
	struct retention_state next;
	int64_t pruned, removed, connections;
	bool more; /* there is more to do right away */
};

/* In a write job. */
int retention_step(struct dbc *c, struct retention *r, struct err *err) MUST_CHECK;
