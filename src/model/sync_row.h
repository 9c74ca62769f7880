/* What the files of syncs share: rows, and the ways a run of a sync is queued or cancelled. */
#pragma once

#include "db/db.h"
#include "model/row.h"
#include "model/sync.h"
#include "model/sync_schedule.h"

void sync_read_row(struct rows *r, struct arena *a, void *ret);

static inline struct sync_schedule sync_schedule_of(const struct sync *s)
{
	return (struct sync_schedule){ sv_str(s->id), s->created_ms, s->interval_ms };
}

/* Queues a run by hand; the sync must have none. */
int sync_queue_run(struct dbc *c, const struct sync *s, bool empty_cache, struct err *err);

/* What the sync's active, enabled function says. ERR_NOT_FOUND without one. */
struct sync_plan {
	struct sv runs; /* as written */
	int64_t interval_ms;
	bool auto_start;
};
int sync_plan_of(struct dbc *c, int64_t integration_id, struct sv name, struct arena *a,
	struct sync_plan *ret, struct err *err);
