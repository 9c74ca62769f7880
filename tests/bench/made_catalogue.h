/*
 * A made-up provider catalogue of the size and schema of the public one (spec/function-runtime.md
 * 5.5): 981 entries, 67 of them aliases, about 27,000 lines, with every field as often as there.
 */
#pragma once

#include "base/buf.h"

enum { CATALOGUE_ENTRIES = 981, CATALOGUE_ALIASES = 67 };

/* Initialises and fills `out`. */
void catalogue_make(struct buf *out);
