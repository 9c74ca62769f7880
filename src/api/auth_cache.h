/*
 * Keys seen within the last seconds and what they open, so that a request needs no look-up of its
 * own. Bounded; a key that is deleted or changed goes on as before for AUTH_CACHE_MS at most.
 * Loop thread only.
 */
#pragma once

#include "base/mem.h"
#include "model/api_key.h"

enum { AUTH_CACHE_MS = 5000 };

struct auth_cache;

struct auth_cache *auth_cache_new(void);
void auth_cache_free(struct auth_cache *c); /* NULL is fine */

/* Copies into the arena; false when the key is not known. */
bool auth_cache_get(struct auth_cache *c, struct sv key, struct arena *a, struct api_key *ret);
void auth_cache_put(struct auth_cache *c, struct sv key, const struct api_key *found);
