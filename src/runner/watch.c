/* A look at every process each second: does it answer, is it too large, is it needed? */
#include "base/clock.h"
#include "base/mem.h"
#include "runner/private.h"

enum {
	ABORT_GRACE_MS = 2000, /* for a run to end after ABORT */
	ABORT_LIMIT_MS = 10000, /* the same while its process executes something else */
	EXIT_GRACE_MS = 2000,
	IDLE_RSS_MAX = 200 << 20,
	WALL_FACTOR = 6, /* times the hang limit without an answer, however little CPU it had */
};

static bool older(int64_t since_us, int64_t ms, int64_t now_us)
{
	return since_us && now_us - since_us > ms * 1000;
}

/*
 * On a busy machine a process can be silent for long without a fault of its own: what counts is
 * the CPU time it has had meanwhile, and only in the end the clock on the wall.
 */
static bool is_hung(const struct runner *c, int64_t limit_ms, int64_t now_us)
{
	if (!older(c->ping_us, limit_ms, now_us))
		return false;
	int64_t used_us = clock_cpu_of_us(c->process.pid) - c->ping_cpu_us;
	return used_us > limit_ms * 1000 || older(c->ping_us, WALL_FACTOR * limit_ms, now_us);
}

static void check_answer(struct runner *c, int64_t now_us)
{
	int64_t limit = c->pool->cfg.hang_ms;

	if (c->ping_us == 0) {
		c->ping_us = now_us;
		c->ping_cpu_us = clock_cpu_of_us(c->process.pid);
		child_send(c, MESSAGE_PING, NULL, 0, NULL, SV_NULL);
	} else if (is_hung(c, limit, now_us)) {
		child_kill(c, "function_runtime_timed_out",
			"the function kept its process busy for more than %lld ms without "
			"waiting for anything",
			(long long)limit);
	}
}

static void check_memory(struct runner *c)
{
	int64_t cap = c->pool->cfg.memory_bytes, rss = child_rss(c);

	if (rss > cap + cap / 2)
		child_kill(c, "function_runtime_out_of_memory",
			"the runner used %lld MB of memory, %lld MB are allowed",
			(long long)rss >> 20, (long long)cap >> 20);
}

static void check_aborted(struct runner *c, int64_t now_us)
{
	uint32_t executing = atomic_load(&c->page->run);

	for (struct runner_run *r = c->runs; r; r = r->next) {
		int64_t grace = r->id == executing ? ABORT_GRACE_MS : ABORT_LIMIT_MS;
		if (older(r->aborted_us, grace, now_us)) {
			child_kill(c, "script_aborted", "the run did not end when it was aborted");
			return;
		}
	}
}

static void check_idle(struct runner *c, int64_t now_us)
{
	int64_t idle_ms = c->pool->cfg.idle_ms;

	/* One that was never used is kept: it is what the next run starts in. */
	if (c->environment == 0)
		return;
	if ((idle_ms >= 0 && older(c->since_us, idle_ms, now_us)) || child_rss(c) > IDLE_RSS_MAX)
		child_retire(c);
}

static void check_busy(struct runner *c, int64_t now_us)
{
	check_aborted(c, now_us);
	check_answer(c, now_us);
	check_memory(c);
}

static void check(struct runner *c, int64_t now_us)
{
	switch (c->state) {
	case RUNNER_STARTING:
		if (older(c->since_us, c->pool->cfg.ready_ms, now_us))
			child_kill(c, "start", "the runner was not ready within %lld ms",
				(long long)c->pool->cfg.ready_ms);
		break;
	case RUNNER_READY:
	case RUNNER_RETIRING:
		if (c->run_count)
			check_busy(c, now_us);
		else
			check_idle(c, now_us);
		break;
	case RUNNER_DYING:
		if (older(c->dying_us, EXIT_GRACE_MS, now_us))
			uv_process_kill(&c->process, SIGKILL);
		break;
	}
}

void watch_over(struct timer *tick)
{
	struct runner_pool *p = container_of(tick, struct runner_pool, tick);
	int64_t now_us = clock_mono_us();
	bool needed = false;

	for (struct runner *c = p->runners; c; c = c->next) {
		check(c, now_us);
		needed |= c->state != RUNNER_READY || c->environment;
	}
	if (needed)
		pool_tick_start(p);
}
