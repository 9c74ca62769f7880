/*
 * UUIDs (RFC 9562): random (4), named by SHA-1 (5), time-ordered (7). Any thread.
 */
#pragma once

#include "base/base.h"

#define UUID_TEXT_SIZE 37

struct uuid {
	uint8_t bytes[16];
};

extern const struct uuid UUID_NIL;

struct uuid uuid_v4(void);
struct uuid uuid_v5(struct uuid space, struct sv name);
struct uuid uuid_v7(int64_t now_ms); /* from different threads in any order within a millisecond */

/* Lower case with hyphens, NUL-terminated, into out. Returns out. */
char *uuid_format(struct uuid u, char out[UUID_TEXT_SIZE]);

/* 8-4-4-4-12 hex digits of any case; versions 1-8 of the RFC's variant, or nil. False otherwise. */
bool uuid_parse(struct sv text, struct uuid *ret);
bool uuid_is_valid(struct sv text);
