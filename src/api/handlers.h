/*
 * The handlers that routes.def names, and small things several of them share.
 */
#pragma once

#include "api/api.h"

#define READ(method, pattern, fn, scope, body, summary) api_job_fn fn;
#define WRITE(method, pattern, fn, scope, body, summary) api_job_fn fn;
#define ALONE(method, pattern, fn, scope, body, summary) api_job_fn fn;
#define LOOP(method, pattern, fn, scope, body, summary) api_loop_fn fn;
#include "api/routes.def"
#undef READ
#undef WRITE
#undef ALONE
#undef LOOP

struct connection;
struct integration;
struct function;

/* `+00:00` instead of Z at the end: how most answers write times. 0 gives null. */
void write_time(struct jw *w, const char *key, int64_t ms);
void write_time_z(struct jw *w, const char *key, int64_t ms);
