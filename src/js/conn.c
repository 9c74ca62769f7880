#include "js/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FRAME_MAX = 320 << 20, /* a response of 256 MiB and its head */
	SEND_MAX = 120 << 20, /* the server ends a runner that sends more in one piece */
	OUT_MAX = 512 << 20,
	READ_SIZE = 256 << 10,
	KEEP_SIZE = 4 << 20 /* a buffer that once held more gives its memory back */
};

void conn_init(struct conn *c, int fd)
{
	*c = (struct conn){ .fd = fd };
	buf_init(&c->in, (size_t)FRAME_MAX + READ_SIZE + FRAME_HEAD_SIZE);
	buf_init(&c->out, OUT_MAX);
}

void conn_done(struct conn *c)
{
	buf_done(&c->in);
	buf_done(&c->out);
}

static void empty(struct buf *b)
{
	if (b->cap > KEEP_SIZE)
		buf_done(b);
	else
		buf_clear(b);
}

void conn_fill(struct conn *c)
{
	char *to = buf_reserve(&c->in, READ_SIZE);

	if (!to) {
		/* More unread input than any frame may be long: let it wait in the socket. */
		c->in.over = false;
		return;
	}
	ssize_t n = recv(c->fd, to, READ_SIZE, MSG_DONTWAIT);
	if (n > 0)
		buf_grow(&c->in, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		c->closed = true;
}

void conn_flush(struct conn *c)
{
	while (conn_unsent(c) > 0) {
		ssize_t n = send(
			c->fd, c->out.ptr + c->sent, conn_unsent(c), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			c->closed = c->closed || errno != EAGAIN;
			return;
		}
		c->sent += (size_t)n;
	}
	c->sent = 0;
	empty(&c->out);
}

bool conn_next(struct conn *c, struct frame *ret, size_t *ret_size)
{
	struct err err;
	struct sv rest = sv_make(c->in.ptr + c->at, c->in.len - c->at);
	int64_t size = rest.len ? frame_parse(rest, FRAME_MAX, ret, &err) : 0;

	if (size < 0)
		c->closed = true;
	if (size <= 0)
		return false;
	*ret_size = (size_t)size;
	return true;
}

void conn_consume(struct conn *c, size_t size)
{
	c->at += size;
	if (c->at == c->in.len) {
		empty(&c->in);
		c->at = c->scanned = 0;
	} else if (c->at > READ_SIZE && c->at > c->in.len / 2) {
		buf_consume(&c->in, c->at);
		c->scanned = c->scanned > c->at ? c->scanned - c->at : 0;
		c->at = 0;
	}
}

void conn_scan(struct conn *c, bool (*fn)(void *ctx, const struct frame *f), void *ctx)
{
	struct frame f;
	struct err err;
	size_t at = c->scanned > c->at ? c->scanned : c->at;

	while (at < c->in.len) {
		struct sv rest = sv_make(c->in.ptr + at, c->in.len - at);
		int64_t size = frame_parse(rest, FRAME_MAX, &f, &err);
		if (size <= 0)
			break;
		if (fn(ctx, &f)) {
			uint16_t none = MESSAGE_NONE;
			memcpy(c->in.ptr + at + offsetof(struct frame_head, type), &none, 2);
		}
		at += (size_t)size;
	}
	c->scanned = at;
}

struct conn_frame conn_begin(struct conn *c, uint16_t type, uint32_t run, uint32_t call)
{
	struct conn_frame f = { .start = c->out.len, .type = type, .run = run, .call = call };
	struct frame_head blank = { 0 };

	buf_add(&c->out, &blank, sizeof(blank));
	return f;
}

void conn_end_head(struct conn *c, struct conn_frame *f)
{
	f->head_end = c->out.len;
}

bool conn_end(struct conn *c, const struct conn_frame *f)
{
	size_t head_start = f->start + FRAME_HEAD_SIZE;

	if (!buf_ok(&c->out) || c->out.len - head_start > SEND_MAX) {
		c->out.over = false;
		c->out.len = f->start;
		return false;
	}
	struct frame_head h = {
		.len = (uint32_t)(c->out.len - head_start),
		.type = f->type,
		.run = f->run,
		.call = f->call,
		.head_len = (uint32_t)(f->head_end - head_start),
	};
	memcpy(c->out.ptr + f->start, &h, sizeof(h));
	return true;
}

void conn_send(struct conn *c, uint16_t type, uint32_t run, struct sv head)
{
	struct conn_frame f = conn_begin(c, type, run, 0);

	buf_sv_add(&c->out, head);
	conn_end_head(c, &f);
	conn_end(c, &f);
}
