/*
 * A function against the real world, nothing stored: provider requests go through a server's
 * /proxy with the connection's credentials, as `dryrun` of the public CLI does
 * (spec/api-cli.md 4.2); actions that it triggers are those of the server, and real. Blocking
 * requests on the command line's loop.
 */
#pragma once

#include "cli/local.h"
#include "cli/rest.h"

struct live {
	struct local_run local;
	struct rest *rest;
	struct json_t *connection; /* as the server tells it, with credentials */
	bool connection_read; /* the function asked for it */
	struct json_t *recorded; /* {method: {/path: [exchange]}} when recording; else NULL */
	struct json_t *actions; /* [{name, providerConfigKey, input?, output | error}], likewise */
	struct json_t *lines; /* log lines so far, for --json; may be NULL */
};

/* Fetches connection, integration and the provider's pagination defaults. */
int live_init(struct live *l, struct rest *rest, struct project_fn *fn, const char *connection_id,
	bool record, struct err *err) MUST_CHECK;
void live_done(struct live *l);
