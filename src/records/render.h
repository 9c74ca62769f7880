/*
 * One stored record as the API shows it: its payload opened, with `_nango_metadata`. Internal to
 * records/.
 */
#pragma once

#include "records/cursor.h"
#include "records/dataset.h"

struct render {
	const struct records_of *of;
	struct cursor_space space;
	struct record_ad ad;
	struct iso_writer iso;
	struct buf payload, metadata, spare; /* of the record in work */
};

int render_init(struct render *r, const struct records_of *of, struct err *err) MUST_CHECK;
void render_done(struct render *r);

/* Opens the payload of a row of record_feed_page or record_feed_row. */
int render_open(struct render *r, struct rows *row, struct err *err) MUST_CHECK;

/* Appends the record whose payload was opened. */
void render_row(struct render *r, struct rows *row, struct buf *out);
