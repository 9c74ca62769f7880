#include "io/frame.h"

_Static_assert(sizeof(struct frame_head) == FRAME_HEAD_SIZE, "the wire format has no padding");

int64_t frame_parse(struct sv in, size_t max_len, struct frame *ret, struct err *err)
{
	struct frame_head h;

	if (in.len < sizeof(h))
		return 0;
	memcpy(&h, in.ptr, sizeof(h));
	if (h.len > max_len)
		return err_set(
			err, ERR_LIMIT, "message of %u bytes, at most %zu allowed", h.len, max_len);
	if (h.head_len > h.len)
		return err_set(err, ERR_INVALID, "message head longer than the message");
	if (in.len - sizeof(h) < h.len)
		return 0;
	const char *at = in.ptr + sizeof(h);
	*ret = (struct frame){
		.type = h.type,
		.run = h.run,
		.call = h.call,
		.head = sv_make(at, h.head_len),
		.body = sv_make(at + h.head_len, h.len - h.head_len),
	};
	return (int64_t)sizeof(h) + h.len;
}

void frame_write(struct buf *out, const struct frame *f)
{
	size_t len = f->head.len + f->body.len;
	assert(len <= UINT32_MAX);
	struct frame_head h = {
		.len = (uint32_t)len,
		.type = f->type,
		.run = f->run,
		.call = f->call,
		.head_len = (uint32_t)f->head.len,
	};
	buf_add(out, &h, sizeof(h));
	buf_sv_add(out, f->head);
	buf_sv_add(out, f->body);
}
