#include "runner/channel.h"

#include "base/mem.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_SIZE = 256 << 10, READS_PER_TURN = 8, KEEP_SIZE = 1 << 20 };

static void end(struct channel *ch, const struct err *err)
{
	if (ch->fd < 0)
		return;
	channel_close(ch);
	ch->on_end(ch->ctx, err);
}

/* Memory of one large message is not kept for ever. */
static void trim(struct buf *b)
{
	if (b->len || b->cap <= KEEP_SIZE)
		return;
	size_t max = b->max;
	buf_done(b);
	buf_init(b, max);
}

/* Hands on every whole frame of the input. False when the channel has ended. */
static bool parse(struct channel *ch)
{
	size_t at = 0;
	struct err err = { 0 };

	for (;;) {
		struct frame f;
		struct sv rest = sv_from(buf_sv(&ch->in), at);
		int64_t size = frame_parse(rest, CHANNEL_MESSAGE_MAX, &f, &err);
		if (size == 0)
			break;
		if (size < 0 || ch->on_frame(ch->ctx, &f, &err) < 0) {
			end(ch, &err);
			return false;
		}
		if (ch->fd < 0)
			return false;
		at += (size_t)size;
	}
	buf_consume(&ch->in, at);
	trim(&ch->in);
	return true;
}

/* 1 = something was read, 0 = nothing there, < 0 = the channel has ended. */
static int read_some(struct channel *ch)
{
	char *room = buf_reserve(&ch->in, READ_SIZE);
	assert(room); /* parse() refuses messages that do not fit */
	ssize_t n = read(ch->fd, room, READ_SIZE);
	if (n > 0) {
		buf_grow(&ch->in, (size_t)n);
		return parse(ch) ? 1 : -1;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	struct err err = { 0 };
	if (n < 0)
		err_errno(&err, errno, "reading from the runner");
	end(ch, n < 0 ? &err : NULL);
	return -1;
}

static void write_some(struct channel *ch)
{
	while (ch->written < ch->out.len) {
		ssize_t n = send(
			ch->fd, ch->out.ptr + ch->written, ch->out.len - ch->written, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			/* A broken pipe: what the peer said before is read until its end. */
			break;
		ch->written += (size_t)n;
	}
	if (ch->written > KEEP_SIZE && ch->written > ch->out.len / 2) {
		buf_consume(&ch->out, ch->written);
		ch->written = 0;
	}
	if (ch->written == ch->out.len || (errno != EAGAIN && errno != EWOULDBLOCK)) {
		buf_clear(&ch->out);
		ch->written = 0;
		trim(&ch->out);
		watch_set(ch->watch, WATCH_READ);
	}
}

static void ready(void *ctx, int events)
{
	struct channel *ch = ctx;

	if (events & WATCH_WRITE)
		write_some(ch);
	for (int i = 0; (events & WATCH_READ) && i < READS_PER_TURN; i++)
		if (read_some(ch) <= 0)
			return;
}

void channel_open(struct channel *ch, struct loop *loop, int fd)
{
	ch->loop = loop;
	ch->fd = fd;
	ch->written = 0;
	buf_init(&ch->in, CHANNEL_MESSAGE_MAX + FRAME_HEAD_SIZE + READ_SIZE);
	buf_init(&ch->out, CHANNEL_QUEUE_MAX);
	ch->watch = watch_new(loop, fd, ready, ch);
	watch_set(ch->watch, WATCH_READ);
}

void channel_close(struct channel *ch)
{
	if (ch->fd < 0)
		return;
	watch_free(take(ch->watch));
	close(ch->fd);
	ch->fd = -1;
}

void channel_done(struct channel *ch)
{
	channel_close(ch);
	buf_done(&ch->in);
	buf_done(&ch->out);
}

static void add_from(struct buf *out, struct sv part, size_t *skip)
{
	size_t n = *skip < part.len ? *skip : part.len;
	*skip -= n;
	buf_sv_add(out, sv_from(part, n));
}

void channel_send(struct channel *ch, const struct frame *f)
{
	if (ch->fd < 0)
		return;
	assert(f->head.len + f->body.len <= UINT32_MAX);
	struct frame_head h = {
		.len = (uint32_t)(f->head.len + f->body.len),
		.type = f->type,
		.run = f->run,
		.call = f->call,
		.head_len = (uint32_t)f->head.len,
	};
	struct sv parts[] = { sv_make((const char *)&h, sizeof(h)), f->head, f->body };
	size_t sent = 0;
	if (ch->out.len == 0) {
		struct iovec iov[ARRAY_LEN(parts)];
		for (size_t i = 0; i < ARRAY_LEN(parts); i++)
			iov[i] = (struct iovec){ (void *)parts[i].ptr, parts[i].len };
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = ARRAY_LEN(parts) };
		ssize_t n = sendmsg(ch->fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return; /* gone: reading will tell */
		sent = n < 0 ? 0 : (size_t)n;
	}
	if (sent == sizeof(h) + h.len)
		return;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		add_from(&ch->out, parts[i], &sent);
	if (!buf_ok(&ch->out)) {
		struct err err;
		err_set(&err, ERR_LIMIT, "more than %d bytes wait for the runner",
			CHANNEL_QUEUE_MAX);
		end(ch, &err);
		return;
	}
	watch_set(ch->watch, WATCH_READ | WATCH_WRITE);
}

void channel_drain(struct channel *ch)
{
	while (ch->fd >= 0 && read_some(ch) > 0)
		;
}
