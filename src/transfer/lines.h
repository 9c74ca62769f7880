/*
 * The file of an export: lines of JSON, written and read through a small window, with a running
 * SHA-256. Blocking, one thread.
 *
 *	{"tidemark_export":1,"id":"<uuid>","schema":4,"created":"...","key":"<fingerprint>",...}
 *	{"table":"environments","columns":["id",...],"sequence":2}
 *	[1,"9b2d...","dev",0,"<base64 of a blob>",null,...]
 *	...
 *	{"end":{"rows":{"environments":2,...},"sha256":"<of every line but the first and this
 *one>"}}
 *
 * Tables come in the order of db/tables.h, rows in that of their primary keys. Text that is not
 * UTF-8 is ["<base64>"].
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"

enum { TRANSFER_FORMAT = 1, LINE_BYTES_MAX = 512 << 20 };

struct line_writer {
	int fd;
	struct buf buf; /* the line in work is written here, ended by line_end */
	struct sha256 *sum;
	size_t summed; /* how much of buf is in the sum already */
	int64_t bytes; /* written */
};

void line_writer_init(struct line_writer *w, int fd);
void line_writer_done(struct line_writer *w);
/* Ends the line; writes when enough has come together. ERR_LIMIT: the line was too long. */
int line_end(struct line_writer *w, bool counts, struct err *err) MUST_CHECK;
int line_flush(struct line_writer *w, struct err *err) MUST_CHECK;

struct line_reader {
	int fd;
	struct buf buf;
	size_t at, scanned; /* where the next line starts in buf; where no line end was found yet */
	struct sv line; /* the last one returned, not yet accepted */
	struct sha256 *sum;
	int64_t position; /* bytes of the lines accepted */
	bool ended;
};

void line_reader_init(struct line_reader *r, int fd);
void line_reader_done(struct line_reader *r);
/*
 * The next line without its end: 1; 0 at the end of the file. Valid until the next call.
 * ERR_INVALID: the file ends within a line. ERR_LIMIT: the line is too long.
 */
int line_next(struct line_reader *r, struct sv *ret, struct err *err) MUST_CHECK;
/* The line is done: its bytes count, for the sum only if `counts`. */
void line_accept(struct line_reader *r, bool counts);

/* The digest so far as text. */
char *line_digest(const struct sha256 *sum, char out[HASH_HEX_SIZE]);
