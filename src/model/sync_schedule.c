#include "model/sync_schedule.h"

enum { MINUTE_MS = 60000, RETRY_BASE_MS = 5000 };

/* FNV-1a: the same on every node and for ever, since the grid must not move. */
static uint64_t hash(struct sv s)
{
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.ptr[i]) * 1099511628211ull;
	return h ^ (h >> 29);
}

int64_t sync_schedule_phase_ms(struct sv sync_id, int64_t created_ms, int64_t interval_ms)
{
	assert(interval_ms > 0);
	if (interval_ms < MINUTE_MS)
		return created_ms % interval_ms;
	return (int64_t)(hash(sync_id) % (uint64_t)interval_ms);
}

int64_t sync_schedule_slot_ms(int64_t phase_ms, int64_t interval_ms, int64_t from_ms)
{
	int64_t past = (from_ms - phase_ms) % interval_ms;

	if (past < 0)
		past += interval_ms;
	return past ? from_ms + interval_ms - past : from_ms;
}

int64_t sync_schedule_next_ms(const struct sync_schedule *s, int64_t due_ms, int64_t now_ms)
{
	int64_t phase = sync_schedule_phase_ms(s->sync_id, s->created_ms, s->interval_ms);

	return sync_schedule_slot_ms(phase, s->interval_ms, due_ms >= now_ms ? due_ms + 1 : now_ms);
}

int64_t sync_schedule_retry_ms(const struct sync_schedule *s, int64_t attempt, int64_t retries,
	int64_t next_ms, int64_t now_ms)
{
	if (attempt > retries)
		return -1;
	int64_t wait = RETRY_BASE_MS << (attempt < 10 ? attempt - 1 : 9);
	wait += (int64_t)(hash(s->sync_id) % (uint64_t)(wait / 2));
	return now_ms + wait < next_ms ? wait : -1;
}
