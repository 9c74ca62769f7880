#include "records/seen.h"

#include <stdlib.h>

enum { CHUNK_ROWS = 8192, CHUNK_BYTES = CHUNK_ROWS / 8 };

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Mostly sorted already: a sync brings the records in the order it brought them first. */
static void sort_rows(int64_t *rows, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (rows[i - 1] > rows[i]) {
			qsort(rows, count, sizeof(*rows), ascending);
			return;
		}
	}
}

static int chunk_load(
	struct dbc *c, const struct arg key[4], unsigned char bits[CHUNK_BYTES], struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	memset(bits, 0, CHUNK_BYTES);
	TRY(db_query(c, Q_RECORD_SEEN_CHUNK, key, 4, &rows, err));
	int rc = rows_next(&rows, err);
	if (rc <= 0)
		return rc;
	struct sv stored = row_sv(&rows, 0);
	memcpy(bits, stored.ptr, stored.len < CHUNK_BYTES ? stored.len : CHUNK_BYTES);
	return 0;
}

/* Marks the rows at the front that share a chunk; returns how many. */
static int64_t mark_chunk(struct dbc *c, const struct dataset *d, int64_t generation,
	const int64_t *rows, size_t count, struct err *err)
{
	unsigned char bits[CHUNK_BYTES];
	int64_t chunk = rows[0] / CHUNK_ROWS;
	struct arg args[5] = { arg_i64(d->connection), arg_i64(d->id), arg_i64(generation),
		arg_i64(chunk) };
	unsigned char fresh = 0;
	size_t i;

	TRY(chunk_load(c, args, bits, err));
	for (i = 0; i < count && rows[i] / CHUNK_ROWS == chunk; i++) {
		unsigned char *byte = &bits[rows[i] % CHUNK_ROWS / 8];
		unsigned char bit = (unsigned char)(1 << rows[i] % 8);
		fresh |= (unsigned char)(bit & ~*byte);
		*byte |= bit;
	}
	args[4] = arg_blob(sv_make((const char *)bits, sizeof(bits)));
	if (fresh)
		TRY(db_exec(c, Q_RECORD_SEEN_STORE, args, 5, NULL, err));
	return (int64_t)i;
}

int seen_mark(struct dbc *c, const struct dataset *d, int64_t generation, int64_t *rows,
	size_t count, struct err *err)
{
	sort_rows(rows, count);
	for (size_t done = 0; done < count;) {
		int64_t n = mark_chunk(c, d, generation, rows + done, count - done, err);
		TRY((int)(n < 0 ? n : 0));
		done += (size_t)n;
	}
	return 0;
}

int seen_since(struct dbc *c, const struct dataset *d, int64_t generation, struct arena *arena,
	struct seen *ret, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int64_t chunks = d->next_row / CHUNK_ROWS + 1;
	int rc;

	ret->bits = arena_zalloc(arena, (size_t)chunks * CHUNK_BYTES);
	ret->rows = chunks * CHUNK_ROWS;
	TRY(db_query(c, Q_RECORD_SEEN_SINCE,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(generation)), &rows, err));
	while ((rc = rows_next(&rows, err)) > 0) {
		int64_t chunk = row_i64(&rows, 0);
		struct sv bits = row_sv(&rows, 1);
		if (chunk < 0 || chunk >= chunks || bits.len > CHUNK_BYTES)
			return err_set(err, ERR_INTERNAL, "a stored set of seen rows is damaged");
		for (size_t i = 0; i < bits.len; i++)
			ret->bits[(size_t)chunk * CHUNK_BYTES + i] |= (unsigned char)bits.ptr[i];
	}
	return rc;
}
