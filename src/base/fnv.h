/*
 * FNV-1a over several texts, for tables of our own: quick and without seed, so not for keys that
 * an outsider could choose to collide without a bound on their number. Header only, any thread.
 */
#pragma once

#include "base/base.h"

#define FNV_START UINT64_C(0xcbf29ce484222325)

/* Goes on from h; "ab","c" and "a","bc" differ. */
static inline uint64_t fnv_more(uint64_t h, struct sv s)
{
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.ptr[i]) * UINT64_C(0x100000001b3);
	return (h ^ 0xff) * UINT64_C(0x100000001b3);
}

/* A slot of `count` for it; the low bits alone mix badly. */
static inline size_t fnv_slot(uint64_t h, size_t count)
{
	return (size_t)((h ^ h >> 32) % count);
}
