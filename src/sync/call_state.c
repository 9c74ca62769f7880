/* Checkpoints and locks. */
#include "base/clock.h"
#include "model/checkpoint.h"
#include "model/lock.h"
#include "sync/call.h"

/* Checkpoints. What was read first and written last goes into the webhooks of the run. */

struct checkpoint_call {
	struct checkpoint found;
	int64_t version;
};

static int job_checkpoint_get(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct checkpoint_call *cc = c->state;

	return checkpoint_get(
		db, c->fl->run.connection, c->fl->checkpoint_key, &c->arena, &cc->found, err);
}

static void keep(char **slot, struct sv value)
{
	mem_free(*slot);
	*slot = mem_svdup(value.ptr ? value : SV_LIT("null"));
}

static void checkpoint_got(struct call *c, const struct err *err)
{
	struct flight *fl = c->fl;
	struct checkpoint_call *cc = c->state;
	struct json_t *value = NULL;
	struct err told = *err;

	if (told.code == ERR_OK && cc->found.value.ptr)
		json_parse(cc->found.value, &value, &told);
	if (told.code == ERR_OK) {
		fl->checkpoint_version = cc->found.version;
		if (!fl->checkpoint_from)
			keep(&fl->checkpoint_from, cc->found.value);
		keep(&fl->checkpoint_to, cc->found.value);
		c->reply = json_new_obj();
		json_set(c->reply, SV_LIT("checkpoint"), value ? value : json_new_null());
	}
	call_end(c, &told);
}

int call_checkpoint_get(struct call *c, struct err *err UNUSED)
{
	c->state = ARENA_NEW(&c->arena, struct checkpoint_call);
	c->after = checkpoint_got;
	return call_job(c, DB_READ, job_checkpoint_get);
}

static int job_checkpoint_save(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct flight *fl = c->fl;
	struct checkpoint_call *cc = c->state;
	own_in(run_guard_done) struct run_guard g = call_guard(c);

	cc->version = fl->checkpoint_version;
	TRY(run_guard(db, &g, err));
	return checkpoint_put(db, fl->run.environment_id, fl->run.connection, fl->checkpoint_key,
		cc->found.value, &cc->version, err);
}

static void checkpoint_written(struct call *c, const struct err *err)
{
	struct flight *fl = c->fl;
	struct checkpoint_call *cc = c->state;

	if (err->code == ERR_OK) {
		fl->checkpoint_version = cc->version;
		if (!fl->checkpoint_from)
			keep(&fl->checkpoint_from, SV_NULL);
		keep(&fl->checkpoint_to, cc->found.value);
	}
	call_end(c, err);
}

int call_checkpoint_save(struct call *c, struct err *err)
{
	struct checkpoint_call *cc = ARENA_NEW(&c->arena, struct checkpoint_call);
	struct json_t *value = json_member(c->head, SV_LIT("checkpoint"));
	own_in(buf_done) struct buf text = { 0 };

	TRY(checkpoint_check(value, err));
	buf_init(&text, 1 << 20);
	json_dump_compact(value, &text);
	cc->found.value = arena_sv(&c->arena, buf_sv(&text));
	c->state = cc;
	c->after = checkpoint_written;
	return call_job(c, DB_WRITE, job_checkpoint_save);
}

static int job_checkpoint_clear(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct flight *fl = c->fl;
	struct checkpoint_call *cc = c->state;
	own_in(run_guard_done) struct run_guard g = call_guard(c);

	cc->version = fl->checkpoint_version;
	TRY(run_guard(db, &g, err));
	return checkpoint_clear(db, fl->run.connection, fl->checkpoint_key, &cc->version, err);
}

int call_checkpoint_clear(struct call *c, struct err *err UNUSED)
{
	c->state = ARENA_NEW(&c->arena, struct checkpoint_call);
	c->after = checkpoint_written;
	return call_job(c, DB_WRITE, job_checkpoint_clear);
}

/* Locks. */

static struct lock_key lock_key(const struct call *c)
{
	return (struct lock_key){
		.environment = c->fl->run.environment_id,
		.key = json_sv(json_member(c->head, SV_LIT("key"))),
		.owner = c->fl->run.operation_id,
	};
}

static int job_lock_acquire(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	own_in(run_guard_done) struct run_guard g = call_guard(c);
	struct lock_key k = lock_key(c);
	int64_t ttl = (int64_t)json_num(json_member(c->head, SV_LIT("ttlMs")));
	bool got;

	TRY(run_guard(db, &g, err));
	TRY(lock_acquire(db, &k, ttl, &got, err));
	c->reply = json_new_obj();
	json_set_bool(c->reply, "acquired", got);
	return 0;
}

int call_lock_acquire(struct call *c, struct err *err UNUSED)
{
	c->fl->locks = true;
	return call_job(c, DB_WRITE, job_lock_acquire);
}

static int job_lock_release(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct lock_key k = lock_key(c);
	bool released;

	TRY(lock_release(db, &k, &released, err));
	c->reply = json_new_obj();
	json_set_bool(c->reply, "released", released);
	return 0;
}

int call_lock_release(struct call *c, struct err *err UNUSED)
{
	return call_job(c, DB_WRITE, job_lock_release);
}

static int job_lock_release_all(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;

	return lock_release_all(db, c->fl->run.environment_id, c->fl->run.operation_id, err);
}

int call_lock_release_all(struct call *c, struct err *err UNUSED)
{
	return call_job(c, DB_WRITE, job_lock_release_all);
}
