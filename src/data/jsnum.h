/*
 * Numbers as JavaScript prints them (Number::toString, radix 10): the fewest digits that read
 * back as the same double. Pure, any thread. The C locale is assumed for the decimal point.
 */
#pragma once

#include "base/base.h"

#define JSNUM_SIZE 32

/* "0.1", "1e+21", "5e-324", "0" for -0, "NaN", "Infinity"; NUL-terminated. Returns its length. */
size_t jsnum_format(double v, char out[JSNUM_SIZE]);

/*
 * The decimal 0.d1d2...dk * 10^point (no leading or trailing zeros in the digits) laid out by
 * JavaScript's rules; out needs k + 32 bytes. Returns the length, no NUL. For digits that no
 * double holds as well: this is how the change hash spells every number.
 */
size_t jsnum_layout(bool negative, const char *digits, size_t k, int64_t point, char *out);
