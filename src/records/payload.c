#include "records/payload.h"

#include "records/json_canon.h"

#include <lz4.h>

/*
 * Measured on records of public APIs (docs/performance.md): below this, compressing takes longer
 * than writing what it saves. A record that shrinks by less than an eighth is not worth opening
 * twice.
 */
enum { PACK_MIN = 512, MARK = 1, HEAD = 5 };

struct sv payload_pack(struct sv json, struct buf *room)
{
	if (json.len < PACK_MIN || json.len > LZ4_MAX_INPUT_SIZE)
		return json;
	size_t most = json.len - json.len / 8;
	buf_clear(room);
	unsigned char *at = (unsigned char *)buf_reserve(room, most);
	if (!at)
		return json;
	int n = LZ4_compress_default(
		json.ptr, (char *)at + HEAD, (int)json.len, (int)(most - HEAD));
	if (n <= 0)
		return json;
	at[0] = MARK;
	for (int i = 0; i < 4; i++)
		at[1 + i] = (unsigned char)(json.len >> 8 * i);
	buf_grow(room, HEAD + (size_t)n);
	return buf_sv(room);
}

static int damaged(struct err *err)
{
	return err_set(err, ERR_INTERNAL, "a stored payload is damaged");
}

int payload_unpack(struct buf *opened, struct buf *spare, struct err *err)
{
	const unsigned char *at = (const unsigned char *)opened->ptr;
	size_t len = 0;

	if (opened->len == 0 || at[0] != MARK)
		return 0;
	if (opened->len < HEAD)
		return damaged(err);
	for (int i = 0; i < 4; i++)
		len |= (size_t)at[1 + i] << 8 * i;
	if (len > JC_BATCH_BYTES_MAX)
		return damaged(err);
	buf_clear(spare);
	char *room = buf_reserve(spare, len);
	if (!room)
		return err_set(err, ERR_LIMIT, "a stored payload is too large");
	if (LZ4_decompress_safe(
		    (const char *)at + HEAD, room, (int)(opened->len - HEAD), (int)len) != (int)len)
		return damaged(err);
	buf_grow(spare, len);
	struct buf json = *spare;
	*spare = *opened;
	*opened = json;
	return 0;
}
