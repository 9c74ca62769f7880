/*
 * Regular expressions written for JavaScript, run by the system's POSIX matcher: only whether a
 * text contains a match is asked. What POSIX cannot say (look-around, back references, \b,
 * Unicode classes) is not understood, and neither is what would cost much memory. A compiled
 * pattern is immutable; any thread.
 */
#pragma once

#include "base/base.h"

#define PATTERN_LEN_MAX 1000
#define PATTERN_SUBJECT_MAX 65536 /* longer texts are not looked at: they match */

struct pattern;

struct pattern *pattern_new(struct sv source); /* NULL: not understood */
void pattern_free(struct pattern *p); /* NULL is fine */
bool pattern_matches(const struct pattern *p, struct sv text);
