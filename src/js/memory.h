/* How much memory this process has resident. The file is opened once, before the sandbox closes. */
#pragma once

#include "base/err.h"

int memory_open(int *ret_fd, struct err *err);
int64_t memory_resident(int fd); /* bytes; 0 when it cannot be known */
