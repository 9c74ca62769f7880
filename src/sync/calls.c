/* The life of a call: taken in, started when it may, answered, forgotten. */
#include "base/log.h"
#include "sync/call.h"

/* Calls of one run that execute at once; more wait their turn. */
enum { EXECUTING_MAX = 64 };

struct handler {
	call_start_fn *start;
	/* Writes keep the order in which the function made them, awaited or not. */
	bool ordered;
	const char *failure; /* put before the message of an error */
};

static const struct handler handlers[RUNNER_METHOD_COUNT] = {
	[CALL_proxy] = { call_proxy },
	[CALL_uncontrolled_fetch] = { call_fetch },
	[CALL_batch_save] = { call_batch, true, "Failed to save records: " },
	[CALL_batch_update] = { call_batch, true, "Failed to update records: " },
	[CALL_batch_delete] = { call_batch, true, "Failed to delete records: " },
	[CALL_records_list] = { call_records_list, false, "Failed to get records: " },
	[CALL_records_by_ids] = { call_records_by_ids, false, "Failed to get records: " },
	[CALL_track_start] = { call_track_start, true },
	[CALL_track_end] = { call_track_end, true },
	[CALL_delete_outdated] = { call_delete_outdated, true },
	[CALL_merging_set] = { call_merging_set, true },
	[CALL_checkpoint_get] = { call_checkpoint_get, true },
	[CALL_checkpoint_save] = { call_checkpoint_save, true },
	[CALL_checkpoint_clear] = { call_checkpoint_clear, true },
	[CALL_connection_get] = { call_connection_get },
	[CALL_metadata_set] = { call_metadata, true },
	[CALL_metadata_update] = { call_metadata, true },
	[CALL_integration_get] = { call_integration_get },
	[CALL_env_vars] = { call_env_vars },
	[CALL_trigger_action] = { call_trigger_action },
	[CALL_trigger_sync] = { call_trigger_sync },
	[CALL_start_sync] = { call_start_sync },
	[CALL_lock_acquire] = { call_lock_acquire, true },
	[CALL_lock_release] = { call_lock_release, true },
	[CALL_lock_release_all] = { call_lock_release_all, true },
};

static void start_waiting(struct flight *fl);

static bool is_ordered(const struct call *c)
{
	return handlers[c->method].ordered;
}

/* Forming the reply. */

static void set_error(struct call *c, const char *kind, const char *code, struct sv message)
{
	struct json_t *error = json_new_obj();

	json_unref(c->reply);
	c->reply = json_new_obj();
	json_set(c->reply, SV_LIT("error"), error);
	json_set_str(error, "kind", sv_str(kind));
	if (code)
		json_set_str(error, "code", sv_str(code));
	json_set_str(error, "message", message);
	buf_clear(&c->out);
	c->raw = SV_NULL;
}

void call_refuse(
	struct call *c, const char *kind, const char *code, const char *message, int status)
{
	set_error(c, kind, code, sv_str(message));
	if (status)
		json_set_int(json_member(c->reply, SV_LIT("error")), "status", status);
}

static void form_error(struct call *c, const struct err *err)
{
	const char *before = handlers[c->method].failure;
	struct err told = *err;

	if (err->code == ERR_CANCELLED) {
		set_error(c, "run", "script_aborted", SV_NULL);
		return;
	}
	if (before)
		err_wrap(&told, "%.*s", (int)strlen(before) - 2, before);
	set_error(c, "plain", err_label(err->code), sv_str(told.msg));
}

/* Ending. */

static void unlink_call(struct call *c)
{
	struct flight *fl = c->fl;

	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		fl->last_call = c->prev;
	fl->call_count--;
	if (!c->executing)
		return;
	fl->executing--;
	if (is_ordered(c))
		fl->write_busy = false;
}

static void call_free(struct call *c)
{
	if (c->free)
		c->free(c);
	json_unref(c->head);
	json_unref(c->reply);
	buf_done(&c->out);
	arena_done(&c->arena);
	mem_free(c);
}

void call_end(struct call *c, const struct err *err)
{
	struct flight *fl = c->fl;

	if (err && err->code != ERR_OK)
		form_error(c, err);
	if (!buf_ok(&c->out))
		set_error(c, "plain", "too_large", SV_LIT("the answer is too large"));
	runner_reply(&fl->rr, c->id, c->reply, c->raw.ptr ? c->raw : buf_sv(&c->out));
	unlink_call(c);
	call_free(c);
	if (fl->starting)
		return;
	start_waiting(fl);
	if (fl->settling && !fl->calls)
		flow_wake(&fl->flow, NULL);
}

/* Starting. */

static void start(struct call *c)
{
	struct err err = { 0 };

	c->executing = true;
	c->fl->executing++;
	if (is_ordered(c))
		c->fl->write_busy = true;
	if (handlers[c->method].start(c, &err) < 0)
		call_end(c, &err);
}

static bool may_start(const struct call *c)
{
	return !c->executing && c->fl->executing < EXECUTING_MAX &&
	       !(is_ordered(c) && c->fl->write_busy);
}

static struct call *next_waiting(struct flight *fl)
{
	struct call *c = fl->calls;

	while (c && !may_start(c))
		c = c->next;
	return c;
}

/* A call may end while it starts: the loop then goes on, the end does not come here again. */
static void start_waiting(struct flight *fl)
{
	struct call *c;

	fl->starting = true;
	while ((c = next_waiting(fl)))
		start(c);
	fl->starting = false;
}

void calls_begin(struct flight *fl, const struct runner_call *rc)
{
	struct call *c = NEW(struct call);

	c->fl = fl;
	c->id = rc->id;
	c->method = rc->method;
	c->head = json_ref(rc->head);
	c->body = arena_sv(&c->arena, rc->body);
	buf_init(&c->out, CALL_OUT_MAX);
	c->prev = fl->last_call;
	*fl->last_call = c;
	fl->last_call = &c->next;
	fl->call_count++;
	if (may_start(c))
		start(c);
}

void calls_cancel(struct flight *fl, bool writes_too)
{
	for (struct call *c = fl->calls, *next; c; c = next) {
		next = c->next;
		if (is_ordered(c) && !writes_too)
			continue;
		if (!c->executing) {
			unlink_call(c);
			call_free(c);
		} else if (c->op.cancel) {
			c->op.cancel(&c->op);
		}
	}
}

/* Calls that are one database job. */

static int run_job(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;

	json_unref(take(c->reply));
	buf_clear(&c->out);
	return c->job(db, c, err);
}

static void job_done(void *ctx, const struct err *err)
{
	struct call *c = ctx;

	if (c->after)
		c->after(c, err);
	else
		call_end(c, err);
}

int call_job(struct call *c, enum db_mode mode, db_job_fn *job)
{
	c->job = job;
	c->op = (struct op){ .done = job_done, .ctx = c };
	db_submit(c->fl->runs->eng->db, mode, &c->op, run_job, c);
	return 0;
}

int call_model(struct call *c, struct sv *ret_base, struct sv *ret_full, struct err *err)
{
	const struct json_t *models = c->fl->models;
	struct buf names;
	struct sv model;

	TRY(json_get_str(c->head, "model", &model, err));
	for (size_t i = 0; i < json_len(models); i++) {
		if (!sv_eq(json_sv(json_item(models, i)), model))
			continue;
		*ret_base = model;
		*ret_full = flight_model(c->fl, &c->arena, model);
		return 0;
	}
	buf_init(&names, 4096);
	for (size_t i = 0; i < json_len(models); i++)
		buf_printf(&names, "%s%.*s", i ? ", " : "", SV(json_sv(json_item(models, i))));
	err_set(err, ERR_INVALID,
		"The model '%.*s' is not included in the declared sync models: %.*s.", SV(model),
		SV(buf_sv(&names)));
	buf_done(&names);
	return ERR_INVALID;
}
