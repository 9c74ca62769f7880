/*
 * The process's environment layered over a `.env` file: the only place that reads either.
 * Constant after environ_load; any thread.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct environ_var {
	const char *name, *value;
};

struct environ_vars {
	struct environ_var *items; /* the process's first, then the file's */
	size_t count, cap;
	struct arena arena;
};

/* envp: NAME=value, NULL-terminated. dotenv: a file's path or NULL; a missing file is fine. */
int environ_load(char *const *envp, const char *dotenv, struct environ_vars *ret, struct err *err);
void environ_done(struct environ_vars *v);

/* The value, or NULL. Set but empty reads as "". */
const char *environ_get(const struct environ_vars *v, const char *name);
