/*
 * Running another program to its end, for command-line work (the compiler). Blocking; the
 * child inherits standard streams. Long-lived children of the server are the runner pool's.
 */
#pragma once

#include "base/err.h"

/*
 * argv[0] is the program's path (searched in PATH when it has no slash). cwd may be NULL. What the
 * child prints goes to the file `output`, where not NULL, instead of our own streams.
 * ret_status: exit code, or 128 + signal. ERR_NOT_FOUND when there is no such program.
 */
int os_spawn_wait(const char *const *argv, const char *cwd, const char *output, int *ret_status,
	struct err *err) MUST_CHECK;
