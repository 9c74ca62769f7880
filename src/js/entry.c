#include "js/entry.h"

#include "base/clock.h"
#include "js/memory.h"
#include "js/value.h"

#include <time.h>

enum {
	MEASURE_US = 2000, /* an entry that took less cannot have allocated much */
	STACK_FRAMES = 100,
	ABSORB_MAX = 1000
};

/* Not in base/clock: only here does it matter that other threads (JIT, GC) do not count. */
static int64_t thread_cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void entry_measure(struct run *run)
{
	struct host *h = run->realm->host;
	int64_t now = memory_resident(h->statm);

	if (now > h->entry.resident)
		run->grown += now - h->entry.resident;
	h->entry.resident = now;
}

static bool grown_most(const struct host *h, const struct run *run)
{
	for (size_t i = 0; i < RUN_BUCKETS; i++)
		for (const struct run *r = h->runs[i]; r; r = r->next)
			if (r->grown > run->grown)
				return false;
	return true;
}

/*
 * Memory belongs to a process, not to a run; what is known is during whose entries it grew. Ended
 * is the run that made it grow most, or the one that does so right now. An innocent run may execute
 * while there is too much: it goes on, and if nothing helps, the server ends the process.
 */
static bool too_big(struct host *h, struct run *run)
{
	int64_t limit = h->limits.memory_bytes, share = limit / RUN_SHARE;

	entry_measure(run);
	if (h->entry.resident <= limit)
		return false;
	return h->entry.resident - h->entry.resident_start > share ||
	       (run->grown > share && grown_most(h, run));
}

/* Messages that cannot wait until the function pauses. */
static bool on_early_message(void *ctx, const struct frame *f)
{
	struct host *h = ctx;

	if (f->type == MESSAGE_PING) {
		conn_send(&h->conn, MESSAGE_PONG, 0, SV_LIT(""));
		return true;
	}
	if (f->type == MESSAGE_ABORT && f->run == h->entry.run->id)
		h->entry.stop = STOP_ABORTED;
	if (f->type == MESSAGE_EXIT)
		h->conn.closed = true;
	return false;
}

static enum stop why_stop(struct host *h, struct run *run)
{
	conn_fill(&h->conn);
	conn_scan(&h->conn, on_early_message, h);
	conn_flush(&h->conn);
	if (h->entry.stop || h->conn.closed)
		return STOP_ABORTED;
	if (run->due_us && clock_mono_us() > run->due_us)
		return STOP_DEADLINE;
	if (thread_cpu_us() - h->entry.cpu_start_us > h->limits.entry_us)
		return STOP_ENDLESS;
	return too_big(h, run) ? STOP_MEMORY : STOP_NONE;
}

static void arm(struct realm *r);

/* The engine asks whether the script should end. Also while it absorbs: then yes, always. */
static bool on_tick(JSContextRef ctx UNUSED, void *context)
{
	struct realm *r = context;
	struct host *h = r->host;
	struct run *run = h->entry.run;

	/* Without a new limit the engine would never ask again. */
	arm(r);
	if (!run)
		return false;
	h->entry.ticked = true;
	if (!h->entry.stop)
		h->entry.stop = why_stop(h, run);
	return h->entry.stop != STOP_NONE;
}

static void arm(struct realm *r)
{
	double seconds = (double)r->host->limits.tick_us / 1e6;

	jsc.ContextGroupSetExecutionTimeLimit(r->group, seconds, on_tick, r);
}

void entry_begin(struct run *run)
{
	struct realm *r = run->realm;
	struct host *h = r->host;

	atomic_store(&h->page->run, run->id);
	atomic_fetch_add(&h->page->entries, 1);
	h->entry.run = run;
	h->entry.stop = STOP_NONE;
	h->entry.ticked = false;
	h->entry.cpu_start_us = thread_cpu_us();
	h->entry.resident_start = h->entry.resident;
	/* The property is frozen, yet the engine's own copy of it can be changed by any run. */
	value_set(r->ctx, r->error, "stackTraceLimit", jsc.ValueMakeNumber(r->ctx, STACK_FRAMES));
	arm(r);
}

/*
 * A termination inside a microtask stays pending in the engine and would end the next entry, which
 * may be another run's; and the microtasks that the run left behind would execute there. So enter
 * with nothing to do until that works undisturbed. The clock is running meanwhile and the run is
 * condemned: each of its microtasks is ended at the next tick.
 */
static bool absorb(struct realm *r)
{
	struct host *h = r->host;

	for (int i = 0; i < ABSORB_MAX; i++) {
		JSValueRef exception = NULL;
		arm(r);
		h->entry.ticked = false;
		JSValueRef done = jsc.ObjectCallAsFunction(
			r->ctx, r->entries[ENTRY_nothing], NULL, 0, NULL, &exception);
		if (done && !h->entry.ticked)
			return true;
	}
	return false;
}

enum stop entry_end(struct run *run)
{
	struct host *h = run->realm->host;
	enum stop stop = h->entry.stop;

	run->realm->retired |= stop != STOP_NONE;
	/* The process is of no use any more. The page still names who did that. */
	if (stop && !absorb(run->realm)) {
		h->conn.closed = true;
		return stop;
	}
	int64_t cpu = thread_cpu_us() - h->entry.cpu_start_us;
	run->cpu_us += cpu;
	if (h->entry.ticked || cpu > MEASURE_US)
		entry_measure(run);
	h->entry.run = NULL;
	h->entry.stop = STOP_NONE;
	atomic_store(&h->page->run, 0);
	return stop;
}

JSValueRef entry_call(struct run *run, enum entry_fn fn, size_t argc, const JSValueRef argv[])
{
	struct realm *r = run->realm;
	JSValueRef exception = NULL;

	return jsc.ObjectCallAsFunction(r->ctx, r->entries[fn], NULL, argc, argv, &exception);
}
