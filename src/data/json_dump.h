/*
 * Text of JSON values as JavaScript's JSON.stringify prints it: no white space, numbers in their
 * shortest form, UTF-8 unescaped. Appends; the buffer's maximum bounds it. Any thread.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"

struct json_t;

/* Keys in the order of the object. NULL prints null. */
void json_dump_compact(const struct json_t *v, struct buf *out);

/*
 * Keys of every object in code unit order, array indices ("2" before "10") first: the body of
 * outbound webhooks, which is signed (spec/orchestration.md 5.3).
 */
void json_dump_sorted(const struct json_t *v, struct buf *out);

/* The order of keys there: < 0, 0, > 0. */
int json_key_cmp(struct sv a, struct sv b);
