/*
 * A function against a recording: provider requests are answered from the file, what the function
 * saves is compared with what the file says. Loop thread of the command line.
 */
#pragma once

#include "cli/local.h"
#include "cli/recording.h"

struct provider;

struct replay {
	struct local_run local; /* its problem says why the test failed */
	struct recording rec;
	bool unmatched; /* a request was not recorded */
	void (*ended)(struct replay *r);
	void *owner;
};

/*
 * Takes over rec. provider: for pagination defaults; may be NULL. The clock starts at `now` of the
 * recording, else when its first answer was made.
 */
void replay_init(struct replay *r, struct project_fn *fn, const struct provider *provider,
	struct recording *rec);
void replay_start(struct replay *r, struct runner_pool *pool);
void replay_done(struct replay *r);
