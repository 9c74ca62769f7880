/*
 * String formats of JSON Schema: date-time, date, time, email, uri, uuid, ipv4. Pure, any thread.
 */
#pragma once

#include "base/base.h"

typedef bool format_fn(struct sv text);

/* The check for a format by its name; NULL when there is none. */
format_fn *format_find(struct sv name);
