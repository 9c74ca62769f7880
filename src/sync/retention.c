#include "sync/retention.h"

#include "base/clock.h"
#include "base/sv.h"
#include "data/json.h"
#include "db/db.h"
#include "model/connection.h"
#include "records/prune.h"

/* Rows in one job, so that others wait little; datasets looked at in one. */
enum { PRUNE_ROWS = 1000, REMOVE_ROWS = 2000, LOOKS = 20 };

static struct records_of of_dataset(const struct dataset_name *name)
{
	return (struct records_of){ .connection = name->connection, .model = name->model };
}

/* --- payloads --- */

/*
 * In sweeps, one each thirtieth of the time: a sync that saves unchanged records brings pruned
 * payloads back (spec/records.md 20, decision 6), and each sweep takes them away again. Steadily,
 * that would be all payloads of such a dataset with every run of it.
 */
static int prune_payloads(struct dbc *c, struct retention *r, struct err *err)
{
	struct dataset_name *names;
	struct records_pruned pruned;
	size_t count;
	int64_t now = clock_now_ms();

	if (r->payload_ms == 0 || (r->next.sweep_until_us == 0 && now < r->next.next_sweep_ms))
		return 0;
	if (r->next.sweep_until_us == 0)
		r->next.sweep_until_us = (now - r->payload_ms) * 1000;
	TRY(datasets_prunable(c, r->next.sweep_until_us, LOOKS, db_arena(c), &names, &count, err));
	for (size_t i = 0; i < count && r->pruned < PRUNE_ROWS; i++) {
		struct records_of of = of_dataset(&names[i]);
		TRY(records_prune_older(
			c, &of, r->next.sweep_until_us, PRUNE_ROWS - r->pruned, &pruned, err));
		r->pruned += pruned.count;
	}
	if (count > 0) {
		r->more = true;
		return 0;
	}
	r->next.sweep_until_us = 0;
	r->next.next_sweep_ms = now + r->payload_ms / 30;
	return 0;
}

/* --- datasets --- */

static bool declares(struct sv models, struct sv base)
{
	own(json_unref) struct json_t *list = NULL;

	if (json_parse(models, &list, NULL) < 0)
		return true; /* rather kept than lost */
	for (size_t i = 0; i < json_len(list); i++)
		if (sv_eq(json_sv(json_item(list, i)), base))
			return true;
	return false;
}

/* Whether a sync that fills the dataset was made, or succeeded, since then: "Model::variant". */
static int is_in_use(struct dbc *c, const struct dataset_name *name, int64_t since_ms, bool *ret,
	struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	struct sv base = name->model, variant = SV_LIT("base");
	int more;

	ptrdiff_t at = sv_find(name->model, SV_LIT("::"));
	if (at >= 0) {
		base = sv_make(name->model.ptr, (size_t)at);
		variant = sv_from(name->model, (size_t)at + 2);
	}
	*ret = false;
	TRY(db_query(c, Q_RETENTION_SYNC_MODELS,
		ARGS(arg_i64(name->connection), arg_sv(variant), arg_i64(since_ms)), &rows, err));
	while ((more = rows_next(&rows, err)) > 0)
		*ret |= declares(row_sv(&rows, 0), base);
	return more;
}

static int remove_some(
	struct dbc *c, struct retention *r, const struct dataset_name *name, struct err *err)
{
	struct records_of of = of_dataset(name);
	struct records_pruned gone;

	TRY(records_remove(c, &of, REMOVE_ROWS, &gone, err));
	r->removed += gone.count;
	/* An empty one may stay for a day (records/prune.c). */
	r->more |= gone.count > 0;
	return 0;
}

/* Looks at idle datasets in turn (each look is noted) until one is not in use any more. */
static int remove_idle(struct dbc *c, struct retention *r, struct err *err)
{
	int64_t since = clock_now_ms() - r->dataset_ms;

	for (int i = 0; r->dataset_ms && i < LOOKS; i++) {
		struct dataset_name name;
		bool in_use;
		int rc = datasets_idle(c, since, db_arena(c), &name, err);
		if (rc == ERR_NOT_FOUND)
			return 0;
		TRY(rc);
		TRY(is_in_use(c, &name, since, &in_use, err));
		if (!in_use)
			return remove_some(c, r, &name, err);
	}
	return 0;
}

/* --- connections --- */

static int first_dataset(
	struct dbc *c, int64_t connection, struct dataset_name *ret, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_one(c, Q_RETENTION_DATASET, ARGS(arg_i64(connection)), &rows, err));
	*ret = (struct dataset_name){ connection, arena_sv(db_arena(c), row_sv(&rows, 0)) };
	return 0;
}

/* Its datasets a piece at a time, then everything that names it, credentials last. */
static int remove_connection(struct dbc *c, struct retention *r, struct err *err)
{
	struct dataset_name name;
	int64_t id;

	if (r->connection_ms == 0)
		return 0;
	int rc = db_one_i64(c, Q_RETENTION_CONNECTION,
		ARGS(arg_i64(clock_now_ms() - r->connection_ms)), &id, err);
	if (rc == ERR_NOT_FOUND)
		return 0;
	TRY(rc);
	rc = first_dataset(c, id, &name, err);
	if (rc != ERR_NOT_FOUND)
		return rc < 0 ? rc : remove_some(c, r, &name, err);
	TRY(connection_erase(c, id, err));
	r->connections++;
	r->more = true;
	return 0;
}

int retention_step(struct dbc *c, struct retention *r, struct err *err)
{
	r->next = r->state;
	r->pruned = r->removed = r->connections = 0;
	r->more = false;
	TRY(prune_payloads(c, r, err));
	TRY(remove_idle(c, r, err));
	return remove_connection(c, r, err);
}
