/*
 * Binary format of PostgreSQL's wire (documentation: "Frontend/Backend Protocol", and the send and
 * receive functions of each type): integers and floats big-endian, text and bytea as they are, an
 * array as dimensions, null flag, element type, length, lower bound, then its elements with their
 * lengths.
 */
#include "data/enc.h"
#include "db/postgres.h"

#include <endian.h>

/* pg_type.dat; they never change. */
enum {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
	OID_FLOAT4 = 700,
	OID_FLOAT8 = 701,
	OID_VARCHAR = 1043,
	OID_BYTEA_ARRAY = 1001,
	OID_TEXT_ARRAY = 1009,
	OID_INT8_ARRAY = 1016,
	OID_FLOAT8_ARRAY = 1022,
};

static Oid element_of(Oid type)
{
	switch (type) {
	case OID_BYTEA_ARRAY: return OID_BYTEA;
	case OID_TEXT_ARRAY: return OID_TEXT;
	case OID_INT8_ARRAY: return OID_INT8;
	case OID_FLOAT8_ARRAY: return OID_FLOAT8;
	default: return 0;
	}
}

bool pg_is_array(Oid type)
{
	return element_of(type) != 0;
}

bool pg_type_is_known(Oid type)
{
	switch (type) {
	case OID_BOOL:
	case OID_BYTEA:
	case OID_INT8:
	case OID_INT2:
	case OID_INT4:
	case OID_TEXT:
	case OID_FLOAT4:
	case OID_FLOAT8:
	case OID_VARCHAR: return true;
	default: return pg_is_array(type);
	}
}

bool pg_type_takes_all(Oid type)
{
	return type == OID_INT8 || type == OID_FLOAT8 || type == OID_BYTEA || type == OID_TEXT ||
	       type == OID_VARCHAR || pg_is_array(type);
}

/* Encoding. */

static void put32(struct buf *out, int32_t v)
{
	uint32_t wire = htobe32((uint32_t)v);

	buf_add(out, &wire, sizeof(wire));
}

static void put64(struct buf *out, uint64_t v)
{
	uint64_t wire = htobe64(v);

	buf_add(out, &wire, sizeof(wire));
}

static void put_f64(struct buf *out, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	put64(out, bits);
}

static int put_int(struct buf *out, Oid type, int64_t v, struct err *err)
{
	if (type == OID_FLOAT8)
		put_f64(out, (double)v);
	else if (type == OID_INT8)
		put64(out, (uint64_t)v);
	else
		return err_set(err, ERR_INTERNAL, "a number for type %u", type);
	return 0;
}

/* PostgreSQL's text has no NUL and only UTF-8: the one is left out, what is not the other repaired.
 */
static void put_text(struct buf *out, struct sv text)
{
	if (!memchr(text.ptr, 0, text.len)) {
		enc_utf8(out, text);
		return;
	}
	for (size_t from = 0, i = 0; i <= text.len; i++) {
		if (i < text.len && text.ptr[i])
			continue;
		enc_utf8(out, sv_make(text.ptr + from, i - from));
		from = i + 1;
	}
}

static bool text_fits(struct sv text)
{
	return !memchr(text.ptr, 0, text.len) && enc_is_utf8(text);
}

static bool is_text(Oid type)
{
	return type == OID_TEXT || type == OID_VARCHAR;
}

static int put_scalar(struct buf *out, Oid type, const struct arg *a, struct err *err)
{
	switch (a->type) {
	case ARG_NULL: return 0;
	case ARG_I64: return put_int(out, type, a->i64, err);
	case ARG_F64:
		if (type != OID_FLOAT8)
			break;
		put_f64(out, a->f64);
		return 0;
	case ARG_TEXT:
		if (!is_text(type))
			break;
		put_text(out, a->sv);
		return 0;
	case ARG_BLOB:
		if (type != OID_BYTEA)
			break;
		buf_sv_add(out, a->sv);
		return 0;
	}
	return err_set(err, ERR_INTERNAL, "an argument of kind %d for type %u", (int)a->type, type);
}

/* An element or a value: its length, then the bytes. */
static int put_element(struct buf *out, Oid type, const struct arg *a, struct err *err)
{
	size_t at = out->len;

	put32(out, -1);
	if (a->type == ARG_NULL)
		return 0;
	TRY(put_scalar(out, type, a, err));
	if (!buf_ok(out))
		return 0; /* noticed at the end */
	uint32_t wire = htobe32((uint32_t)(out->len - at - 4));
	memcpy(out->ptr + at, &wire, sizeof(wire));
	return 0;
}

static int put_array(struct buf *out, Oid type, const struct arg *args, size_t stride, size_t rows,
	struct err *err)
{
	Oid element = element_of(type);

	put32(out, rows ? 1 : 0);
	put32(out, 1); /* there may be NULLs */
	put32(out, (int32_t)element);
	if (rows) {
		put32(out, (int32_t)rows);
		put32(out, 1);
	}
	for (size_t i = 0; i < rows; i++)
		TRY(put_element(out, element, &args[i * stride], err));
	return 0;
}

static bool same_arg(const struct arg *a, const struct arg *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case ARG_NULL: return true;
	case ARG_I64: return a->i64 == b->i64;
	case ARG_F64: return a->f64 == b->f64;
	case ARG_TEXT:
	case ARG_BLOB: return sv_eq(a->sv, b->sv);
	}
	return false;
}

/* Large values are not copied. */
static bool as_it_is(Oid type, const struct arg *a)
{
	return (a->type == ARG_BLOB && type == OID_BYTEA) ||
	       (a->type == ARG_TEXT && is_text(type) && text_fits(a->sv));
}

static int encode_one(Oid type, const struct arg *args, size_t stride, size_t rows,
	struct buf *scratch, struct pg_values *ret, int i, struct err *err)
{
	size_t start = scratch->len;

	ret->formats[i] = 1;
	ret->values[i] = NULL;
	ret->offsets[i] = -1;
	ret->lengths[i] = 0;
	if (pg_is_array(type)) {
		TRY(put_array(scratch, type, args, stride, rows, err));
	} else {
		for (size_t k = 1; k < rows; k++)
			assert(same_arg(args, &args[k * stride]));
		if (args->type == ARG_NULL)
			return 0;
		if (as_it_is(type, args)) {
			ret->values[i] = args->sv.len ? args->sv.ptr : "";
			ret->lengths[i] = (int)args->sv.len;
			return 0;
		}
		TRY(put_scalar(scratch, type, args, err));
	}
	ret->offsets[i] = (ptrdiff_t)start;
	ret->lengths[i] = (int)(scratch->len - start);
	return 0;
}

int pg_encode(const struct pg_types *t, const char *what, const struct arg *args, size_t count,
	size_t rows, struct buf *scratch, struct pg_values *ret, struct err *err)
{
	if (count != (size_t)t->count || count > PG_ARGS_MAX)
		return err_set(err, ERR_INTERNAL, "%s: %zu arguments for %d parameters", what,
			count, t->count);
	buf_clear(scratch);
	buf_reserve(scratch, 1); /* an empty text has an address, too */
	ret->count = t->count;
	for (int i = 0; i < t->count; i++)
		if (encode_one(t->oids[i], &args[i], count, rows, scratch, ret, i, err) < 0)
			return err_wrap(err, "%s: argument %d", what, i + 1);
	if (!buf_ok(scratch))
		return err_set(err, ERR_LIMIT, "%s: more than the database takes at once", what);
	for (int i = 0; i < t->count; i++)
		if (ret->offsets[i] >= 0)
			ret->values[i] = scratch->ptr + ret->offsets[i];
	return 0;
}

/* Decoding. Columns of other types are refused when queries are checked (db_check). */

static uint64_t get64(const char *bytes)
{
	uint64_t wire;

	memcpy(&wire, bytes, sizeof(wire));
	return be64toh(wire);
}

static uint32_t get32(const char *bytes)
{
	uint32_t wire;

	memcpy(&wire, bytes, sizeof(wire));
	return be32toh(wire);
}

int64_t pg_decode_i64(Oid type, const char *bytes)
{
	uint16_t wire;

	switch (type) {
	case OID_INT8: return (int64_t)get64(bytes);
	case OID_INT4: return (int32_t)get32(bytes);
	case OID_BOOL: return bytes[0] != 0;
	case OID_INT2: memcpy(&wire, bytes, sizeof(wire)); return (int16_t)be16toh(wire);
	default: assert(!"a column of numbers"); return 0;
	}
}

double pg_decode_f64(Oid type, const char *bytes)
{
	uint64_t bits64;
	uint32_t bits32;
	double d;
	float f;

	switch (type) {
	case OID_FLOAT8:
		bits64 = get64(bytes);
		memcpy(&d, &bits64, sizeof(d));
		return d;
	case OID_FLOAT4:
		bits32 = get32(bytes);
		memcpy(&f, &bits32, sizeof(f));
		return f;
	default: return (double)pg_decode_i64(type, bytes);
	}
}
