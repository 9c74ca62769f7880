/*
 * One run of a function: made by START, fed by REPLY and timers, over with exactly one DONE. All
 * JavaScript state of a run hangs off one protected object; letting go of it makes everything the
 * run allocated garbage.
 */
#pragma once

#include "js/realm.h"

struct run {
	struct run *next; /* in its bucket */
	uint32_t id;
	struct realm *realm;
	struct code *code;
	JSObjectRef object; /* the prelude's Run, protected; NULL before it exists */
	size_t calls; /* sent and not answered */
	size_t timers; /* set and not fired */
	int64_t limit_ms; /* its deadline as the server gave it, 0 = none */
	int64_t due_us; /* the same as a time */
	int64_t cpu_us;
	int64_t grown; /* resident memory that came into being during its entries */
	bool over; /* the prelude has reported its end */
	struct buf done_head, done_body;
};

struct run_spec {
	uint32_t id;
	struct code *code;
	struct realm *realm;
	int64_t limit_ms;
	struct sv head, input; /* of START or INSPECT, borrowed */
	bool inspect;
};

struct run *run_find(struct host *h, uint32_t id);

/* Starts; the run may be over and gone when this returns. */
void run_start(struct host *h, const struct run_spec *spec);
void run_reply(struct run *run, uint32_t call, struct sv head);
void run_fire(struct run *run, uint32_t timer);

/* Ends it from outside and reports why. */
void run_stop(struct run *run, enum stop why);

/* DONE for a run that could not even be made. */
void run_refuse(struct host *h, uint32_t id, const char *message);
