/*
 * Counters of requests per route and class of status, and their durations. Loop thread only.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"

enum { METRIC_ROUTES_MAX = 128, METRIC_CLASSES = 6 };

struct metrics {
	/* The last one counts what matched no route. */
	uint64_t requests[METRIC_ROUTES_MAX + 1][METRIC_CLASSES];
	int64_t total_us[METRIC_ROUTES_MAX + 1];
	struct http_server *server; /* set by serve, for its own counters; may be NULL */
};

struct api;
struct metrics *api_metrics(struct api *api);

void metrics_count(struct metrics *m, size_t route, int status, int64_t took_us);
