#include "cli/usage.h"

#include "base/clock.h"
#include "cli/local.h"

#include <stdio.h>
#include <sys/resource.h>

static void keep_peak(int64_t value, int64_t *peak, char *name, size_t size, const char *of)
{
	if (value < *peak)
		return;
	*peak = value;
	snprintf(name, size, "%s", of);
}

static int64_t children_peak(void)
{
	struct rusage children;

	getrusage(RUSAGE_CHILDREN, &children);
	return children.ru_maxrss * INT64_C(1024);
}

void usage_begin(struct usage *u)
{
	*u = (struct usage){ .before = children_peak() };
}

void usage_add(struct usage *u, const struct local_run *l, const char *name)
{
	if (u->runs++ == 0 || l->started_us < u->started_us)
		u->started_us = l->started_us;
	u->memory_sum += l->heap_bytes;
	u->cpu_sum_us += l->cpu_us;
	u->requests += l->requests;
	keep_peak(l->heap_bytes, &u->memory_peak, u->most_memory, sizeof(u->most_memory), name);
	keep_peak(l->cpu_us, &u->cpu_peak_us, u->most_cpu, sizeof(u->most_cpu), name);
}

void usage_print(const struct usage *u)
{
	int64_t peak = u->memory_peak, wall = clock_mono_us() - u->started_us;
	int64_t runners = children_peak();

	if (u->runs == 0)
		return;
	/* Not above what it was before: then it is still that of another program. */
	if (runners > u->before && runners > peak)
		peak = runners;
	fprintf(stderr, "time: %.1f ms, %u runs, %u requests\n", (double)wall / 1e3, u->runs,
		u->requests);
	fprintf(stderr, "memory: average %.1f MB, peak %.1f MB (%s)\n",
		(double)u->memory_sum / u->runs / 1e6, (double)peak / 1e6, u->most_memory);
	fprintf(stderr, "CPU: average %.1f ms, peak %.1f ms (%s), %.1f %% of the time\n",
		(double)u->cpu_sum_us / u->runs / 1e3, (double)u->cpu_peak_us / 1e3, u->most_cpu,
		wall ? 100.0 * (double)u->cpu_sum_us / (double)wall : 0.0);
}
