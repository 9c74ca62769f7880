/*
 * What compiles and is probably wrong all the same: calls of nango that nobody awaits, retryOn
 * without retries, deletion tracking in the wrong order. Works on tokens, not on types: it can miss
 * things, and warns only. Pure.
 */
#pragma once

#include "base/base.h"

struct lint_warning {
	unsigned line, column; /* from 1 */
	char text[200];
};

/* Warnings about a TypeScript source, at most `max`; returns how many. */
size_t lint_source(struct sv source, struct lint_warning *ret, size_t max);
