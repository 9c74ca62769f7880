/*
 * Signals as descriptors: the loop watches one end of a pipe that the handlers write to. One per
 * process. SIGPIPE is ignored.
 */
#pragma once

#include "base/err.h"

/* A descriptor that becomes readable on SIGINT and SIGTERM: one byte, the signal, each. */
int signals_open(int *ret_fd, struct err *err);

/* From now on SIGINT and SIGTERM end the process as if nobody had caught them. */
void signals_default(void);
