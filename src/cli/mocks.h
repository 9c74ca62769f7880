/*
 * Recordings in the older layout, a folder `mocks/` of small files per integration:
 *
 *	mocks/<function>/input.json, output.json
 *	mocks/<function>/<Model>/batchSave.json, batchDelete.json
 *	mocks/nango/getConnection.json, getMetadata.json
 *	mocks/nango/<method>/proxy/<endpoint>/<function>.json		the answer's body
 *	mocks/nango/<method>/proxy/<endpoint>/<function>/<hash>.json	{requestIdentity, response,
 *...}
 *
 * Command line only: blocking.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct json_t;

/*
 * What the folder `mocks` holds of a function, in the form of one recording (cli/recording.h).
 * ERR_NOT_FOUND when it has no folder of its own there. The caller owns the reference.
 */
int mocks_load(struct arena *a, const char *mocks, const char *function, struct json_t **ret,
	struct err *err) MUST_CHECK;
