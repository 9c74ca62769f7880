/*
 * UTF-8 to the UTF-16 that JavaScript strings are made of, at the speed of the hot path: response
 * bodies are decoded here. Pure functions, no allocation.
 */
#pragma once

#include "base/base.h"

/*
 * Decodes s into out, which has room for s.len units; bytes that are not UTF-8 become U+FFFD, one
 * for each maximal part of a sequence (as in browsers). Returns the number of units written.
 */
size_t utf8_to_utf16(struct sv s, uint16_t *out, bool *ret_valid);
