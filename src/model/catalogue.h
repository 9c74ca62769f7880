/*
 * The built-in provider catalogue: the files of providers/ as tools/embed.py put them into C.
 * Constant; only model/provider.c looks at it.
 */
#pragma once

#include <stddef.h>

struct catalogue_file {
	const char *name; /* "providers/github.yaml" */
	const char *text;
	size_t len;
};
extern const struct catalogue_file catalogue_files[]; /* ends with a NULL name */
