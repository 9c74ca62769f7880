/*
 * The deep merge of batchUpdate, on JSON text: numbers and strings stay exactly as written.
 *
 * A value of the patch replaces the stored one, except that an object over an object merges member
 * by member. Arrays are replaced whole, null is stored as null; no member can be removed. Members
 * only the stored object has come first, in their order, then those of the patch in theirs. Both
 * texts are valid objects. Names that mean something to JavaScript (constructor...) are ordinary.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Appends the merged object. ERR_LIMIT when it does not fit into out. */
int merge_objects(struct sv stored, struct sv patch, struct buf *out, struct err *err) MUST_CHECK;
