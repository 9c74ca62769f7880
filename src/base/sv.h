/*
 * Functions on borrowed strings that are more than a line: search, split, compare without case,
 * strict numbers. No allocation, no state, any thread.
 */
#pragma once

#include "base/base.h"

/* Index of the first `c` in s, or -1. */
ptrdiff_t sv_find_char(struct sv s, char c);

/* Index of the first `needle` in s, or -1. An empty needle is found at 0. */
ptrdiff_t sv_find(struct sv s, struct sv needle);

/* ASCII case-insensitive equality: header names, hex digits. */
bool sv_eq_nocase(struct sv a, struct sv b);

/* s without leading and trailing ASCII white space. */
struct sv sv_trim(struct sv s);

/*
 * The next piece of *rest up to `sep`, advancing *rest behind it. False when *rest was absent:
 * "a,,b" gives "a", "", "b"; "" gives one empty piece.
 */
bool sv_split(struct sv *rest, char sep, struct sv *ret_piece);

/* A whole decimal integer: optional '-', digits, nothing else, in range. False otherwise. */
bool sv_to_i64(struct sv s, int64_t *ret);
