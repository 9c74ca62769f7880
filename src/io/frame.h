/*
 * Messages over a stream socket between the server and a runner: a fixed little-endian header,
 * then a head (JSON text) and a body (opaque bytes). Both sides use this file; the parent treats
 * everything it reads as hostile, so every size is checked against a limit before memory is
 * reserved. Pure functions on buffers: who reads and writes the socket is not known here.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* The header on the wire; `len` counts the bytes behind these 20. */
struct frame_head {
	uint32_t len;
	uint16_t type;
	uint16_t flags;
	uint32_t run;
	uint32_t call;
	uint32_t head_len;
};
enum { FRAME_HEAD_SIZE = 20 };

struct frame {
	uint16_t type;
	uint32_t run, call;
	struct sv head, body; /* borrowed from the buffer it was parsed from */
};

/*
 * The frame at the start of `in`. Returns its whole size (to be consumed after use), 0 when more
 * bytes are needed, ERR_INVALID when the sizes contradict each other, ERR_LIMIT over max_len.
 */
int64_t frame_parse(struct sv in, size_t max_len, struct frame *ret, struct err *err);

/* Appends a frame to out (sticky on overflow, as every buffer). */
void frame_write(struct buf *out, const struct frame *f);
