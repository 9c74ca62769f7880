#include "db/db.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "db/backend.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

/*
 * A group stops taking jobs after this long, so that its first job does not wait for ever. It is
 * about what a commit takes: small jobs share one, while large ones (batches of records) that
 * waited for each other would all be prepared and then all be written, with nothing to do meanwhile
 * for the writer.
 */
#define GROUP_US 1000

struct job {
	struct loop_task task; /* carries the completion to the loop */
	struct job *next;
	struct db *db;
	struct op *op; /* NULL: someone waits in db_run */
	enum db_mode mode;
	db_job_fn *fn;
	void *arg;
	bool queued, finished;
	struct err err;
};

struct queue {
	struct job *first, **last;
	pthread_cond_t filled;
};

struct worker {
	struct db *db;
	enum db_mode mode;
	struct dbc *c;
	pthread_t thread;
	bool started;
};

struct db {
	const struct db_backend *be;
	void *store;
	struct loop *loop;
	struct worker *workers;
	size_t worker_count;
	struct db_memo memo;

	/* Loop thread: jobs whose completion is still to come, and who waits for the last. */
	unsigned submitted;
	struct op *idle;
	struct loop_task idle_now;

	pthread_mutex_t lock; /* guards everything below */
	pthread_cond_t finished;
	struct queue queues[2]; /* by enum db_mode */
	struct db_stats stats;
	bool closing;

	/* What other nodes say. `heard` is on its way to the loop while `hearing`. */
	struct loop_task heard;
	bool hearing;
	void (*on_heard)(void *ctx);
	void *heard_ctx;
};

/* Queues. The lock is held. */

static void queue_put(struct db *db, struct job *job)
{
	struct queue *q = &db->queues[job->mode];

	assert(!db->closing);
	job->queued = true;
	job->next = NULL;
	*q->last = job;
	q->last = &job->next;
	db->stats.queued++;
	pthread_cond_signal(&q->filled);
}

static struct job *queue_take(struct db *db, enum db_mode mode)
{
	struct queue *q = &db->queues[mode];
	struct job *job = q->first;

	if (!job)
		return NULL;
	q->first = job->next;
	if (!q->first)
		q->last = &q->first;
	job->queued = false;
	job->next = NULL;
	db->stats.queued--;
	return job;
}

static void queue_remove(struct db *db, struct job *job)
{
	struct queue *q = &db->queues[job->mode];
	struct job **at = &q->first;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	if (!*at)
		q->last = at;
	job->queued = false;
	db->stats.queued--;
}

/* The next job, waiting for one; NULL when the database closes and the queue is empty. */
static struct job *job_wait(struct db *db, enum db_mode mode)
{
	struct job *job;

	pthread_mutex_lock(&db->lock);
	while (!(job = queue_take(db, mode)) && !db->closing)
		pthread_cond_wait(&db->queues[mode].filled, &db->lock);
	pthread_mutex_unlock(&db->lock);
	return job;
}

static struct job *job_poll(struct db *db, enum db_mode mode)
{
	pthread_mutex_lock(&db->lock);
	struct job *job = queue_take(db, mode);
	pthread_mutex_unlock(&db->lock);
	return job;
}

/* Completion. */

static void job_completed(struct loop_task *t)
{
	struct job *job = container_of(t, struct job, task);
	struct db *db = job->db;

	op_complete(job->op, &job->err);
	mem_free(job);
	db->submitted--;
	if (db->idle && db->submitted == 0)
		op_complete(take(db->idle), NULL);
}

static void idle_now(struct loop_task *t)
{
	op_complete(take(container_of(t, struct db, idle_now)->idle), NULL);
}

void db_idle(struct db *db, struct op *op)
{
	db->idle = op;
	db->idle_now.fn = idle_now;
	if (db->submitted == 0)
		loop_post(db->loop, &db->idle_now);
}

/* The job may be gone afterwards. */
static void job_finish(struct job *job)
{
	struct db *db = job->db;

	pthread_mutex_lock(&db->lock);
	db->stats.jobs++;
	if (!job->op) {
		job->finished = true;
		pthread_cond_broadcast(&db->finished);
	}
	bool posted = job->op != NULL;
	pthread_mutex_unlock(&db->lock);
	if (posted)
		loop_post(db->loop, &job->task);
}

static void count_commit(struct db *db)
{
	pthread_mutex_lock(&db->lock);
	db->stats.commits++;
	pthread_mutex_unlock(&db->lock);
}

/* Running. */

static int job_call(struct dbc *c, struct job *job)
{
	job->err = (struct err){ 0 };
	int rc = job->fn(c, job->arg, &job->err);
	arena_done(&c->arena);
	assert(rc >= 0 || job->err.code == rc);
	if (rc >= 0)
		job->err = (struct err){ 0 };
	return rc < 0 ? rc : 0;
}

/*
 * Test builds: has every job run twice, as after a deadlock, and forgets what the first run wrote.
 * A job that adds to its argument shows it.
 */
static int rehearse(struct dbc *c, struct job *job)
{
	if (!FAULT_ALWAYS("db.rerun"))
		return 0;
	TRY(c->be->savepoint(c, &job->err));
	job_call(c, job);
	if (c->be->in_transaction(c))
		c->be->rollback_to(c);
	return 0;
}

/*
 * Nothing stands in the transaction yet that would have to stay if the job fails. A savepoint would
 * keep a copy of every page the job changes, which may be tens of megabytes.
 */
static int job_first(struct dbc *c, struct job *job)
{
	struct err err;

	int rc = rehearse(c, job);
	if (rc == 0)
		rc = job_call(c, job);
	if (rc < 0) {
		c->be->rollback(c);
		(void)c->be->begin(c, DB_WRITE, &err); /* else the transaction is lost */
	}
	return rc;
}

static int job_in_savepoint(struct dbc *c, struct job *job)
{
	TRY(c->be->savepoint(c, &job->err));
	TRY(rehearse(c, job));
	int rc = job_call(c, job);
	if (rc == 0)
		rc = c->be->release(c, &job->err);
	if (rc < 0 && c->be->in_transaction(c))
		c->be->rollback_to(c);
	return rc;
}

static int group_commit(struct dbc *c, struct err *err)
{
	int rc = FAULT("db.commit", err);
	if (rc == 0)
		rc = c->be->commit(c, err);
	if (rc < 0) {
		c->be->rollback(c);
		return rc;
	}
	(void)FAULT("db.committed", NULL); /* a place to be killed at: what is here stays */
	return 0;
}

/* Jobs that arrive while the group runs still join it. */
static struct job *group_next(struct worker *w, unsigned count, int64_t since_us)
{
	if (count >= w->c->be->group_jobs || clock_mono_us() - since_us > GROUP_US)
		return NULL;
	return job_poll(w->db, DB_WRITE);
}

/* Runs jobs into an open transaction. A negative result: the transaction is gone. */
static int group_fill(struct worker *w, struct job *first, struct err *err)
{
	struct dbc *c = w->c;
	int64_t since_us = clock_mono_us();
	struct job *job = first, *last = first;
	bool empty = true;

	for (unsigned n = 1; job; n++) {
		if (job != last)
			last->next = job;
		last = job;
		if ((empty ? job_first : job_in_savepoint)(c, job) == 0)
			empty = false;
		if (!c->be->in_transaction(c)) {
			*err = job->err;
			return err_wrap(err, "the transaction was lost");
		}
		job = group_next(w, n, since_us);
	}
	return 0;
}

static void write_group(struct worker *w, struct job *first)
{
	struct err err = { 0 };

	int rc = w->c->be->begin(w->c, DB_WRITE, &err);
	if (rc == 0)
		rc = group_fill(w, first, &err);
	if (rc == 0)
		rc = group_commit(w->c, &err);
	if (rc == 0)
		count_commit(w->db);
	for (struct job *job = first, *next; job; job = next) {
		next = job->next;
		if (rc < 0 && job->err.code == ERR_OK)
			job->err = err;
		job_finish(job);
	}
}

static int run_once(struct worker *w, struct job *job)
{
	struct dbc *c = w->c;

	job->err = (struct err){ 0 };
	TRY(c->be->begin(c, w->mode, &job->err));
	TRY(rehearse(c, job));
	int rc = job_call(c, job);
	if (rc < 0 || w->mode == DB_READ)
		c->be->rollback(c);
	else if ((rc = group_commit(c, &job->err)) == 0)
		count_commit(w->db);
	return rc;
}

/* Sleeps, unless the database closes: then nobody has time to wait for a server. */
static bool wait_again(struct db *db, int ms)
{
	for (; ms > 0; ms -= 50) {
		struct timespec t = { 0, (ms < 50 ? ms : 50) * 1000000L };
		nanosleep(&t, NULL);
		pthread_mutex_lock(&db->lock);
		bool closing = db->closing;
		pthread_mutex_unlock(&db->lock);
		if (closing)
			return false;
	}
	return true;
}

static void run_alone(struct worker *w, struct job *job)
{
	const struct db_backend *be = w->db->be;
	int64_t since_us = clock_mono_us();

	for (unsigned attempt = 1; run_once(w, job) < 0 && be->again_ms; attempt++) {
		int ms = be->again_ms(w->c, attempt, (clock_mono_us() - since_us) / 1000);
		if (ms < 0 || !wait_again(w->db, ms))
			break;
	}
	job_finish(job);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct job *job;

	while ((job = job_wait(w->db, w->mode))) {
		if (w->mode == DB_WRITE && w->c->be->group_jobs > 1)
			write_group(w, job);
		else
			run_alone(w, job);
	}
	return NULL;
}

/* Opening and closing. */

int db_thread_start(pthread_t *ret, void *(*fn)(void *), void *arg, struct err *err)
{
	sigset_t all, old;

	/* Signals are the loop thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(ret, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc ? err_errno(err, rc, "cannot start a database thread") : 0;
}

static int worker_start(struct worker *w, struct db *db, enum db_mode mode, struct err *err)
{
	w->db = db;
	w->mode = mode;
	TRY(db->be->connect(db->store, mode, &w->c, err));
	w->c->memo = mode == DB_READ ? &db->memo : NULL;
	TRY(db_thread_start(&w->thread, worker_main, w, err));
	w->started = true;
	return 0;
}

static int workers_start(struct db *db, unsigned readers, struct err *err)
{
	unsigned writers = db->be->writers;

	db->worker_count = writers + (readers ? readers : db->be->readers);
	db->workers = mem_array(db->worker_count, sizeof(struct worker));
	for (size_t i = 0; i < db->worker_count; i++)
		TRY(worker_start(&db->workers[i], db, i < writers ? DB_WRITE : DB_READ, err));
	return 0;
}

static struct db *db_new(const struct db_backend *be, struct loop *loop)
{
	struct db *db = NEW(struct db);

	db->be = be;
	db->loop = loop;
	pthread_mutex_init(&db->lock, NULL);
	pthread_mutex_init(&db->memo.lock, NULL);
	pthread_cond_init(&db->finished, NULL);
	for (int i = 0; i < 2; i++) {
		db->queues[i].last = &db->queues[i].first;
		pthread_cond_init(&db->queues[i].filled, NULL);
	}
	return db;
}

int db_open(const struct db_config *cfg, struct loop *loop, struct db **ret, struct err *err)
{
	own(db_close) struct db *db = db_new(cfg->url ? &db_postgres : &db_sqlite, loop);

	TRY(db->be->open(cfg, &db->store, err));
	TRY(workers_start(db, cfg->readers, err));
	*ret = take(db);
	return 0;
}

static void workers_stop(struct db *db)
{
	pthread_mutex_lock(&db->lock);
	db->closing = true;
	pthread_cond_broadcast(&db->queues[DB_READ].filled);
	pthread_cond_broadcast(&db->queues[DB_WRITE].filled);
	pthread_mutex_unlock(&db->lock);
	for (size_t i = 0; i < db->worker_count; i++) {
		struct worker *w = &db->workers[i];
		if (w->started)
			pthread_join(w->thread, NULL);
		if (w->c)
			db->be->disconnect(w->c);
	}
	mem_free(db->workers);
}

void db_close(struct db *db)
{
	if (!db)
		return;
	workers_stop(db);
	if (db->store)
		db->be->close(db->store);
	if (db->memo.free)
		db->memo.free(db->memo.data);
	pthread_mutex_destroy(&db->memo.lock);
	pthread_mutex_destroy(&db->lock);
	pthread_cond_destroy(&db->finished);
	pthread_cond_destroy(&db->queues[DB_READ].filled);
	pthread_cond_destroy(&db->queues[DB_WRITE].filled);
	mem_free(db);
}

/* Submitting. */

static void job_cancel(struct op *op)
{
	struct job *job = op->impl;
	struct db *db = job->db;

	pthread_mutex_lock(&db->lock);
	bool taken_back = job->queued;
	if (taken_back)
		queue_remove(db, job);
	pthread_mutex_unlock(&db->lock);
	if (taken_back) {
		err_set(&job->err, ERR_CANCELLED, "cancelled before it started");
		job_finish(job);
	}
}

void db_submit(struct db *db, enum db_mode mode, struct op *op, db_job_fn *fn, void *arg)
{
	struct job *job = NEW(struct job);

	*job = (struct job){
		.task.fn = job_completed, .db = db, .op = op, .mode = mode, .fn = fn, .arg = arg
	};
	op->cancel = job_cancel;
	op->impl = job;
	db->submitted++;
	pthread_mutex_lock(&db->lock);
	queue_put(db, job);
	pthread_mutex_unlock(&db->lock);
}

int db_run(struct db *db, enum db_mode mode, db_job_fn *fn, void *arg, struct err *err)
{
	struct job job = { .db = db, .mode = mode, .fn = fn, .arg = arg };

	pthread_mutex_lock(&db->lock);
	queue_put(db, &job);
	while (!job.finished)
		pthread_cond_wait(&db->finished, &db->lock);
	pthread_mutex_unlock(&db->lock);
	if (job.err.code != ERR_OK && err)
		*err = job.err;
	return job.err.code;
}

int db_backup(struct db *db, struct db_backup *b, struct err *err)
{
	if (!db->be->backup)
		return err_set(err, ERR_INVALID,
			"this database is backed up with its own tools (pg_dump, or archived "
			"logs)");
	return db->be->backup(db->store, b, err);
}

void db_stats(struct db *db, struct db_stats *ret)
{
	pthread_mutex_lock(&db->lock);
	*ret = db->stats;
	pthread_mutex_unlock(&db->lock);
}

/* Other nodes. */

static void heard_on_loop(struct loop_task *t)
{
	struct db *db = container_of(t, struct db, heard);

	pthread_mutex_lock(&db->lock);
	db->hearing = false;
	pthread_mutex_unlock(&db->lock);
	db->on_heard(db->heard_ctx);
}

static void heard(void *ctx)
{
	struct db *db = ctx;

	pthread_mutex_lock(&db->lock);
	bool first = !db->hearing && !db->closing;
	db->hearing = db->hearing || first;
	pthread_mutex_unlock(&db->lock);
	if (first)
		loop_post(db->loop, &db->heard);
}

int db_hear(struct db *db, void (*fn)(void *ctx), void *ctx, struct err *err)
{
	db->heard.fn = heard_on_loop;
	db->on_heard = fn;
	db->heard_ctx = ctx;
	return db->be->listen ? db->be->listen(db->store, heard, db, err) : 0;
}

void db_tell(struct db *db)
{
	if (db->be->tell)
		db->be->tell(db->store);
}

bool db_reachable(const struct db *db)
{
	return !db->be->reachable || db->be->reachable(db->store);
}
