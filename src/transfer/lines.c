#include "transfer/lines.h"

#include <errno.h>
#include <unistd.h>

enum { WINDOW = 1 << 20 };

char *line_digest(const struct sha256 *sum, char out[HASH_HEX_SIZE])
{
	unsigned char digest[HASH_SHA256_SIZE];

	sha256_so_far(sum, digest);
	return hash_hex(digest, sizeof(digest), out);
}

/* Writing. */

void line_writer_init(struct line_writer *w, int fd)
{
	*w = (struct line_writer){ .fd = fd, .sum = sha256_new() };
	buf_init(&w->buf, LINE_BYTES_MAX);
}

void line_writer_done(struct line_writer *w)
{
	buf_done(&w->buf);
	sha256_free(w->sum);
}

int line_flush(struct line_writer *w, struct err *err)
{
	struct sv rest = buf_sv(&w->buf);

	while (rest.len) {
		ssize_t n = write(w->fd, rest.ptr, rest.len);
		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "cannot write the export");
		if (n > 0)
			rest = sv_from(rest, (size_t)n);
	}
	w->bytes += (int64_t)w->buf.len;
	w->summed = 0;
	buf_clear(&w->buf);
	return 0;
}

int line_end(struct line_writer *w, bool counts, struct err *err)
{
	buf_char(&w->buf, '\n');
	if (!buf_ok(&w->buf))
		return err_set(err, ERR_LIMIT, "a row is longer than %d MiB as text",
			LINE_BYTES_MAX >> 20);
	if (counts)
		sha256_add(w->sum, sv_from(buf_sv(&w->buf), w->summed));
	w->summed = w->buf.len;
	return w->buf.len < WINDOW ? 0 : line_flush(w, err);
}

/* Reading. */

void line_reader_init(struct line_reader *r, int fd)
{
	*r = (struct line_reader){ .fd = fd, .sum = sha256_new() };
	buf_init(&r->buf, LINE_BYTES_MAX);
}

void line_reader_done(struct line_reader *r)
{
	buf_done(&r->buf);
	sha256_free(r->sum);
}

static int fill(struct line_reader *r, struct err *err)
{
	/* Lines that are done make room. */
	buf_consume(&r->buf, r->at);
	r->scanned -= r->at;
	r->at = 0;
	char *room = buf_reserve(&r->buf, WINDOW);
	if (!room)
		return err_set(err, ERR_LIMIT, "a line is longer than %d MiB (this is no export)",
			LINE_BYTES_MAX >> 20);
	for (;;) {
		ssize_t n = read(r->fd, room, WINDOW);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "cannot read the export");
		buf_grow(&r->buf, (size_t)n);
		r->ended = n == 0;
		return 0;
	}
}

int line_next(struct line_reader *r, struct sv *ret, struct err *err)
{
	for (;;) {
		size_t left = r->buf.len - r->scanned;
		const char *from = r->buf.ptr ? r->buf.ptr + r->scanned : "";
		const char *end = left ? memchr(from, '\n', left) : NULL;
		if (end) {
			const char *start = r->buf.ptr + r->at;
			*ret = r->line = sv_make(start, (size_t)(end - start));
			r->scanned = r->at += r->line.len + 1;
			return 1;
		}
		r->scanned = r->buf.len;
		if (r->ended && r->at == r->buf.len)
			return 0;
		if (r->ended)
			return err_set(err, ERR_INVALID, "the file ends within a line");
		TRY(fill(r, err));
	}
}

void line_accept(struct line_reader *r, bool counts)
{
	struct sv whole = sv_make(r->line.ptr, r->line.len + 1);

	if (counts)
		sha256_add(r->sum, whole);
	r->position += (int64_t)whole.len;
}
