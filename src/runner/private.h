/*
 * What the files of this module share: the pool, its processes, its bundles. Nothing outside
 * src/runner includes it but tests/fuzz.
 *
 *	pool.c	public face, queue and placement	code.c	bundles and their source maps
 *	child.c	life of one process			report.c	what its messages mean
 *	channel.c	frames over its socket		watch.c	hangs, memory, idleness
 */
#pragma once

#include "data/json.h"
#include "protocol/page.h"
#include "runner/channel.h"
#include "runner/pool.h"

#include <uv.h>

#define MESSAGE(name, type, sender, comment) MESSAGE_##name = type,
enum {
#include "protocol/messages.def"
};
#undef MESSAGE

enum { CALLS_OPEN_MAX = 10000, START_FAILURES_MAX = 5 };

/* A bundle, shared by the orders and processes that use it. */
struct runner_code {
	struct runner_code *next;
	unsigned refs;
	char *fn, *file, *bundle;
	struct sv js; /* the bundle without its map */
};
struct runner_code *code_get(struct runner_pool *p, const struct runner_spec *spec);
struct runner_code *code_cached(const struct runner_pool *p, const char *fn);
void code_unref(struct runner_pool *p, struct runner_code *c);
void code_free_all(struct runner_pool *p);
/* error.stack in TypeScript positions; a stacktrace in the payload of internal errors. */
void code_map_error(const struct runner_code *c, struct json_t *error);

/* The pool's copy of a spec, from runner_start to the end of the run. */
struct runner_order {
	struct runner_pool *pool;
	struct runner_code *code;
	int64_t environment;
	struct json_t *start;
	char *input;
	size_t input_len;
	bool inspect, alone;
	char abort_code[40]; /* set while queued: it will not start any more */
};

enum runner_state {
	RUNNER_STARTING, /* until READY */
	RUNNER_READY,
	RUNNER_RETIRING, /* no new runs; ends when the last is over */
	RUNNER_DYING, /* told to end, or killed; its exit is awaited */
};

struct runner {
	struct runner_pool *pool;
	struct runner *next, **prev;
	enum runner_state state;
	uv_process_t process;
	bool exited;
	struct channel channel;
	struct runner_page *page;

	int err_fd; /* its stderr */
	struct watch *err_watch;
	struct buf err_line;
	int64_t err_second, err_lines;

	int64_t environment; /* 0 = none yet */
	bool alone;
	struct runner_run *runs;
	unsigned run_count;
	int64_t runs_total;
	struct runner_code **codes; /* that it was sent */
	size_t code_count;

	int64_t since_us; /* spawned; then when it became idle */
	int64_t ping_us; /* PING without PONG; 0 = none */
	int64_t ping_cpu_us; /* CPU time of the process then */
	int64_t dying_us;
	/* Why it is being killed, when that is our doing. */
	const char *death_type;
	char death[160];
};

struct runner_pool {
	struct loop *loop;
	struct runner_pool_config cfg;
	char *exe;
	struct runner *runners;
	unsigned count;
	struct runner_run *queue, **queue_last;
	struct runner_code *codes;
	size_t code_bytes;
	uint32_t last_id;
	struct timer tick; /* looks after the processes, while there is anything to look after */
	struct timer soon; /* places queued runs */
	struct timer retry; /* after a process did not start */
	unsigned start_failures;
	struct runner_pool_stats stats;
};

/* pool.c */
void pool_place_soon(struct runner_pool *p);
void pool_tick_start(struct runner_pool *p);
/* Takes the run out of everything; its order is kept for the caller to free. */
void run_unlink(struct runner_run *r);
void run_done(struct runner_run *r, const struct runner_result *res);
void run_lost(struct runner_run *r, const char *why);
void run_failed(struct runner_run *r, const char *type, const char *message);
void order_free(struct runner_pool *p, struct runner_order *o);

/* child.c */
int child_spawn(struct runner_pool *p, struct runner **ret, struct err *err);
void child_set_state(struct runner *c, enum runner_state state);
void child_start_run(struct runner *c, struct runner_run *r);
void child_send(struct runner *c, uint16_t type, const struct runner_run *r, uint32_t call,
	const struct json_t *head, struct sv body);
/* Kills it because of `type` and a reason; its culprit is told so. */
void child_kill(struct runner *c, const char *type, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* No new runs; EXIT when it has none. */
void child_retire(struct runner *c);
struct runner_run *child_run(struct runner *c, uint32_t id);
void child_destroy(struct runner *c);
int64_t child_rss(const struct runner *c);

/* report.c: a frame from a child */
int report_frame(void *child, const struct frame *f, struct err *err);
void report_dropped_lines(struct runner_run *r);

/* watch.c */
void watch_over(struct timer *tick);
