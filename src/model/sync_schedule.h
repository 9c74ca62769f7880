/*
 * When a sync runs next: pure functions of its schedule and the time, so that a year of decisions
 * can be tested in milliseconds. Any thread.
 *
 * The slots of a sync form a grid of its period. Periods of a minute or more are spread by a hash
 * of the sync's id, so that syncs deployed together do not run together; shorter ones are anchored
 * on the sync's creation. The first run does not wait for a slot; missed slots are dropped.
 */
#pragma once

#include "base/base.h"

/* Where the grid of a sync lies: 0 <= phase < interval. */
int64_t sync_schedule_phase_ms(struct sv sync_id, int64_t created_ms, int64_t interval_ms);

/* The first slot at or after `from`. */
int64_t sync_schedule_slot_ms(int64_t phase_ms, int64_t interval_ms, int64_t from_ms);

struct sync_schedule {
	struct sv sync_id;
	int64_t created_ms, interval_ms;
};

/*
 * The slot after a run that ended at now, at most a period away. due_ms: the slot it ran for, 0
 * when it was triggered by hand.
 */
int64_t sync_schedule_next_ms(const struct sync_schedule *s, int64_t due_ms, int64_t now_ms);

/*
 * How long a failed run waits before attempt + 1 (attempt counts from 1), or -1: there is no room
 * left before the next slot, or `retries` are used up. Doubles from 5 s, spread by the id.
 */
int64_t sync_schedule_retry_ms(const struct sync_schedule *s, int64_t attempt, int64_t retries,
	int64_t next_ms, int64_t now_ms);
