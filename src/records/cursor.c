#include "records/cursor.h"

#include "base/clock.h"
#include "data/enc.h"
#include "data/uuid.h"

#define XXH_INLINE_ALL
#include <stdio.h>
#include <xxhash.h>

#define DAY_US (86400 * (int64_t)1000000)

struct cursor_space cursor_space(int64_t connection, struct sv model)
{
	struct cursor_space s;
	own_in(buf_done) struct buf name = { 0 };

	buf_init(&name, model.len + 32);
	buf_i64(&name, connection);
	buf_sv_add(&name, model);
	struct uuid u = uuid_v5(UUID_NIL, buf_sv(&name));
	memcpy(s.tag, u.bytes, sizeof(s.tag));
	s.tag[6] = (uint8_t)((s.tag[6] & 0x0F) | 0x80); /* version 8 */
	return s;
}

static struct uuid row_uuid(struct cursor_space s, struct sv external_id)
{
	struct uuid u;
	uint64_t h = XXH3_64bits(external_id.ptr, external_id.len);

	memcpy(u.bytes, s.tag, 8);
	for (int i = 0; i < 8; i++)
		u.bytes[8 + i] = (uint8_t)(h >> (56 - 8 * i));
	u.bytes[8] = (uint8_t)((u.bytes[8] & 0x3F) | 0x80);
	return u;
}

static char *two_digits(char *at, int v)
{
	*at++ = (char)('0' + v / 10);
	*at++ = (char)('0' + v % 10);
	return at;
}

static char *fraction_write(char *at, int us)
{
	if (us == 0)
		return at;
	*at++ = '.';
	for (int scale = 100000; us; us %= scale, scale /= 10)
		*at++ = (char)('0' + us / scale);
	return at;
}

size_t iso_write(struct iso_writer *w, int64_t us, char out[ISO_TEXT_MAX])
{
	int64_t day = us / DAY_US;
	int seconds = (int)(us % DAY_US / 1000000);
	char full[CLOCK_ISO_SIZE];
	char *at = out + 11;

	if (us < 0) { /* only a given time of deletion */
		clock_iso_us(us, full);
		memcpy(out, full, strlen(full));
		return strlen(full);
	}
	if (!w->date[0] || day != w->day) {
		clock_iso_us(us, full);
		memcpy(w->date, full, 11); /* with the T */
		w->day = day;
	}
	memcpy(out, w->date, 11);
	at = two_digits(at, seconds / 3600);
	*at++ = ':';
	at = two_digits(at, seconds / 60 % 60);
	*at++ = ':';
	at = two_digits(at, seconds % 60);
	at = fraction_write(at, (int)(us % 1000000));
	memcpy(at, "+00:00", 6);
	return (size_t)(at + 6 - out);
}

void cursor_write(struct cursor_space s, struct iso_writer *iso, int64_t stamp,
	struct sv external_id, struct buf *out)
{
	char text[ISO_TEXT_MAX + 2 + UUID_TEXT_SIZE];

	size_t n = iso_write(iso, stamp, text);
	memcpy(text + n, "||", 2);
	uuid_format(row_uuid(s, external_id), text + n + 2);
	enc_base64(out, sv_make(text, n + 2 + UUID_TEXT_SIZE - 1));
}

static bool cursor_parse(struct sv plain, int64_t *ret_stamp, struct uuid *ret_row)
{
	for (size_t i = 0; i + 2 <= plain.len; i++) {
		if (plain.ptr[i] != '|' || plain.ptr[i + 1] != '|')
			continue;
		/* A third part would not be a uuid. */
		return clock_parse_iso(sv_make(plain.ptr, i), ret_stamp) &&
		       uuid_parse(sv_from(plain, i + 2), ret_row);
	}
	return false;
}

/* Its cursors end in the uuid of a row, version 5; nobody makes version 8 but us. */
static bool of_another_system(struct uuid row)
{
	int version = row.bytes[6] >> 4;

	return version >= 1 && version <= 7;
}

int cursor_read(struct cursor_space s, struct sv text, int64_t *ret_stamp, struct err *err)
{
	own_in(buf_done) struct buf plain = { 0 };
	struct uuid row;
	int64_t stamp;

	buf_init(&plain, 4096);
	enc_unbase64(&plain, text);
	if (!buf_ok(&plain) || !cursor_parse(buf_sv(&plain), &stamp, &row) ||
		!(of_another_system(row) || memcmp(row.bytes, s.tag, sizeof(s.tag)) == 0))
		return err_set(err, ERR_INVALID, "Invalid cursor");
	*ret_stamp = stamp;
	return 0;
}
