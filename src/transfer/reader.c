#include "transfer/reader.h"

#include "data/enc.h"
#include "data/json.h"
#include "transfer/lines.h"

#include <stdio.h>

static int no_export(struct err *err)
{
	return err_set(err, ERR_INVALID, "this is no export of tidemark");
}

int read_header(struct sv line, struct export_header *ret, struct err *err)
{
	own(json_unref) struct json_t *h = NULL;
	int64_t format, schema;
	struct sv id, key;

	if (json_parse(line, &h, NULL) < 0 || json_get_int(h, "tidemark_export", &format, NULL) < 0)
		return no_export(err);
	if (format != TRANSFER_FORMAT)
		return err_set(err, ERR_INVALID,
			"the export is of format %lld, this program reads %d (use the tidemark "
			"that "
			"made it)",
			(long long)format, TRANSFER_FORMAT);
	if (json_get_int(h, "schema", &schema, NULL) < 0 || json_get_str(h, "id", &id, NULL) < 0 ||
		json_get_str(h, "key", &key, NULL) < 0 || id.len >= sizeof(ret->id) ||
		key.len >= sizeof(ret->key))
		return no_export(err);
	if (schema != schema_version)
		return err_set(err, ERR_INVALID,
			"the export is of schema %lld, this program is of schema %d (%s)",
			(long long)schema, schema_version,
			schema > schema_version
				? "import with the tidemark that made it, or a newer one"
				: "start a server of this version on the exported data once, then "
				  "export again");
	snprintf(ret->id, sizeof(ret->id), "%.*s", SV(id));
	snprintf(ret->key, sizeof(ret->key), "%.*s", SV(key));
	return 0;
}

int read_table(struct sv line, const struct table *t, int64_t *ret_sequence, struct err *err)
{
	own(json_unref) struct json_t *h = NULL;
	struct json_t *columns;
	struct sv name;

	if (json_parse(line, &h, NULL) < 0 || json_get_str(h, "table", &name, NULL) < 0 ||
		json_get_arr(h, "columns", &columns, NULL) < 0)
		return err_set(err, ERR_INVALID, "expected the begin of table %s", t->name);
	if (!sv_eq_str(name, t->name))
		return err_set(
			err, ERR_INVALID, "expected table %s, found '%.*s'", t->name, SV(name));
	bool same = json_len(columns) == t->column_count;
	for (size_t i = 0; same && i < t->column_count; i++)
		same = sv_eq_str(json_sv(json_item(columns, i)), t->columns[i].name);
	if (!same)
		return err_set(err, ERR_INVALID, "table %s has other columns here", t->name);
	*ret_sequence = 0;
	return t->identity ? json_get_int(h, "sequence", ret_sequence, err) : 0;
}

/* Base64 as bytes in the arena. */
static bool read_bytes(struct sv text, struct arena *a, struct sv *ret)
{
	own_in(buf_done) struct buf bytes = { 0 };

	buf_init(&bytes, LINE_BYTES_MAX);
	if (!enc_unbase64_strict(&bytes, text) || !buf_ok(&bytes))
		return false;
	*ret = arena_sv(a, buf_sv(&bytes));
	return true;
}

static bool read_text(const struct json_t *v, struct arena *a, struct arg *ret)
{
	struct sv text;

	if (json_kind(v) == JSON_KIND_STRING) {
		*ret = arg_sv(arena_sv(a, json_sv(v)));
		return true;
	}
	if (json_kind(v) != JSON_KIND_ARRAY || json_len(v) != 1 ||
		!read_bytes(json_sv(json_item(v, 0)), a, &text))
		return false;
	*ret = arg_sv(text);
	return true;
}

static bool read_value(
	const struct table_column *col, const struct json_t *v, struct arena *a, struct arg *ret)
{
	struct sv bytes;

	if (json_kind(v) == JSON_KIND_NULL) {
		*ret = arg_null();
		return true;
	}
	switch (col->type) {
	case COLUMN_INT: *ret = arg_i64(json_int(v)); return json_is_int(v);
	case COLUMN_REAL:
		*ret = (struct arg){ .type = ARG_F64, .f64 = json_num(v) };
		return json_kind(v) == JSON_KIND_NUMBER;
	case COLUMN_TEXT: return read_text(v, a, ret);
	case COLUMN_BLOB:
		if (json_kind(v) != JSON_KIND_STRING || !read_bytes(json_sv(v), a, &bytes))
			return false;
		*ret = arg_blob(bytes);
		return true;
	}
	return false;
}

int read_row(
	struct sv line, const struct table *t, struct arena *a, struct arg *ret, struct err *err)
{
	own(json_unref) struct json_t *row = NULL;

	TRY(json_parse(line, &row, err));
	if (json_kind(row) != JSON_KIND_ARRAY || json_len(row) != t->column_count)
		return err_set(err, ERR_INVALID, "a row of %s has not %zu values", t->name,
			t->column_count);
	for (size_t i = 0; i < t->column_count; i++)
		if (!read_value(&t->columns[i], json_item(row, i), a, &ret[i]))
			return err_set(err, ERR_INVALID, "a row of %s has a wrong value for %s",
				t->name, t->columns[i].name);
	return 0;
}

int check_trailer(struct sv line, const int64_t *rows, const char *digest, struct err *err)
{
	own(json_unref) struct json_t *whole = NULL;
	struct json_t *counts;
	struct sv sum;

	if (json_parse(line, &whole, NULL) < 0 ||
		json_get_obj(whole, "end.rows", &counts, NULL) < 0 ||
		json_get_str(whole, "end.sha256", &sum, NULL) < 0)
		return err_set(err, ERR_INVALID, "the last line is damaged");
	for (size_t i = 0; i < table_count; i++) {
		const struct json_t *n = json_member(counts, sv_str(tables[i].name));
		if (!json_is_int(n) || json_int(n) != rows[i])
			return err_set(err, ERR_INVALID,
				"table %s has %lld rows, but not as many as the last line says",
				tables[i].name, (long long)rows[i]);
	}
	return sv_eq_str(sum, digest)
		       ? 0
		       : err_set(err, ERR_INVALID, "the checksum does not fit: it is damaged");
}
