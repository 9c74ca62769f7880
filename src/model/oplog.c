#include "model/oplog.h"

#include "base/clock.h"
#include "crypto/random.h"
#include "db/db.h"

#include <stdio.h>

enum { TEXT_MAX = 10000, META_MAX = 100000, ID_RANDOM = 8 };

char *oplog_id(int64_t now_ms, char out[OPLOG_ID_SIZE])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	unsigned char random[ID_RANDOM];
	char tail[ID_RANDOM + 1] = { 0 };

	random_bytes(random, sizeof(random));
	for (size_t i = 0; i < ID_RANDOM; i++)
		tail[i] = digits[random[i] & 31];
	snprintf(out, OPLOG_ID_SIZE, "%013lld_%s", (long long)now_ms, tail);
	return out;
}

int oplog_open(struct dbc *c, const struct oplog_operation *op, struct err *err)
{
	return db_exec(c, Q_OPLOG_OPEN,
		ARGS(arg_str(op->id), arg_i64(op->environment_id), arg_str(op->type),
			arg_str(op->action), arg_str(op->state), arg_sv(op->message),
			arg_sv(op->integration), arg_sv(op->connection), arg_sv(op->function),
			arg_sv(op->variant), op->run_id ? arg_i64(op->run_id) : arg_null(),
			arg_sv(op->meta), arg_sv(op->error), arg_i64(op->created_ms),
			op->ended_ms ? arg_i64(op->ended_ms) : arg_null()),
		NULL, err);
}

int oplog_close(struct dbc *c, const char *id, const char *state, struct sv meta, struct sv error,
	int64_t now_ms, struct err *err)
{
	return db_exec(c, Q_OPLOG_CLOSE,
		ARGS(arg_str(id), arg_str(state), arg_sv(meta), arg_sv(error), arg_i64(now_ms)),
		NULL, err);
}

/* At most max bytes, not cut within a character. */
static struct sv cut(struct sv s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max > 0 && ((unsigned char)s.ptr[max] & 0xc0) == 0x80)
		max--;
	return sv_make(s.ptr, max);
}

int oplog_write(struct dbc *c, const char *operation, const char *level, const char *type,
	const char *source, struct sv text, struct sv meta, int64_t now_ms, struct err *err)
{
	/* Half of a JSON text would be none. */
	if (meta.len > META_MAX)
		meta = SV_LIT("{\"dropped\":\"too large\"}");
	return db_exec(c, Q_OPLOG_WRITE,
		ARGS(arg_str(operation), arg_str(level), arg_str(type), arg_str(source),
			arg_sv(cut(text, TEXT_MAX)), arg_sv(meta), arg_i64(now_ms)),
		NULL, err);
}

int oplog_prune(
	struct dbc *c, int64_t before_ms, int64_t limit, int64_t *ret_deleted, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	struct arena *a = db_arena(c);
	struct arg *ids = arena_array(a, (size_t)limit, sizeof(*ids));
	const char *before = arena_printf(a, "%013lld", (long long)before_ms);
	size_t n = 0;
	int rc;

	TRY(db_query(c, Q_OPLOG_OLD, ARGS(arg_str(before), arg_i64(limit)), &rows, err));
	while ((rc = rows_next(&rows, err)) > 0)
		ids[n++] = arg_sv(arena_sv(a, row_sv(&rows, 0)));
	TRY(rc);
	*ret_deleted = (int64_t)n;
	if (n == 0)
		return 0;
	TRY(db_exec_many(c, Q_OPLOG_DELETE_MESSAGES, ids, 1, n, NULL, err));
	return db_exec_many(c, Q_OPLOG_DELETE, ids, 1, n, NULL, err);
}
