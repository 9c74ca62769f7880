/*
 * The files of a new project, as tools/embed.py put them into C: src/cli/init/ and types/.
 * Constant; only init.c looks at them.
 */
#pragma once

#include <stddef.h>

struct init_file {
	const char *name; /* where it goes in the project: "github/syncs/repositories.ts" */
	const char *text;
	size_t len;
};
extern const struct init_file init_files[]; /* ends with a NULL name */
