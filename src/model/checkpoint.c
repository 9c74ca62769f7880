#include "model/checkpoint.h"

#include "base/clock.h"
#include "data/json.h"
#include "db/db.h"

char *checkpoint_key(struct arena *a, struct sv kind, struct sv name, struct sv variant)
{
	return arena_printf(
		a, variant.ptr ? "%.*s:%.*s:%.*s" : "%.*s:%.*s", SV(kind), SV(name), SV(variant));
}

static size_t characters(struct sv s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
	return n;
}

static int check_field(struct sv key, const struct json_t *value, struct err *err)
{
	enum json_kind kind = json_kind(value);

	if (characters(key) > CHECKPOINT_KEY_MAX)
		return err_set(err, ERR_INVALID, "a checkpoint key is longer than %d characters",
			CHECKPOINT_KEY_MAX);
	if (kind != JSON_KIND_STRING && kind != JSON_KIND_NUMBER && kind != JSON_KIND_BOOL)
		return err_set(err, ERR_INVALID,
			"checkpoint '%.*s' is %s: only strings, numbers, booleans and dates can "
			"be kept",
			SV(key), json_kind_name(kind));
	if (kind == JSON_KIND_STRING && characters(json_sv(value)) > CHECKPOINT_TEXT_MAX)
		return err_set(err, ERR_LIMIT, "checkpoint '%.*s' is longer than %d characters",
			SV(key), CHECKPOINT_TEXT_MAX);
	return 0;
}

int checkpoint_check(const struct json_t *value, struct err *err)
{
	struct sv key;
	struct json_t *field;

	if (json_kind(value) != JSON_KIND_OBJECT)
		return err_set(err, ERR_INVALID, "a checkpoint is an object, not %s",
			json_kind_name(json_kind(value)));
	if (json_len(value) > CHECKPOINT_FIELDS_MAX)
		return err_set(err, ERR_LIMIT, "a checkpoint has %zu keys, at most %d are kept",
			json_len(value), CHECKPOINT_FIELDS_MAX);
	for (void *it = NULL; json_next(value, &it, &key, &field);)
		TRY(check_field(key, field, err));
	return 0;
}

int checkpoint_get(struct dbc *c, int64_t connection, struct sv key, struct arena *a,
	struct checkpoint *ret, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_query(c, Q_CHECKPOINT_GET, ARGS(arg_i64(connection), arg_sv(key)), &rows, err));
	int rc = rows_next(&rows, err);
	TRY(rc);
	*ret = (struct checkpoint){ 0 };
	if (rc == 0)
		return 0;
	ret->version = row_i64(&rows, 1);
	if (row_null(&rows, 2))
		ret->value = arena_sv(a, row_sv(&rows, 0));
	return 0;
}

/* The version of the row, 0 without one; live says whether it holds a value. */
static int lock_row(struct dbc *c, int64_t connection, struct sv key, int64_t *ret_version,
	bool *ret_live, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_query(c, Q_CHECKPOINT_LOCK, ARGS(arg_i64(connection), arg_sv(key)), &rows, err));
	int rc = rows_next(&rows, err);
	TRY(rc);
	*ret_version = rc ? row_i64(&rows, 0) : 0;
	*ret_live = rc && row_null(&rows, 1);
	return 0;
}

static int check_version(int64_t expected, int64_t stored, struct err *err)
{
	if (expected && stored && expected != stored)
		return err_set(err, ERR_CONFLICT,
			"the checkpoint was changed by someone else since it was read");
	return 0;
}

int checkpoint_put(struct dbc *c, int64_t environment, int64_t connection, struct sv key,
	struct sv value, int64_t *version, struct err *err)
{
	int64_t stored, now = clock_now_ms();
	bool live;

	if (key.len > CHECKPOINT_KEY_MAX)
		return err_set(err, ERR_LIMIT, "the checkpoint's name is longer than %d characters",
			CHECKPOINT_KEY_MAX);
	TRY(lock_row(c, connection, key, &stored, &live, err));
	TRY(check_version(*version, stored, err));
	if (stored == 0)
		TRY(db_exec(c, Q_CHECKPOINT_INSERT,
			ARGS(arg_i64(environment), arg_i64(connection), arg_sv(key), arg_sv(value),
				arg_i64(now)),
			NULL, err));
	else
		TRY(db_exec(c, Q_CHECKPOINT_UPDATE,
			ARGS(arg_i64(connection), arg_sv(key), arg_sv(value), arg_i64(now)), NULL,
			err));
	*version = stored + 1;
	return 0;
}

int checkpoint_clear(
	struct dbc *c, int64_t connection, struct sv key, int64_t *version, struct err *err)
{
	int64_t stored;
	bool live;

	TRY(lock_row(c, connection, key, &stored, &live, err));
	if (!live)
		return 0;
	TRY(check_version(*version, stored, err));
	TRY(db_exec(c, Q_CHECKPOINT_CLEAR,
		ARGS(arg_i64(connection), arg_sv(key), arg_i64(clock_now_ms())), NULL, err));
	*version = stored + 1;
	return 0;
}

int checkpoint_wipe(struct dbc *c, int64_t connection, struct sv key, struct err *err)
{
	struct arena *a = db_arena(c);
	/* "key:" up to, not including, "key;": what begins with the key and a colon. */
	char *from = arena_printf(a, "%.*s:", SV(key)), *to = arena_printf(a, "%.*s;", SV(key));

	return db_exec(c, Q_CHECKPOINT_WIPE,
		ARGS(arg_i64(connection), arg_sv(key), arg_str(from), arg_str(to)), NULL, err);
}
