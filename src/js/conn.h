/*
 * The runner's end of the socket to the server: frames in, frames out, nothing blocks. The server
 * is trusted, but sizes are checked all the same. Frames are written in place, so that a JSON text
 * of megabytes is encoded once and copied nowhere.
 *
 * While a function executes, its tick may read more input (conn_fill); a frame that was handed out
 * by conn_next stays where it is until conn_consume, except that its bytes may move. Whoever holds
 * on to a part of it across an entry holds an offset (conn_offset, conn_at).
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "io/frame.h"

enum {
#define MESSAGE(name, type, sender, comment) MESSAGE_##name = type,
#include "protocol/messages.def"
#undef MESSAGE
	MESSAGE_NONE = 0 /* was handled ahead of its turn */
};

struct conn {
	int fd;
	struct buf in, out;
	size_t at; /* start of the next frame in `in` */
	size_t scanned; /* up to where conn_scan has looked */
	size_t sent; /* bytes of `out` that are gone */
	bool closed;
};

void conn_init(struct conn *c, int fd);
void conn_done(struct conn *c);

/* Reads what there is. Sets closed at the end of the stream or when the socket fails. */
void conn_fill(struct conn *c);
/* Writes what the socket takes. */
void conn_flush(struct conn *c);
static inline size_t conn_unsent(const struct conn *c)
{
	return c->out.len - c->sent;
}

/* The next whole frame, false when there is none. A broken stream counts as closed. */
bool conn_next(struct conn *c, struct frame *ret, size_t *ret_size);
void conn_consume(struct conn *c, size_t size);

static inline size_t conn_offset(const struct conn *c, struct sv part)
{
	return part.len ? (size_t)(part.ptr - c->in.ptr) : 0;
}
static inline struct sv conn_at(const struct conn *c, size_t offset, size_t len)
{
	return len ? sv_make(c->in.ptr + offset, len) : SV_LIT("");
}

/*
 * Looks at frames that wait, each once, without taking them: for what cannot wait for its turn.
 * `fn` returns true when the frame has been dealt with.
 */
void conn_scan(struct conn *c, bool (*fn)(void *ctx, const struct frame *f), void *ctx);

/* A frame in place: begin, append the head to conn.out, mark, append the body, end. */
struct conn_frame {
	size_t start, head_end;
	uint16_t type;
	uint32_t run, call;
};
struct conn_frame conn_begin(struct conn *c, uint16_t type, uint32_t run, uint32_t call);
void conn_end_head(struct conn *c, struct conn_frame *f);
/* False when it is longer than the server takes: then it is as if it had never been begun. */
bool conn_end(struct conn *c, const struct conn_frame *f);
/* A frame whose head is at hand and whose body is empty. */
void conn_send(struct conn *c, uint16_t type, uint32_t run, struct sv head);
