/*
 * Closes the door behind the runner: after sandbox_enter this process, with all its threads, can
 * compute, allocate, and use the descriptors it holds; it can open, connect, execute and signal
 * nothing. What the kernel lacks is reported, not ignored.
 */
#pragma once

#include "base/err.h"

/* Before the engine exists: environment, resource limits, first to go when memory is short. */
void sandbox_prepare(void);

/* When every file that will ever be needed is open. */
int sandbox_enter(struct err *err);
