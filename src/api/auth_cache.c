#include "api/auth_cache.h"

#include "base/clock.h"

enum { SLOTS = 256 }; /* keys that share a slot displace each other */

struct slot {
	unsigned char hash[API_KEY_HASH_SIZE];
	int64_t until_us; /* monotonic; 0 = empty */
	struct api_key key; /* text in the arena below */
	struct arena arena;
};

struct auth_cache {
	struct slot slots[SLOTS];
};

struct auth_cache *auth_cache_new(void)
{
	return NEW(struct auth_cache);
}

void auth_cache_free(struct auth_cache *c)
{
	for (size_t i = 0; c && i < SLOTS; i++)
		arena_done(&c->slots[i].arena);
	mem_free(c);
}

static void copy(struct arena *a, const struct api_key *from, struct api_key *to)
{
	*to = *from;
	to->environment = arena_sv(a, from->environment);
	to->display_name = arena_sv(a, from->display_name);
	to->scopes = arena_sv(a, from->scopes);
}

bool auth_cache_get(struct auth_cache *c, struct sv key, struct arena *a, struct api_key *ret)
{
	unsigned char hash[API_KEY_HASH_SIZE];

	api_key_hash(key, hash);
	struct slot *s = &c->slots[hash[0] % SLOTS];
	if (s->until_us < clock_mono_us() || memcmp(s->hash, hash, sizeof(hash)) != 0)
		return false;
	copy(a, &s->key, ret);
	return true;
}

void auth_cache_put(struct auth_cache *c, struct sv key, const struct api_key *found)
{
	unsigned char hash[API_KEY_HASH_SIZE];
	int64_t now = clock_mono_us();

	api_key_hash(key, hash);
	struct slot *s = &c->slots[hash[0] % SLOTS];
	/* One that is known keeps its time: otherwise a busy key would never be looked up again. */
	if (s->until_us >= now && memcmp(s->hash, hash, sizeof(hash)) == 0)
		return;
	arena_done(&s->arena);
	memcpy(s->hash, hash, sizeof(hash));
	copy(&s->arena, found, &s->key);
	s->until_us = now + AUTH_CACHE_MS * 1000;
}
