#include "model/outbox.h"

#include "base/clock.h"
#include "base/sv.h"
#include "data/uuid.h"
#include "model/oplog.h"
#include "model/row.h"

static bool is_blank(struct sv s)
{
	return sv_trim(s).len == 0;
}

const char *outbox_operation(struct arena *a, int64_t created_ms, struct sv uuid)
{
	/* The end of a uuid is random, its beginning only a time. */
	struct sv end = sv_from(uuid, uuid.len > 8 ? uuid.len - 8 : 0);

	return arena_printf(a, "%013lld_%.*s", (long long)created_ms, SV(end));
}

static int open_operation(struct dbc *c, const struct outbox_message *m, struct sv uuid,
	const char *text, int64_t now, struct err *err)
{
	struct oplog_operation op = {
		.id = outbox_operation(db_arena(c), now, uuid),
		.environment_id = m->environment_id,
		.type = "webhook",
		.action = m->action ? m->action : m->type,
		.state = "waiting",
		.message = sv_str(text),
		.integration = m->integration,
		.connection = m->connection,
		.function = m->function,
		.variant = m->variant,
		.run_id = m->run_id,
		.created_ms = now,
	};

	return oplog_open(c, &op, err);
}

static int add_one(
	struct dbc *c, const struct outbox_message *m, struct sv url, int64_t now, struct err *err)
{
	char uuid[UUID_TEXT_SIZE];
	struct arena *a = db_arena(c);
	own_in(rows_done) struct rows lock = { 0 };

	uuid_format(uuid_v7(now), uuid);
	/* Order is kept per URL: a receiver that is down holds up nobody else's deliveries. */
	const char *lane = m->lane.ptr ? arena_printf(a, "%.*s|%.*s", SV(m->lane), SV(url))
				       : arena_printf(a, "%s", uuid);
	TRY(db_query(c, Q_OUTBOX_LANE_LOCK, ARGS(arg_str(lane)), &lock, err));
	int rc = rows_next(&lock, err);
	TRY(rc);
	TRY(db_exec(c, Q_OUTBOX_ADD,
		ARGS(arg_i64(m->environment_id), arg_str(lane), arg_str(m->type), arg_sv(url),
			arg_str(uuid), arg_sv(m->body),
			arg_sv(m->headers.ptr ? m->headers : SV_LIT("{}")), arg_i64(now)),
		NULL, err));
	const char *text = arena_printf(a, "webhook '%s' to %.*s", m->type, SV(url));
	return open_operation(c, m, sv_str(uuid), text, now, err);
}

int outbox_add(struct dbc *c, const struct outbox_message *m, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int64_t now = clock_now_ms();
	int owed = 0;

	if (!is_blank(m->url_override)) {
		TRY(add_one(c, m, sv_trim(m->url_override), now, err));
		return 1;
	}
	TRY(db_one(c, Q_OUTBOX_URLS, ARGS(arg_i64(m->environment_id)), &rows, err));
	struct sv urls[] = { row_keep(&rows, 0, db_arena(c)), row_keep(&rows, 1, db_arena(c)) };
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		if (is_blank(urls[i]))
			continue;
		TRY(add_one(c, m, urls[i], now, err));
		owed++;
	}
	return owed;
}

int outbox_resend(struct dbc *c, int64_t environment_id, struct sv uuid, struct err *err)
{
	char lane[UUID_TEXT_SIZE];
	int64_t changed, now = clock_now_ms();

	uuid_format(uuid_v7(now), lane);
	TRY(db_exec(c, Q_OUTBOX_RESEND,
		ARGS(arg_i64(environment_id), arg_sv(uuid), arg_str(lane), arg_i64(now)), &changed,
		err));
	if (!changed)
		return err_set(err, ERR_NOT_FOUND, "no ended delivery of this id");
	struct outbox_message m = { .environment_id = environment_id, .action = "resend" };
	return open_operation(c, &m, uuid, "webhook sent again", now, err);
}

int outbox_prune(
	struct dbc *c, int64_t before_ms, int64_t limit, int64_t *ret_deleted, struct err *err)
{
	return db_exec(
		c, Q_OUTBOX_PRUNE, ARGS(arg_i64(before_ms), arg_i64(limit)), ret_deleted, err);
}
