#include "transfer/import.h"

#include "base/clock.h"
#include "base/fault.h"
#include "crypto/keyring.h"
#include "model/sealed.h"
#include "transfer/lines.h"
#include "transfer/reader.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A batch is one transaction. */
enum { BATCH_ROWS = 4000, BATCH_BYTES = 4 << 20, TELL_ROWS = 2000 };

/* What the target remembers of an import. */
struct mark {
	char export_id[40];
	int64_t position;
	char digest[HASH_HEX_SIZE];
};

struct reader {
	struct import *in;
	struct db *db;
	struct line_reader lines;
	struct export_header header;
	struct mark done; /* by an earlier attempt */
	bool resuming;

	size_t table; /* the one its rows are read of; table_count before the first */
	size_t begun; /* tables */
	int64_t *rows, *sequences; /* by table */
	struct transfer_progress progress;

	/* The batch in work. */
	struct arena arena;
	struct arg *args;
	size_t batch_rows, batch_bytes, args_cap;
};

static int mark_read(struct dbc *c, struct mark *ret, struct err *err)
{
	own_in(rows_done) struct rows r = { 0 };

	TRY(db_one(c, Q_IMPORT_FIND, NO_ARGS, &r, err));
	snprintf(ret->export_id, sizeof(ret->export_id), "%.*s", SV(row_sv(&r, 0)));
	ret->position = row_i64(&r, 1);
	snprintf(ret->digest, sizeof(ret->digest), "%.*s", SV(row_sv(&r, 2)));
	return 0;
}

int import_check_none(struct dbc *c, struct err *err)
{
	struct mark m;

	int rc = mark_read(c, &m, err);
	if (rc == ERR_NOT_FOUND)
		return 0;
	TRY(rc);
	return err_set(err, ERR_CONFLICT,
		"the import of export %s is not complete (run `tidemark import` with its file "
		"again, or "
		"begin with an empty target)",
		m.export_id);
}

/* --- beginning --- */

static int check_empty(struct dbc *c, struct err *err)
{
	for (size_t i = 0; i < table_count; i++) {
		int64_t n;
		TRY(db_one_i64(c, tables[i].count, NO_ARGS, &n, err));
		if (n)
			return err_set(err, ERR_CONFLICT,
				"the target is not empty: table %s has %lld rows (import into a "
				"new data "
				"folder or an empty database)",
				tables[i].name, (long long)n);
	}
	return 0;
}

static int begin_job(struct dbc *c, void *arg, struct err *err)
{
	struct reader *r = arg;
	char digest[HASH_HEX_SIZE];

	int rc = mark_read(c, &r->done, err);
	r->resuming = rc == 0;
	if (rc == 0 && strcmp(r->done.export_id, r->header.id) != 0)
		return err_set(err, ERR_CONFLICT,
			"the import of another export, %s, is not complete here (give its file, or "
			"an empty "
			"target)",
			r->done.export_id);
	if (rc != ERR_NOT_FOUND)
		return rc;
	TRY(check_empty(c, err));
	return db_exec(c, Q_IMPORT_BEGIN,
		ARGS(arg_str(r->header.id), arg_i64(r->lines.position),
			arg_str(line_digest(r->lines.sum, digest)), arg_i64(clock_now_ms())),
		NULL, err);
}

static int check_key(const struct reader *r, struct err *err)
{
	char ours[KEY_FINGERPRINT_SIZE];

	keyring_fingerprint(r->in->keys, ours);
	if (strcmp(ours, r->header.key) != 0)
		return err_set(err, ERR_INVALID,
			"the export is sealed with master key %s, here is %s (put the exporting "
			"installation's master.key here, or set TIDEMARK_ENCRYPTION_KEY to it)",
			r->header.key, ours);
	return 0;
}

static int begin(struct reader *r, struct err *err)
{
	struct sv line;

	int rc = line_next(&r->lines, &line, err);
	if (rc == 0)
		return err_set(err, ERR_INVALID, "the file is empty");
	TRY(rc);
	TRY(read_header(line, &r->header, err));
	line_accept(&r->lines, false);
	TRY(check_key(r, err));
	return db_run(r->db, DB_WRITE, begin_job, r, err);
}

/* --- rows --- */

static int batch_job(struct dbc *c, void *arg, struct err *err)
{
	struct reader *r = arg;
	const struct table *t = &tables[r->table];
	char digest[HASH_HEX_SIZE];

	TRY(db_exec_many(c, t->insert, r->args, t->column_count, r->batch_rows, NULL, err));
	TRY(FAULT("import.batch", err));
	return db_exec(c, Q_IMPORT_PROGRESS,
		ARGS(arg_str(r->header.id), arg_i64(r->lines.position),
			arg_str(line_digest(r->lines.sum, digest))),
		NULL, err);
}

static int batch_flush(struct reader *r, struct err *err)
{
	if (r->batch_rows == 0)
		return 0;
	int rc = db_run(r->db, DB_WRITE, batch_job, r, err);
	r->batch_rows = r->batch_bytes = 0;
	arena_done(&r->arena);
	return rc < 0 ? err_wrap(err, "table %s", tables[r->table].name) : 0;
}

static int add_row(struct reader *r, struct sv line, struct err *err)
{
	const struct table *t = &tables[r->table];
	size_t need = (r->batch_rows + 1) * t->column_count;

	if (need > r->args_cap) {
		r->args_cap = need * 2;
		r->args = mem_realloc(r->args, r->args_cap * sizeof(*r->args));
	}
	TRY(read_row(line, t, &r->arena, r->args + need - t->column_count, err));
	r->batch_rows++;
	r->batch_bytes += line.len;
	line_accept(&r->lines, true);
	if (r->batch_rows < BATCH_ROWS && r->batch_bytes < BATCH_BYTES)
		return 0;
	return batch_flush(r, err);
}

/* A row that an earlier attempt has stored. */
static int skip_row(struct reader *r, struct err *err)
{
	char digest[HASH_HEX_SIZE];

	line_accept(&r->lines, true);
	r->in->resumed_rows++;
	if (r->lines.position < r->done.position)
		return 0;
	if (r->lines.position > r->done.position ||
		strcmp(line_digest(r->lines.sum, digest), r->done.digest) != 0)
		return err_set(err, ERR_INVALID,
			"what was imported before came from another or damaged file of the same "
			"export "
			"(begin with an empty target)");
	return 0;
}

static void tell(struct reader *r)
{
	struct transfer_watcher *t = &r->in->watcher;

	r->progress.table = r->begun ? tables[r->begun - 1].name : "";
	r->progress.rows = r->in->rows;
	r->progress.skipped = r->in->resumed_rows;
	r->progress.done = r->lines.position;
	r->progress.total = r->in->file_bytes;
	if (t->fn)
		t->fn(t->ctx, &r->progress);
}

static int take_row(struct reader *r, struct sv line, struct err *err)
{
	if (r->begun == 0)
		return err_set(err, ERR_INVALID, "a row comes before the first table");
	r->rows[r->table]++;
	if (++r->in->rows % TELL_ROWS == 0)
		tell(r);
	if (r->resuming && r->lines.position < r->done.position)
		return skip_row(r, err);
	return add_row(r, line, err);
}

static int take_table(struct reader *r, struct sv line, struct err *err)
{
	if (r->begun == table_count)
		return err_set(err, ERR_INVALID, "there are more tables than expected");
	TRY(read_table(line, &tables[r->begun], &r->sequences[r->begun], err));
	/* Before the position moves on: the batch ends with its last row. */
	TRY(batch_flush(r, err));
	r->table = r->begun++;
	line_accept(&r->lines, true);
	return 0;
}

/* --- the end --- */

static int check_counts(struct dbc *c, const struct reader *r, struct err *err)
{
	for (size_t i = 0; i < table_count; i++) {
		int64_t n;
		TRY(db_one_i64(c, tables[i].count, NO_ARGS, &n, err));
		if (n != r->rows[i])
			return err_set(err, ERR_CONFLICT,
				"table %s has %lld rows now, not %lld: somebody else writes into "
				"the target",
				tables[i].name, (long long)n, (long long)r->rows[i]);
	}
	return 0;
}

static int set_sequences(struct dbc *c, const struct reader *r, struct err *err)
{
	for (size_t i = 0; i < table_count; i++) {
		struct arg name = arg_str(tables[i].name);
		if (!tables[i].identity)
			continue;
		TRY(db_exec(c, Q_SEQUENCE_CLEAR, &name, 1, NULL, err));
		TRY(db_exec(c, Q_SEQUENCE_SET, ARGS(name, arg_i64(r->sequences[i])), NULL, err));
	}
	return 0;
}

static int end_job(struct dbc *c, void *arg, struct err *err)
{
	struct reader *r = arg;

	TRY(check_counts(c, r, err));
	TRY(set_sequences(c, r, err));
	TRY(sealed_check_master(c, r->in->keys, err));
	TRY(FAULT("import.end", err));
	return db_exec(c, Q_IMPORT_END, ARGS(arg_str(r->header.id)), NULL, err);
}

static int finish(struct reader *r, struct sv line, struct err *err)
{
	char digest[HASH_HEX_SIZE];
	struct sv more;

	TRY(batch_flush(r, err));
	TRY(check_trailer(line, r->rows, line_digest(r->lines.sum, digest), err));
	line_accept(&r->lines, false);
	if (line_next(&r->lines, &more, NULL) != 0)
		return err_set(err, ERR_INVALID, "something follows the last line");
	tell(r);
	return db_run(r->db, DB_WRITE, end_job, r, err);
}

static int take_lines(struct reader *r, struct err *err)
{
	struct sv line;
	int rc;

	while ((rc = line_next(&r->lines, &line, err)) > 0) {
		if (is_trailer(line))
			return finish(r, line, err);
		TRY(is_row(line) ? take_row(r, line, err) : take_table(r, line, err));
	}
	TRY(rc);
	return err_set(err, ERR_INVALID, "the file ends in the middle");
}

/* Where it went wrong, and that it is not complete. */
static int incomplete(struct reader *r, struct err *err)
{
	const char *table = r->begun ? tables[r->begun - 1].name : "the first table";

	return err_wrap(
		err, "not complete, stopped in %s after %lld rows", table, (long long)r->in->rows);
}

int import_all(struct db *db, struct import *in, struct err *err)
{
	struct reader r = { .in = in, .db = db };

	in->rows = in->resumed_rows = 0;
	line_reader_init(&r.lines, in->fd);
	r.rows = mem_array(table_count, sizeof(*r.rows));
	r.sequences = mem_array(table_count, sizeof(*r.sequences));
	int rc = begin(&r, err);
	if (rc == 0 && take_lines(&r, err) < 0)
		rc = incomplete(&r, err);
	line_reader_done(&r.lines);
	arena_done(&r.arena);
	mem_free(r.rows);
	mem_free(r.sequences);
	mem_free(r.args);
	return rc;
}

int import_check_end(int fd, struct err *err)
{
	char tail[16384];
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	off_t from = st.st_size > (off_t)sizeof(tail) ? st.st_size - (off_t)sizeof(tail) : 0;
	ssize_t n = pread(fd, tail, sizeof(tail), from);
	size_t len = n > 0 ? (size_t)n : 0, start = len ? len - 1 : 0;
	while (start > 0 && tail[start - 1] != '\n')
		start--;
	if (len == 0 || tail[len - 1] != '\n' || !is_trailer(sv_make(tail + start, len - start)))
		return err_set(err, ERR_INVALID,
			"the file does not end as an export does: it is cut off, or none (copy it "
			"again)");
	return 0;
}
