#include "cli/upkeep.h"

#include "base/clock.h"
#include "base/log.h"
#include "conf/settings.h"
#include "db/db.h"
#include "io/flow.h"
#include "model/connect.h"
#include "model/oplog.h"
#include "model/outbox.h"
#include "model/sealed.h"
#include "model/validation.h"
#include "sync/retention.h"
#include "sync/runs.h"
#include "webhook/inbox.h"
#include "webhook/outbox.h"

enum { BATCH = 500 };
/* Repeats of an event are recognised, and ended deliveries can be sent again, for so long. */
#define KEEP_EVENTS_MS (3LL * 24 * 3600 * 1000)
#define KEEP_DELIVERIES_MS (15LL * 24 * 3600 * 1000)

struct upkeep {
	struct engine *eng;
	struct timer timer;
	struct op op;
	bool stopped;
	struct inbox_result routed;
	struct validation_swept swept;
	bool full; /* a whole batch was deleted: there is more */
	struct retention retention;
	struct err key_err; /* the master key was rotated, and we have the old one */
};

/* New data keys come into use, and a rotation of the master key that passed us by is noticed. */
static int look_at_keys(struct dbc *c, struct upkeep *u, struct err *err)
{
	u->key_err = (struct err){ 0 };
	int rc = sealed_check_master(c, u->eng->keys, &u->key_err);
	if (rc == 0 || rc == ERR_INVALID)
		return 0;
	*err = u->key_err;
	return rc;
}

static int upkeep_job(struct dbc *c, void *arg, struct err *err)
{
	struct upkeep *u = arg;
	int64_t now = clock_now_ms(), n;

	u->routed = (struct inbox_result){ 0 };
	TRY(inbox_route_pending(c, u->eng->inbox, BATCH, &u->routed, err));
	u->full = false;
	TRY(inbox_prune(c, now - KEEP_EVENTS_MS, BATCH, &n, err));
	u->full |= n == BATCH;
	TRY(outbox_prune(c, now - KEEP_DELIVERIES_MS, BATCH, &n, err));
	u->full |= n == BATCH;
	TRY(connect_prune(c, err));
	TRY(validation_sweep(c, u->eng->providers, &u->swept, err));
	TRY(look_at_keys(c, u, err));
	TRY(oplog_prune(c, now - u->eng->conf->log_retention_ms, BATCH, &n, err));
	u->full |= n == BATCH;
	return 0;
}

static int forget_job(struct dbc *c, void *arg, struct err *err)
{
	struct upkeep *u = arg;

	return retention_step(c, &u->retention, err);
}

static void tick(struct timer *t);

static void rest(struct upkeep *u)
{
	/* In between, others may write. */
	bool more = u->full || u->retention.more;

	if (!u->stopped)
		timer_start(
			u->eng->loop, &u->timer, more ? 100 : u->eng->conf->upkeep_period_ms, tick);
}

static void forgotten(void *ctx, const struct err *err)
{
	struct upkeep *u = ctx;
	struct retention *r = &u->retention;

	if (err->code != ERR_OK) {
		r->more = false;
		log_error(NULL, "cannot forget old records", LOG_ERR(err));
	} else {
		r->state = r->next;
		if (r->pruned || r->removed || r->connections)
			log_info(NULL, "forgot old data", LOG_I64("payloads", r->pruned),
				LOG_I64("records", r->removed),
				LOG_I64("connections", r->connections));
	}
	rest(u);
}

static void kept_up(void *ctx, const struct err *err)
{
	struct upkeep *u = ctx;

	if (err->code != ERR_OK) {
		u->full = false;
		log_error(NULL, "upkeep failed", LOG_ERR(err));
	} else if (u->key_err.code != ERR_OK) {
		log_error(NULL, "the encryption key was rotated, restart with the new one",
			LOG_ERR(&u->key_err));
	}
	if (u->stopped)
		return;
	if (u->routed.runs || u->swept.refused)
		sync_after_control(u->eng);
	if (u->routed.forwards || u->swept.owed)
		outbox_wake(u->eng->outbox);
	u->op = (struct op){ .done = forgotten, .ctx = u };
	db_submit(u->eng->db, DB_WRITE, &u->op, forget_job, u);
}

static void tick(struct timer *t)
{
	struct upkeep *u = container_of(t, struct upkeep, timer);

	u->op = (struct op){ .done = kept_up, .ctx = u };
	db_submit(u->eng->db, DB_WRITE, &u->op, upkeep_job, u);
}

struct upkeep *upkeep_new(struct engine *eng)
{
	struct upkeep *u = NEW(struct upkeep);

	u->eng = eng;
	u->retention = (struct retention){ .payload_ms = eng->conf->payload_retention_ms,
		.dataset_ms = eng->conf->dataset_retention_ms,
		.connection_ms = eng->conf->connection_retention_ms };
	timer_start(eng->loop, &u->timer, 1000, tick);
	return u;
}

void upkeep_stop(struct upkeep *u)
{
	if (!u)
		return;
	u->stopped = true;
	timer_stop(u->eng->loop, &u->timer);
}

void upkeep_free(struct upkeep *u)
{
	upkeep_stop(u);
	mem_free(u);
}
