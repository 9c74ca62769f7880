/*
 * A growing byte buffer with a declared maximum. Appends never fail visibly: past the maximum the
 * buffer turns sticky (keeps its size, ignores appends) and the user checks buf_ok() once before
 * use. The bytes are always followed by a NUL that does not count.
 */
#pragma once

#include "base/base.h"

#include <stdarg.h>

struct buf {
	char *ptr; /* NULL until the first append */
	size_t len, cap, max;
	bool over;
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b); /* frees; may be used again after buf_init */
void buf_clear(struct buf *b); /* empties and un-sticks, keeps memory and maximum */

static inline bool buf_ok(const struct buf *b)
{
	return !b->over;
}

static inline struct sv buf_sv(const struct buf *b)
{
	return sv_make(b->ptr ? b->ptr : "", b->len);
}

/* Room for n more bytes, to be written by the caller and counted with buf_grow; NULL if over. */
char *buf_reserve(struct buf *b, size_t n);
static inline void buf_grow(struct buf *b, size_t n)
{
	assert(n <= b->cap - b->len);
	b->len += n;
	b->ptr[b->len] = 0;
}

void buf_add(struct buf *b, const void *p, size_t n);
void buf_sv_add(struct buf *b, struct sv s);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_i64(struct buf *b, int64_t n);

/* Drops the first n bytes (a consumer's progress). */
void buf_consume(struct buf *b, size_t n);

/* s as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void buf_json_str(struct buf *b, struct sv s);

/* Gives the bytes away (mem_free them); the buffer is empty afterwards. */
char *buf_steal(struct buf *b, size_t *ret_len);
