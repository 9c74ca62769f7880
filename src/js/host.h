/*
 * The state of a runner process, all of it: one struct host, made by runner_main and passed down.
 * A single thread runs everything here; JavaScriptCore's own helper threads never see it.
 *
 * Layers, lowest first: conn (frames), code and timers (tables), realm (a JavaScript world), entry
 * (the only way into it), run (one execution of a function), native (what JavaScript can ask of C),
 * message (what the server can ask of us), main (set-up and loop).
 */
#pragma once

#include "js/code.h"
#include "js/conn.h"
#include "js/jsc.h"
#include "js/timers.h"
#include "protocol/page.h"

struct realm;
struct run;

/* Why the executing run is being ended from outside of its own code. */
enum stop { STOP_NONE, STOP_ABORTED, STOP_DEADLINE, STOP_ENDLESS, STOP_MEMORY };

struct limits {
	int64_t memory_bytes; /* resident memory of this process */
	int64_t tick_us; /* CPU time between two looks at the limits */
	int64_t entry_us; /* CPU time that a function may use without waiting for anything */
};

/* The call into JavaScript that is in progress. */
struct entry {
	struct run *run; /* whose code executes; NULL = none of a function's */
	enum stop stop;
	int64_t cpu_start_us;
	int64_t resident; /* when last measured: growth since is the doing of `run` */
	int64_t resident_start;
	bool ticked;
};

/* The body of the message being delivered, for bodyText and bodyBytes: place in conn.in. */
struct body {
	size_t offset, len;
};

enum {
	RUN_BUCKETS = 256,
	RANDOM_BYTES = 1024,
	RUN_SHARE = 8 /* a run that took less than limit / 8 is not to blame */
};

struct host {
	struct conn conn;
	struct runner_page *page;
	struct limits limits;
	int statm; /* see memory.h */

	JSGlobalContextRef control; /* reads message heads; no function ever runs in it */
	struct realm *realms;
	struct run *runs[RUN_BUCKETS];
	size_t run_count;
	struct code_table codes;
	struct timers timers;

	struct entry entry;
	struct body body;
	int64_t collected_us; /* last forced garbage collection */
	uint64_t dropped_logs; /* since the last one that was sent */
	unsigned char random[RANDOM_BYTES];
	size_t random_left;
};
