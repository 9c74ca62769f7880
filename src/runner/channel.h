/*
 * A stream of frames over a non-blocking socket: what is the same for every process we talk to.
 * Writes that the socket does not take at once are queued, up to a limit; reads are parsed and
 * handed on one by one. Every size is checked before memory is reserved for it. Loop thread only.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "io/frame.h"
#include "io/loop.h"

enum { CHANNEL_MESSAGE_MAX = 128 << 20, CHANNEL_QUEUE_MAX = 512 << 20 };

struct channel {
	struct loop *loop;
	int fd; /* -1 = closed */
	struct watch *watch;
	struct buf in, out;
	size_t written; /* of out */
	void *ctx;
	/* An error ends the channel. The frame is borrowed for the call. */
	int (*on_frame)(void *ctx, const struct frame *f, struct err *err);
	/* Once, unless channel_close came first: end of file (err NULL), or what went wrong. */
	void (*on_end)(void *ctx, const struct err *err);
};

/* Takes over fd, which must be a non-blocking stream socket. ctx and callbacks are set before. */
void channel_open(struct channel *ch, struct loop *loop, int fd);
/* No more callbacks. May be called from a callback; the buffers stay until channel_done. */
void channel_close(struct channel *ch);
void channel_done(struct channel *ch);

/* Sends or queues; ignored when closed. A queue over its limit ends the channel. */
void channel_send(struct channel *ch, const struct frame *f);

/* Reads all there is right now: the peer is known to be gone. */
void channel_drain(struct channel *ch);
