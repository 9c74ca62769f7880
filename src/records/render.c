#include "records/render.h"

#include "db/keys.h"
#include "records/json_canon.h"
#include "records/payload.h"

enum { COL_STAMP, COL_ID, COL_CREATED, COL_DELETED, COL_PRUNED, COL_SEALED };

int render_init(struct render *r, const struct records_of *of, struct err *err)
{
	*r = (struct render){ .of = of };
	TRY(record_ad_init(&r->ad, of, err));
	r->space = cursor_space(of->connection, of->model);
	buf_init(&r->payload, JC_BATCH_BYTES_MAX);
	buf_init(&r->spare, JC_BATCH_BYTES_MAX);
	buf_init(&r->metadata, 4096);
	return 0;
}

void render_done(struct render *r)
{
	buf_done(&r->payload);
	buf_done(&r->spare);
	buf_done(&r->metadata);
}

static void put_time(struct render *r, const char *key, int64_t us)
{
	char text[ISO_TEXT_MAX];

	buf_str(&r->metadata, key);
	buf_char(&r->metadata, '"');
	buf_add(&r->metadata, text, iso_write(&r->iso, us, text));
	buf_char(&r->metadata, '"');
}

static void put_time_or_null(struct render *r, const char *key, struct rows *row, int col)
{
	if (!row_null(row, col)) {
		put_time(r, key, row_i64(row, col));
		return;
	}
	buf_str(&r->metadata, key);
	buf_str(&r->metadata, "null");
}

static void put_metadata(struct render *r, struct rows *row, struct sv id)
{
	int64_t stamp = row_i64(row, COL_STAMP), created = row_i64(row, COL_CREATED);
	const char *action = !row_null(row, COL_DELETED) ? "\"DELETED\""
			     : created == stamp		 ? "\"ADDED\""
							 : "\"UPDATED\"";

	buf_clear(&r->metadata);
	put_time(r, "{\"first_seen_at\":", created);
	put_time(r, ",\"last_modified_at\":", stamp);
	buf_str(&r->metadata, ",\"last_action\":");
	buf_str(&r->metadata, action);
	put_time_or_null(r, ",\"deleted_at\":", row, COL_DELETED);
	put_time_or_null(r, ",\"pruned_at\":", row, COL_PRUNED);
	buf_str(&r->metadata, ",\"cursor\":\"");
	cursor_write(r->space, &r->iso, stamp, id, &r->metadata);
	buf_str(&r->metadata, "\"}");
}

int render_open(struct render *r, struct rows *row, struct err *err)
{
	struct sv id = row_sv(row, COL_ID), sealed = row_sv(row, COL_SEALED);

	buf_clear(&r->payload);
	if (!sealed.ptr) {
		buf_str(&r->payload, "{}");
		return 0;
	}
	TRY(keys_open(row->c, r->of->keys, r->of->environment, record_ad(&r->ad, id), sealed,
		&r->payload, err));
	return payload_unpack(&r->payload, &r->spare, err);
}

void render_row(struct render *r, struct rows *row, struct buf *out)
{
	struct sv id = row_sv(row, COL_ID);

	put_metadata(r, row, id);
	jc_render(buf_sv(&r->payload), id, buf_sv(&r->metadata), out);
}
