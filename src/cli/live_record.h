/*
 * What a dry run keeps for `--save` (cli/recording.h reads it): requests with their answers in
 * live.recorded, actions in live.actions. Headers that authenticate are left out.
 */
#pragma once

#include "cli/live.h"
#include "http/client.h"
#include "runner/pool.h"

/* A provider request, under its method and endpoint. */
void live_record(struct live *l, const struct runner_call *call, struct sv endpoint,
	const struct rest_response *res);

/* A plain request: by path and query, whatever the host. */
void live_record_fetch(
	struct live *l, const struct runner_call *call, const struct http_response *res);

/* An action that was triggered. input and output may be NULL; error instead of an output. */
void live_record_action(struct live *l, const struct runner_call *call, struct json_t *input,
	struct json_t *output, struct json_t *error);
