/*
 * Parameters in the form that signatures are made of: decoded, encoded by RFC 3986, sorted by name
 * and then by value. Pure, any thread.
 */
#pragma once

#include "base/mem.h"

enum { CANONICAL_PARAMS_MAX = 2000 };

/* Of a query or a form body (a=1&b=2), in the arena. Absent for more than CANONICAL_PARAMS_MAX. */
struct sv canonical_params(struct sv pairs, struct arena *a);
