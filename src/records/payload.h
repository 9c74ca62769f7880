/*
 * What is sealed of a record: its JSON as it is or, when that is clearly shorter, compressed (LZ4).
 * Compressed bytes begin with a mark and the length of the JSON, which itself begins with '{'. As
 * they are inside the seal, nobody else can have made them. Internal to records/.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* The bytes to be sealed: json itself, or what was put into room. */
struct sv payload_pack(struct sv json, struct buf *room);

/* Turns opened bytes into the JSON. Both buffers have room for it; they may change places. */
int payload_unpack(struct buf *opened, struct buf *spare, struct err *err) MUST_CHECK;
