/*
 * A function project on disk: which functions it has, their compiled bundles, their definitions.
 * Three layouts: a project (index.ts whose `import './<integration>/<kind>/<name>.js'` lines are
 * the functions), one integration folder (syncs/, actions/, on-events/ with .ts files), or a folder
 * of such.
 * Command line only: blocking, one thread.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct json_t;

struct project_fn {
	const char *integration, *kind, *name; /* kind is the folder: "syncs" */
	const char *path; /* of the source, relative to the project */
	const char *file; /* path without .ts, for stack traces */
	struct sv js, ts; /* after project_build */
	char hash[65]; /* hex SHA-256 of js and ts: the version's identity */
	struct json_t *definition; /* after project_build; NULL when it failed */
	const char *problem; /* then: why */
	bool wanted; /* selected: compile and inspect only these */
};

struct project {
	struct arena arena;
	const char *dir;
	bool one_integration;
	struct project_fn *fns;
	size_t count;
};

/* Finds the functions; all are wanted. ERR_NOT_FOUND says what a project looks like. */
int project_open(const char *dir, struct project *ret, struct err *err) MUST_CHECK;
void project_done(struct project *p);

struct project_fn *project_find(struct project *p, struct sv integration, struct sv name);

/*
 * Bundles every wanted function with esbuild and evaluates the bundles in the runtime. A function
 * with which something is wrong gets its `problem`, "file:line:column: what"; with all_must one
 * such is an error (several are listed on stderr). Imports outside the allowed modules are wrong.
 */
int project_build(struct project *p, bool all_must, struct err *err) MUST_CHECK;

/* What looks wrong in the sources of functions that were built, on stderr; how many. */
unsigned project_warn(const struct project *p);

/* A program of npm, "node_modules/.bin/tsc", in the folder or one of its parents; NULL: none. */
const char *project_tool(struct arena *a, const char *dir, const char *program);

/* inspect.c, a step of that: what each bundle exports, as `definition`. */
int project_inspect(struct project *p, struct err *err) MUST_CHECK;

/* A whole file into the arena; ERR_NOT_FOUND, ERR_LIMIT over max. */
int file_load(
	struct arena *a, const char *path, size_t max, struct sv *ret, struct err *err) MUST_CHECK;
