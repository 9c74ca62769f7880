#include "proxy/cache.h"

#include "base/clock.h"
#include "base/fnv.h"
#include "db/db.h"

enum { SLOTS = 512, LIFE_US = 1000000 };

/* One entry per slot, the newest: who shares a slot takes turns. */
struct proxy_cache {
	struct proxy_cached *slots[SLOTS];
};

struct proxy_cache *proxy_cache_new(void)
{
	return NEW(struct proxy_cache);
}

void proxy_cache_free(struct proxy_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		proxy_cached_unref(c->slots[i]);
	mem_free(c);
}

static struct proxy_cached **slot_of(
	struct proxy_cache *c, int64_t env, struct sv integration, struct sv connection_id)
{
	uint64_t h = fnv_more(FNV_START ^ (uint64_t)env, integration);

	return &c->slots[fnv_slot(fnv_more(h, connection_id), SLOTS)];
}

static int64_t commits_of(struct db *db)
{
	struct db_stats stats;

	db_stats(db, &stats);
	return stats.commits;
}

struct proxy_cached *proxy_cache_find(struct proxy_cache *c, struct db *db, int64_t environment_id,
	struct sv integration, struct sv connection_id)
{
	struct proxy_cached **slot = slot_of(c, environment_id, integration, connection_id);
	struct proxy_cached *e = *slot;

	if (!e || e->environment_id != environment_id || !sv_eq(e->integration, integration) ||
		!sv_eq(e->connection_id, connection_id))
		return NULL;
	if (e->commits != commits_of(db) || clock_mono_us() - e->loaded_us > LIFE_US) {
		*slot = NULL;
		proxy_cached_unref(e);
		return NULL;
	}
	e->refs++;
	return e;
}

struct proxy_cached *proxy_cached_new(
	struct db *db, int64_t environment_id, struct sv integration, struct sv connection_id)
{
	struct proxy_cached *e = NEW(struct proxy_cached);

	e->refs = 1;
	e->environment_id = environment_id;
	e->integration = arena_sv(&e->arena, integration);
	e->connection_id = arena_sv(&e->arena, connection_id);
	/* Before the read: a commit during it makes the entry stale, never wrongly fresh. */
	e->commits = commits_of(db);
	e->loaded_us = clock_mono_us();
	return e;
}

void proxy_cache_put(struct proxy_cache *c, struct proxy_cached *e)
{
	struct proxy_cached **slot =
		slot_of(c, e->environment_id, e->integration, e->connection_id);

	proxy_cached_unref(*slot);
	e->refs++;
	*slot = e;
}

void proxy_cached_unref(struct proxy_cached *e)
{
	if (!e || --e->refs)
		return;
	proxy_target_done(&e->target);
	arena_done(&e->arena);
	mem_free(e);
}
