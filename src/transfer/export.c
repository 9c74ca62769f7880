#include "transfer/export.h"

#include "base/clock.h"
#include "crypto/keyring.h"
#include "data/enc.h"
#include "data/jw.h"
#include "data/uuid.h"
#include "db/db.h"
#include "db/tables.h"
#include "model/sealed.h"
#include "transfer/import.h"
#include "transfer/lines.h"

#include <unistd.h>

enum { PAGE_ROWS = 1000, PAGE_BYTES = 8 << 20, KEY_MAX = 8, TELL_ROWS = 500 };

struct writer {
	struct export *e;
	struct line_writer lines;
	struct dbc *c;
	int64_t *rows; /* by table */
	struct transfer_progress progress;
};

/* Where a table was left: the primary key of the last row, and how many to read next. */
struct place {
	struct arena arena; /* of the key's text */
	struct arg key[KEY_MAX + 1];
	bool begun;
	int64_t limit;
};

static void tell(struct writer *w)
{
	struct transfer_watcher *t = &w->e->watcher;

	w->progress.rows = w->progress.done = w->e->rows;
	if (t->fn)
		t->fn(t->ctx, &w->progress);
}

/* --- a row --- */

static void put_text(struct buf *out, struct sv text)
{
	if (enc_is_utf8(text)) {
		buf_json_str(out, text);
		return;
	}
	buf_str(out, "[\"");
	enc_base64(out, text);
	buf_str(out, "\"]");
}

static void put_value(struct buf *out, const struct table_column *col, struct rows *r, int at)
{
	if (row_null(r, at)) {
		buf_str(out, "null");
		return;
	}
	switch (col->type) {
	case COLUMN_INT: buf_i64(out, row_i64(r, at)); break;
	case COLUMN_REAL: buf_printf(out, "%.17g", row_f64(r, at)); break;
	case COLUMN_TEXT: put_text(out, row_sv(r, at)); break;
	case COLUMN_BLOB:
		buf_char(out, '"');
		enc_base64(out, row_sv(r, at));
		buf_char(out, '"');
		break;
	}
}

static int put_row(struct writer *w, const struct table *t, struct rows *r, struct err *err)
{
	struct buf *out = &w->lines.buf;

	for (size_t i = 0; i < t->column_count; i++) {
		buf_char(out, i ? ',' : '[');
		put_value(out, &t->columns[i], r, (int)i);
	}
	buf_char(out, ']');
	return line_end(&w->lines, true, err);
}

/* --- a table --- */

static void keep_place(struct place *p, const struct table *t, struct rows *r)
{
	arena_done(&p->arena);
	for (size_t i = 0; i < t->key_count; i++) {
		int at = t->key[i];
		switch (t->columns[at].type) {
		case COLUMN_INT: p->key[i] = arg_i64(row_i64(r, at)); break;
		case COLUMN_REAL:
			p->key[i] = (struct arg){ .type = ARG_F64, .f64 = row_f64(r, at) };
			break;
		case COLUMN_TEXT: p->key[i] = arg_sv(arena_sv(&p->arena, row_sv(r, at))); break;
		case COLUMN_BLOB: p->key[i] = arg_blob(arena_sv(&p->arena, row_sv(r, at))); break;
		}
	}
	p->begun = true;
}

/* Pages of large rows are shorter: some back ends hold a whole page in memory. */
static int64_t next_limit(int64_t rows, int64_t bytes)
{
	int64_t each = bytes / (rows ? rows : 1) + 1;
	int64_t fit = PAGE_BYTES / each;

	return fit < 1 ? 1 : fit > PAGE_ROWS ? PAGE_ROWS : fit;
}

static int64_t written(const struct writer *w)
{
	return w->lines.bytes + (int64_t)w->lines.buf.len;
}

/* Returns how many rows there were: fewer than the limit at the end of the table. */
static int64_t put_page(struct writer *w, const struct table *t, struct place *p, struct err *err)
{
	own_in(rows_done) struct rows r = { 0 };
	int64_t n = 0, before = written(w);
	int more;

	struct arg *limit = p->begun ? &p->key[t->key_count] : &p->key[0];
	*limit = arg_i64(p->limit);
	TRY(db_query(w->c, p->begun ? t->next : t->first, p->key, p->begun ? t->key_count + 1 : 1,
		&r, err));
	while ((more = rows_next(&r, err)) > 0) {
		TRY(put_row(w, t, &r, err));
		w->e->rows++;
		if (++n == p->limit)
			keep_place(p, t, &r);
		if (w->e->rows % TELL_ROWS == 0)
			tell(w);
	}
	TRY(more);
	p->limit = next_limit(n, written(w) - before);
	return n;
}

static int put_rows(
	struct writer *w, const struct table *t, struct place *p, int64_t *ret, struct err *err)
{
	int64_t n, limit;

	do {
		limit = p->limit;
		n = put_page(w, t, p, err);
		if (n < 0)
			return (int)n;
		*ret += n;
	} while (n == limit);
	return 0;
}

static int put_table(struct writer *w, size_t index, struct err *err)
{
	const struct table *t = &tables[index];
	struct place p = { .limit = 16 }; /* until it is known how large rows are */
	int64_t sequence = 0;
	struct jw j;

	w->progress.table = t->name;
	assert(t->key_count > 0 && t->key_count <= KEY_MAX);
	if (t->identity)
		TRY(db_one_i64(w->c, Q_SEQUENCE_GET, ARGS(arg_str(t->name)), &sequence, err));
	jw_init(&j, &w->lines.buf);
	jw_obj(&j);
	jw_kv_cstr(&j, "table", t->name);
	jw_kv_arr(&j, "columns");
	for (size_t i = 0; i < t->column_count; i++)
		jw_cstr(&j, t->columns[i].name);
	jw_end(&j);
	if (t->identity)
		jw_kv_i64(&j, "sequence", sequence);
	jw_end(&j);
	TRY(line_end(&w->lines, true, err));
	int rc = put_rows(w, t, &p, &w->rows[index], err);
	arena_done(&p.arena);
	return rc;
}

/* --- the whole --- */

static int put_header(struct writer *w, struct err *err)
{
	char uuid[UUID_TEXT_SIZE], created[CLOCK_ISO_SIZE], key[KEY_FINGERPRINT_SIZE];
	struct jw j;

	keyring_fingerprint(w->e->keys, key);
	jw_init(&j, &w->lines.buf);
	jw_obj(&j);
	jw_kv_i64(&j, "tidemark_export", TRANSFER_FORMAT);
	jw_kv_cstr(&j, "id", uuid_format(uuid_v4(), uuid));
	jw_kv_i64(&j, "schema", schema_version);
	jw_kv_cstr(&j, "created", clock_iso_ms(clock_now_ms(), created));
	jw_kv_cstr(&j, "key", key);
	jw_kv_cstr(&j, "program", TIDEMARK_VERSION);
	jw_end(&j);
	return line_end(&w->lines, false, err);
}

static int put_trailer(struct writer *w, struct err *err)
{
	char sum[HASH_HEX_SIZE];
	struct jw j;

	jw_init(&j, &w->lines.buf);
	jw_obj(&j);
	jw_kv_obj(&j, "end");
	jw_kv_obj(&j, "rows");
	for (size_t i = 0; i < table_count; i++)
		jw_kv_i64(&j, tables[i].name, w->rows[i]);
	jw_end(&j);
	jw_kv_cstr(&j, "sha256", line_digest(w->lines.sum, sum));
	jw_end(&j);
	jw_end(&j);
	TRY(line_end(&w->lines, false, err));
	return line_flush(&w->lines, err);
}

/* Only for who watches: it costs a look at every row. */
static int count_all(struct writer *w, struct err *err)
{
	for (size_t i = 0; w->e->watcher.fn && i < table_count; i++) {
		int64_t n;
		TRY(db_one_i64(w->c, tables[i].count, NO_ARGS, &n, err));
		w->progress.total += n;
	}
	return 0;
}

static int put_all(struct writer *w, struct err *err)
{
	TRY(import_check_none(w->c, err));
	TRY(sealed_check_master(w->c, w->e->keys, err));
	TRY(count_all(w, err));
	TRY(put_header(w, err));
	for (size_t i = 0; i < table_count; i++)
		TRY(put_table(w, i, err));
	return put_trailer(w, err);
}

/* The back end begins again after a lost connection: what a file has is taken back. */
static int rewind_output(struct export *e, struct err *err)
{
	if (e->begun && (lseek(e->fd, 0, SEEK_SET) < 0 || ftruncate(e->fd, 0) < 0))
		return err_set(err, ERR_IO,
			"the connection to the database was lost (run the export again)");
	e->begun = true;
	e->rows = 0;
	return 0;
}

static int export_job(struct dbc *c, void *arg, struct err *err)
{
	struct writer w = { .e = arg, .c = c };

	TRY(rewind_output(w.e, err));
	w.rows = arena_array(db_arena(c), table_count, sizeof(*w.rows));
	line_writer_init(&w.lines, w.e->fd);
	int rc = put_all(&w, err);
	if (rc == 0)
		tell(&w);
	w.e->bytes = w.lines.bytes;
	line_writer_done(&w.lines);
	return rc;
}

int export_all(struct db *db, struct export *e, struct err *err)
{
	return db_run(db, DB_READ, export_job, e, err);
}
