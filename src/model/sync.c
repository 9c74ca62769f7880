/* Which syncs there are: created with connections and functions, ended with them. */
#include "model/sync.h"

#include "base/clock.h"
#include "data/freq.h"
#include "data/uuid.h"
#include "model/checkpoint.h"
#include "model/run.h"
#include "model/sync_row.h"

#include <strings.h>

/* A sync that ended within this time comes back as what it was, with its checkpoint. */
enum { UNDELETE_MS = 86400000 };

void sync_read_row(struct rows *r, struct arena *a, void *ret)
{
	*(struct sync *)ret = (struct sync){
		.id = row_keep(r, 0, a).ptr,
		.environment_id = row_i64(r, 1),
		.integration_id = row_i64(r, 2),
		.connection = row_i64(r, 3),
		.connection_id = row_keep(r, 4, a).ptr,
		.integration = row_keep(r, 5, a).ptr,
		.name = row_keep(r, 6, a).ptr,
		.variant = row_keep(r, 7, a).ptr,
		.paused = sv_eq_str(row_sv(r, 8), "PAUSED"),
		.frequency = row_keep(r, 9, a).ptr,
		.interval_ms = row_i64(r, 10),
		.next_run_ms = row_i64(r, 11),
		.run_id = row_i64(r, 12),
		.last_sync_ms = row_i64(r, 13),
		.created_ms = row_i64(r, 14),
	};
}

/* The pairs (connection, function) that need a base sync. */

struct missing {
	int64_t environment_id, integration_id, connection, interval_ms;
	struct sv name;
	bool auto_start;
};

static void read_missing(struct rows *r, struct arena *a, void *ret)
{
	*(struct missing *)ret = (struct missing){
		.environment_id = row_i64(r, 0),
		.integration_id = row_i64(r, 1),
		.connection = row_i64(r, 2),
		.name = row_keep(r, 3, a),
		.interval_ms = row_i64(r, 4),
		.auto_start = row_bool(r, 5),
	};
}

static int insert_sync(
	struct dbc *c, const struct missing *m, struct sv variant, const char *id, struct err *err)
{
	return db_exec(c, Q_SYNC_INSERT,
		ARGS(arg_str(id), arg_i64(m->environment_id), arg_i64(m->integration_id),
			arg_i64(m->connection), arg_sv(m->name), arg_sv(variant),
			arg_str(m->auto_start ? "STARTED" : "PAUSED"), arg_i64(m->interval_ms),
			arg_i64(clock_now_ms())),
		NULL, err);
}

struct ended {
	struct sv id, state, frequency;
};

static void read_ended(struct rows *r, struct arena *a, void *ret)
{
	*(struct ended *)ret =
		(struct ended){ row_keep(r, 0, a), row_keep(r, 1, a), row_keep(r, 2, a) };
}

/* Its own frequency, where it had one that still means something. */
static int64_t interval_of(struct sv override, int64_t plan_ms)
{
	struct freq f;

	return override.ptr && freq_parse(override, &f, NULL) == 0 ? f.ms : plan_ms;
}

/* 1 when an ended sync was brought back. */
static int undelete(struct dbc *c, const struct missing *m, bool keep_paused, struct err *err)
{
	struct ended *old;
	size_t count;
	int64_t now = clock_now_ms();

	TRY(rows_collect(c, Q_SYNC_DELETED_FIND,
		ARGS(arg_i64(m->connection), arg_sv(m->name), arg_str("base"),
			arg_i64(now - UNDELETE_MS)),
		db_arena(c), sizeof(*old), read_ended, (void **)&old, &count, err));
	if (count == 0)
		return 0;
	bool paused = !m->auto_start || (keep_paused && sv_eq_str(old->state, "PAUSED"));
	TRY(db_exec(c, Q_SYNC_UNDELETE,
		ARGS(arg_sv(old->id), arg_str(paused ? "PAUSED" : "STARTED"),
			arg_i64(interval_of(old->frequency, m->interval_ms)), arg_i64(now)),
		NULL, err));
	return 1;
}

static int create_missing(
	struct dbc *c, enum query q, int64_t id, bool keep_paused, struct err *err)
{
	char uuid[UUID_TEXT_SIZE];
	struct missing *all;
	size_t count;

	TRY(rows_collect(c, q, ARGS(arg_i64(id)), db_arena(c), sizeof(*all), read_missing,
		(void **)&all, &count, err));
	for (size_t i = 0; i < count; i++) {
		int rc = undelete(c, &all[i], keep_paused, err);
		TRY(rc);
		if (rc == 0)
			TRY(insert_sync(
				c, &all[i], SV_LIT("base"), uuid_format(uuid_v4(), uuid), err));
	}
	return 0;
}

int sync_ensure_for_connection(struct dbc *c, int64_t connection, struct err *err)
{
	return create_missing(c, Q_SYNC_MISSING_OF_CONNECTION, connection, true, err);
}

/* A changed plan reaches the syncs that have no frequency of their own, variants too. */
static int apply_plan(
	struct dbc *c, const struct sync *s, const struct sync_plan *plan, struct err *err)
{
	int64_t now = clock_now_ms();
	struct sync changed = *s;

	if (!s->frequency && s->interval_ms != plan->interval_ms) {
		changed.interval_ms = plan->interval_ms;
		struct sync_schedule schedule = sync_schedule_of(&changed);
		TRY(db_exec(c, Q_SYNC_SET_FREQUENCY,
			ARGS(arg_str(s->id), arg_null(), arg_i64(plan->interval_ms),
				arg_i64(sync_schedule_next_ms(&schedule, 0, now)), arg_i64(now)),
			NULL, err));
	}
	/* Deploying a function starts its base syncs again, as it always did. */
	if (plan->auto_start && s->paused && !strcmp(s->variant, "base"))
		return sync_start(c, s, err);
	return 0;
}

struct owner {
	int64_t integration_id;
	struct sv name;
	struct sync_plan plan;
};

static void read_owner(struct rows *r, struct arena *a, void *ret)
{
	*(struct owner *)ret = (struct owner){
		.integration_id = row_i64(r, 0),
		.name = row_keep(r, 1, a),
		.plan = { .interval_ms = row_i64(r, 2), .auto_start = row_bool(r, 3) },
	};
}

static int list_of_function(struct dbc *c, int64_t integration_id, struct sv name,
	struct sync **ret, size_t *ret_count, struct err *err)
{
	return rows_collect(c, Q_SYNC_LIST_OF_FUNCTION, ARGS(arg_i64(integration_id), arg_sv(name)),
		db_arena(c), sizeof(**ret), sync_read_row, (void **)ret, ret_count, err);
}

int sync_ensure_for_function(struct dbc *c, int64_t function_id, struct err *err)
{
	struct owner f;
	struct sync *syncs;
	size_t count;

	TRY(rows_only(c, Q_SYNC_FUNCTION_BY_ID, ARGS(arg_i64(function_id)), db_arena(c), read_owner,
		&f, err));
	TRY(list_of_function(c, f.integration_id, f.name, &syncs, &count, err));
	for (size_t i = 0; i < count; i++)
		TRY(apply_plan(c, &syncs[i], &f.plan, err));
	return create_missing(c, Q_SYNC_MISSING_OF_FUNCTION, function_id, false, err);
}

/* Ending. */

static int end_sync(struct dbc *c, const struct sync *s, const char *reason, struct err *err)
{
	if (s->run_id)
		TRY(run_cancel(c, s->run_id, reason, false, err));
	return db_exec(c, Q_SYNC_DELETE, ARGS(arg_str(s->id), arg_i64(clock_now_ms())), NULL, err);
}

int sync_delete_of_connection(struct dbc *c, int64_t connection, struct err *err)
{
	struct sync *syncs;
	size_t count;

	TRY(sync_select(c, 0, connection, NULL, 0, db_arena(c), &syncs, &count, err));
	for (size_t i = 0; i < count; i++)
		TRY(end_sync(c, &syncs[i], "the connection was deleted", err));
	return run_cancel_of_connection(c, connection, "the connection was deleted", err);
}

int sync_delete_of_function(struct dbc *c, int64_t integration_id, struct sv name, struct err *err)
{
	struct sync *syncs;
	size_t count;

	TRY(list_of_function(c, integration_id, name, &syncs, &count, err));
	for (size_t i = 0; i < count; i++)
		TRY(end_sync(c, &syncs[i], "the function was removed or disabled", err));
	return 0;
}

/* Choosing. */

static bool is_named(const struct sync *s, const struct sync_name *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct sv variant = names[i].variant.ptr ? names[i].variant : SV_LIT("base");
		if (sv_eq_str(names[i].name, s->name) && sv_eq_str(variant, s->variant))
			return true;
	}
	return count == 0;
}

int sync_select(struct dbc *c, int64_t integration_id, int64_t connection,
	const struct sync_name *names, size_t count, struct arena *arena, struct sync **ret,
	size_t *ret_count, struct err *err)
{
	struct sync *all;
	size_t total, kept = 0;

	TRY(rows_collect(c, connection ? Q_SYNC_LIST_OF_CONNECTION : Q_SYNC_LIST_OF_INTEGRATION,
		ARGS(arg_i64(connection ? connection : integration_id)), arena, sizeof(*all),
		sync_read_row, (void **)&all, &total, err));
	for (size_t i = 0; i < total; i++)
		if (is_named(&all[i], names, count))
			all[kept++] = all[i];
	*ret = all;
	*ret_count = kept;
	return 0;
}

/* Variants. */

static void read_plan(struct rows *r, struct arena *a, void *ret)
{
	*(struct sync_plan *)ret =
		(struct sync_plan){ row_keep(r, 0, a), row_i64(r, 1), row_bool(r, 2) };
}

int sync_plan_of(struct dbc *c, int64_t integration_id, struct sv name, struct arena *a,
	struct sync_plan *ret, struct err *err)
{
	return rows_only(c, Q_SYNC_FUNCTION, ARGS(arg_i64(integration_id), arg_sv(name)), a,
		read_plan, ret, err);
}

static int check_variant(
	const struct sync *syncs, size_t count, struct sv name, struct sv variant, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (sv_eq_str(variant, syncs[i].variant))
			return err_set(err, ERR_CONFLICT,
				"sync '%.*s' has a variant '%.*s' already", SV(name), SV(variant));
	if (count == 0)
		return err_set(err, ERR_NOT_FOUND, "the connection has no sync '%.*s'", SV(name));
	if (count >= SYNC_VARIANTS_MAX)
		return err_set(err, ERR_LIMIT, "a sync has at most %d variants", SYNC_VARIANTS_MAX);
	return 0;
}

/* The syncs of one name, all variants, at the front of an array. */
static int same_name(struct dbc *c, int64_t connection, struct sv name, struct sync **ret,
	size_t *ret_count, struct err *err)
{
	size_t all, kept = 0;

	TRY(sync_select(c, 0, connection, NULL, 0, db_arena(c), ret, &all, err));
	for (size_t i = 0; i < all; i++)
		if (sv_eq_str(name, (*ret)[i].name))
			(*ret)[kept++] = (*ret)[i];
	*ret_count = kept;
	return 0;
}

int sync_variant_create(struct dbc *c, int64_t connection, struct sv name, struct sv variant,
	struct arena *arena, struct sync *ret, struct err *err)
{
	char id[UUID_TEXT_SIZE];
	struct sync_plan plan;
	struct sync *syncs;
	size_t count;

	if (variant.len == 4 && !strncasecmp(variant.ptr, "base", 4))
		return err_set(err, ERR_INVALID, "every sync has its variant 'base' already");
	TRY(same_name(c, connection, name, &syncs, &count, err));
	TRY(check_variant(syncs, count, name, variant, err));
	TRY(sync_plan_of(c, syncs->integration_id, name, db_arena(c), &plan, err));
	struct missing m = {
		.environment_id = syncs->environment_id,
		.integration_id = syncs->integration_id,
		.connection = connection,
		.interval_ms = plan.interval_ms,
		.name = name,
		.auto_start = plan.auto_start,
	};
	uuid_format(uuid_v4(), id);
	TRY(insert_sync(c, &m, variant, id, err));
	return rows_only(c, Q_SYNC_GET, ARGS(arg_str(id)), arena, sync_read_row, ret, err);
}

int sync_variant_delete(struct dbc *c, const struct sync *s, struct err *err)
{
	struct arena *a = db_arena(c);
	char *key = checkpoint_key(a, SV_LIT(RUN_SYNC), sv_str(s->name), sv_str(s->variant));

	TRY(end_sync(c, s, "the variant was deleted", err));
	return checkpoint_wipe(c, s->connection, sv_str(key), err);
}
