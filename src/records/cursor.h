/*
 * Cursors and timestamps of records on the wire (spec/records.md 2.6): base64 of
 * "<stamp as ISO microseconds>||<uuid>". A stamp is unique in its dataset, so it alone is the
 * position; a cursor means "behind this stamp" and stays good when the row there moves or goes.
 *
 * The uuid ties the cursor to its dataset without looking at a row: version 8 (RFC 9562, free
 * form), whose first 60 free bits are those of the dataset's name (uuid v5 of
 * "<connection><model>"), and the last 62 a hash of the record's id, so that a record shows the
 * same uuid wherever it moves. Reading checks the first part and ignores the second.
 *
 * An app that comes from a system with the same format brings cursors with uuids of other versions.
 * They say nothing of their dataset and are what they always were, a position in time: what is
 * saved here comes behind it. Pure functions, any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* What the cursors of one dataset have in common. */
struct cursor_space {
	uint8_t tag[8];
};

struct cursor_space cursor_space(int64_t connection, struct sv model);

/* As clock_iso_us, but fast: the date is kept from call to call. Zeroed to begin with. */
struct iso_writer {
	int64_t day;
	char date[12];
};
enum { ISO_TEXT_MAX = 32 };
size_t iso_write(struct iso_writer *w, int64_t us, char out[ISO_TEXT_MAX]);

/* Appends the text of a cursor, without quotes. */
void cursor_write(struct cursor_space s, struct iso_writer *iso, int64_t stamp,
	struct sv external_id, struct buf *out);
enum { CURSOR_TEXT_MAX = 96 };

/* ERR_INVALID "Invalid cursor": broken, or of another dataset. */
int cursor_read(struct cursor_space s, struct sv text, int64_t *ret_stamp, struct err *err);
