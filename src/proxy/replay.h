/*
 * Recordings instead of providers, for tests: in builds with -Dtest_hooks=true that run under
 * TIDEMARK_FAULT=replay:=ORIGIN, requests of functions go to ORIGIN (tests/replay/server.ts), which
 * stands for every provider. Nothing else about them changes. Any thread.
 */
#pragma once

#include "base/mem.h"

/* ORIGIN/<connection id>/<scheme>/<host>/<path>?<query> in the arena; without the hook, url itself.
 */
struct sv replay_url(struct sv url, struct sv connection_id, struct arena *a);

/*
 * Where the clock of a connection's functions starts: its id ends in "@<ms since 1970>", since each
 * recording was made at another time. 0: the real clock.
 */
int64_t replay_now_ms(struct sv connection_id);
