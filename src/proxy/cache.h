/*
 * Connections that requests have just used, so that a page loop does not read and open the same
 * row for each page. An entry serves while nothing at all has been committed to the database since
 * it was read, and for a second at most: whatever changes a connection here is seen by the next
 * request, a change by another process within that second. Loop thread.
 */
#pragma once

#include "base/mem.h"
#include "proxy/target.h"

struct db;
struct proxy_cache;

/* A target as it was loaded, shared by the requests that use it. */
struct proxy_cached {
	unsigned refs;
	struct arena arena;
	int64_t environment_id;
	struct sv integration, connection_id; /* the key */
	int64_t commits, loaded_us; /* how far it goes */
	struct proxy_target target;
};

struct proxy_cache *proxy_cache_new(void);
void proxy_cache_free(struct proxy_cache *c); /* NULL is fine; what is in use lives on */
OWN_FN(struct proxy_cache, proxy_cache_free)

/* A reference, or NULL. */
struct proxy_cached *proxy_cache_find(struct proxy_cache *c, struct db *db, int64_t environment_id,
	struct sv integration, struct sv connection_id);

/* An entry to load into (its target is empty), with one reference; not in the cache yet. */
struct proxy_cached *proxy_cached_new(
	struct db *db, int64_t environment_id, struct sv integration, struct sv connection_id);
/* Loaded: others may use it. */
void proxy_cache_put(struct proxy_cache *c, struct proxy_cached *e);
void proxy_cached_unref(struct proxy_cached *e); /* NULL is fine */
