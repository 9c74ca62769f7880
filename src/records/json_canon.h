/*
 * The hot path of change detection: one pass over the bytes of a batch (a JSON array of objects,
 * usually from JSON.stringify) that validates them, splits them into records, reads each `id` and
 * hashes each record's canonical form. No tree is built.
 *
 * Canonical form: the JSON text that JSON.stringify would print if it could hold any decimal
 * number, with the keys of every object sorted by the bytes of their text: no white space, one
 * spelling per string (\u0041 is A, lone surrogates as \udxxx) and per number (1, 1.0, 10e-1 are 1;
 * 2^53+1 is not 2^53; -0 is 0; exponents of more than 18 digits stay as written), the last of
 * repeated keys. At the top level `id` counts as its string form (1 is "1") and `_nango_metadata`
 * does not count. The hash is XXH3-128 of that text: equal for equal records, so it is kept for
 * years and must never change meaning without a migration.
 *
 * Why text and no digest per member: what arrives is nearly canonical already. A value that is
 * canonical as it stands is referred to in place, so sorted records are hashed where they lie,
 * by one call, without a copy. For others the members are sorted by their first eight key
 * bytes and their texts gathered into scratch, one memcpy per member, and hashed by one call.
 * `json_canon_bench` prints what that costs.
 *
 * One user at a time per batch and scratch; no shared state.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#define JC_ID_UNITS_MAX 255 /* UTF-16 code units of an id */
#define JC_DEPTH_MAX 1000 /* the most that limits.depth may be: the parser recurses */
#define JC_BATCH_BYTES_MAX (1u << 28) /* a larger batch is ERR_LIMIT */

struct jc_limits {
	unsigned depth; /* containers within containers, the record itself being 1; 0 = 100 */
	size_t record_bytes; /* of one record's text; 0 = no limit of its own */
};

struct jc_record {
	struct sv payload; /* the object's text, within the batch */
	struct sv id; /* UTF-8, U+0000 removed; within the batch or in the arena */
	uint64_t hash[2]; /* low, high */
	/* The payload repeats a top-level key or carries `_nango_metadata`: store jc_tidy() of it.
	 */
	bool untidy;
};

/* Work memory, kept from batch to batch. */
struct jc_scratch;
struct jc_scratch *jc_scratch_new(void);
void jc_scratch_free(struct jc_scratch *s); /* NULL is fine */
OWN_FN(struct jc_scratch, jc_scratch_free)

struct jc_batch {
	struct jc_limits limits;
	struct jc_scratch *scratch; /* holds the position: one batch at a time */
	struct arena *arena; /* for ids that do not stand in the batch as they are */
	size_t index; /* of the next record */
	bool begun, done;
	struct err failed;
};

/* Everything given is borrowed for as long as the batch and its records are used. */
void jc_batch_init(struct jc_batch *b, struct sv text, struct jc_limits limits,
	struct jc_scratch *scratch, struct arena *arena);

/*
 * The next record: 1; 0 at the end; < 0 once something is wrong, and from then on:
 * ERR_INVALID "records[3].id: expected a string of 1 to 255 characters or a number",
 * ERR_INVALID "records[3]: expected an object", "records: byte 1234: invalid UTF-8", ERR_LIMIT.
 * A batch is good only when the end was reached: text after the array is refused last.
 */
int jc_next(struct jc_batch *b, struct jc_record *ret, struct err *err);

/* The same for the text of one object (a merged record), with messages without index. */
int jc_one(struct sv text, struct jc_limits limits, struct jc_scratch *scratch, struct arena *arena,
	struct jc_record *ret, struct err *err);

/*
 * Byte range of the value of a top-level key in the text of a valid object: its last occurrence,
 * or absent. Keys compare as written, so `key` must need no escaping.
 */
struct sv jc_find(struct sv object, struct sv key);

/* A key as it stands between its quotes, spelled canonically: itself, or in the arena. */
struct sv jc_key(struct sv written, struct arena *arena);

/* The object again with each top-level key once (last value, first place) and without
 * `_nango_metadata`. */
void jc_tidy(struct sv object, struct buf *out);

/*
 * The record as the API shows it: payload with `id` as the string given (in its place, or first
 * when the payload has none), then `_nango_metadata` with the JSON given. The payload is a valid
 * tidy object.
 */
void jc_render(struct sv payload, struct sv id, struct sv metadata_json, struct buf *out);
