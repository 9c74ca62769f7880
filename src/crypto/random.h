/*
 * Random bytes fit for keys, nonces and tokens. Small requests are served from a buffer of the
 * thread, so that a nonce costs a copy. Any thread; never fails (no entropy: the process dies).
 */
#pragma once

#include "base/base.h"

void random_bytes(void *out, size_t len);
