#include "js/pressure.h"

#include "base/clock.h"
#include "js/memory.h"
#include "js/run.h"
#include "js/value.h"

enum { COLLECT_EVERY_US = 500000 };

static void collect(struct host *h)
{
	for (struct realm *r = h->realms; r; r = r->next)
		jsc.SynchronousGarbageCollectForDebugging(r->ctx);
	h->entry.resident = memory_resident(h->statm);
	h->collected_us = clock_mono_us();
}

/* Bytes that live objects hold, after a collection. Resident memory also counts what was freed. */
static int64_t live_bytes(struct host *h)
{
	int64_t sum = 0;

	for (struct realm *r = h->realms; r; r = r->next) {
		JSObjectRef stats = jsc.GetMemoryUsageStatistics(r->ctx);
		sum += value_i64(r->ctx, value_get(r->ctx, stats, "heapSize"), 0);
		sum += value_i64(r->ctx, value_get(r->ctx, stats, "extraMemorySize"), 0);
	}
	return sum;
}

static struct run *largest(struct host *h)
{
	struct run *found = NULL;

	for (size_t i = 0; i < RUN_BUCKETS; i++)
		for (struct run *r = h->runs[i]; r; r = r->next)
			if (!found || r->grown > found->grown)
				found = r;
	return found;
}

void pressure_relieve(struct host *h)
{
	int64_t limit = h->limits.memory_bytes;

	if (h->entry.resident <= limit / 4 * 3 ||
		clock_mono_us() - h->collected_us < COLLECT_EVERY_US)
		return;
	collect(h);
	if (h->entry.resident <= limit || live_bytes(h) < limit / 2)
		return;
	struct run *run = largest(h);
	if (run && run->grown > limit / RUN_SHARE)
		run_stop(run, STOP_MEMORY);
}
