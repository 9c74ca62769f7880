#include "records/kill_test.h"

#include "base/clock.h"
#include "records/ids.h"
#include "records/noise_test.h"
#include "records/oracle_test.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Writers have ids of their own in the datasets they share, and a dataset of their own, in which
 * they also delete what is outdated, prune and empty. So what each has done is a function of how
 * many operations it has finished, whatever the others do.
 */
enum { WRITERS = 4, SHARED = 2, DATASETS = SHARED + WRITERS, IDS = ORACLE_IDS, PAGE = 12 };

enum task { TASK_BATCH, TASK_OUTDATED, TASK_PRUNE, TASK_EMPTY };

struct operation {
	int dataset;
	enum task task;
	struct oracle_batch batch;
	int64_t limit;
};

/* What a writer has in each dataset it writes to: the shared ones, its own. */
struct world {
	struct oracle_dataset mine[SHARED + 1];
	int64_t operations;
};

struct seen {
	char action; /* 0 = never seen */
	int64_t value; /* -1: its payload was pruned */
};

struct reader {
	char cursor[DATASETS][128];
	struct seen seen[DATASETS][WRITERS][IDS];
};

/* Both messages fit into one atomic write to the pipe. */
struct message {
	int writer; /* -1: of the reader */
	int dataset, count;
	char cursor[128];
	struct {
		int writer, id;
		struct seen seen;
	} records[PAGE];
};

struct killing {
	struct store *s;
	const struct kills *kills;
	struct kills_result *ret;
	struct world worlds[WRITERS];
	struct reader reader;
	int pipe;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "kill test: %s: %s\n", what, why);
	abort();
}

static struct records_of dataset_of(const struct store *s, int dataset)
{
	static const struct sv names[DATASETS] = { SV_LIT("Shared"), SV_LIT("Shared::v"),
		SV_LIT("Own0"), SV_LIT("Own1"), SV_LIT("Own2"), SV_LIT("Own3") };
	struct records_of of = s->of;

	of.model = names[dataset];
	return of;
}

/* Which operation a writer's n-th is: the same in the process that does it and in the one that
 * checks. */

static void make_item(struct noise *n, int writer, struct oracle_item *item)
{
	char id[32];

	item->id = (int)noise_pick(n, IDS);
	item->value = json_new_obj();
	snprintf(id, sizeof(id), "%d-%d", writer, item->id);
	json_set_str(item->value, "id", sv_str(id));
	json_set_int(item->value, "v", noise_pick(n, 1000000));
	if (noise_hit(n, 4)) {
		char fill[8000];
		size_t len = noise_pick(n, sizeof(fill));
		memset(fill, 'x', len);
		json_set_str(item->value, "fill", sv_make(fill, len));
	}
}

static void make_operation(const struct kills *k, int writer, int64_t number, struct operation *ret)
{
	static const enum records_op ops[] = { RECORDS_SAVE, RECORDS_SAVE, RECORDS_UPDATE,
		RECORDS_DELETE };
	struct noise n = { k->seed * 7919 + (uint64_t)number * 104729 + (uint64_t)writer };

	for (int i = 0; i < 4; i++)
		noise_pick(&n, 2); /* near seeds begin alike */
	*ret = (struct operation){ .limit = 1 + noise_pick(&n, IDS) };
	if (noise_hit(&n, 2)) {
		ret->dataset = SHARED + writer;
		ret->task = noise_hit(&n, 3) ? 1 + noise_pick(&n, 3) : TASK_BATCH;
	} else {
		ret->dataset = (int)noise_pick(&n, SHARED);
	}
	ret->batch.op = ops[noise_pick(&n, ARRAY_LEN(ops))];
	/* Now and then a run begins, which has seen nothing yet. */
	ret->batch.run = 1 + number / 5;
	ret->batch.count = 1 + noise_pick(&n, noise_hit(&n, 4) ? 2 * IDS : 6);
	for (size_t i = 0; i < ret->batch.count; i++)
		make_item(&n, writer, &ret->batch.items[i]);
}

/* Doing. */

#define PATIENCE_US (60 * INT64_C(1000000))

static bool may_try_again(const struct killing *k, const struct err *err, int64_t since_us)
{
	return k->kills->strike && (err->code == ERR_IO || err->code == ERR_TIMEOUT) &&
	       clock_mono_us() - since_us < PATIENCE_US;
}

static void must_open(struct killing *k)
{
	struct db_config cfg = testdb_config(&k->s->at);
	int64_t since_us = clock_mono_us();
	struct err err = { 0 };

	while (db_open(&cfg, NULL, &k->s->db, &err) < 0)
		if (!may_try_again(k, &err, since_us))
			die("open", err.msg);
}

/* A job that may fail only where the database does, and then succeeds when it is back. */
static void must_run(
	struct killing *k, enum db_mode mode, db_job_fn *fn, void *arg, const char *what)
{
	int64_t since_us = clock_mono_us();
	struct err err = { 0 };

	while (db_run(k->s->db, mode, fn, arg, &err) < 0)
		if (!may_try_again(k, &err, since_us))
			die(what, err.msg);
}

struct doing {
	struct records_of of;
	const struct operation *op;
	struct records_batch *batch;
};

static int prepare_job(struct dbc *c, void *arg, struct err *err)
{
	return records_prepare(c, ((struct doing *)arg)->batch, err);
}

static int do_job(struct dbc *c, void *arg, struct err *err)
{
	struct doing *d = arg;
	struct records_outdated o = { .of = d->of,
		.generation = d->op->batch.run,
		.run = d->op->batch.run,
		.limit = (size_t)d->op->limit };
	struct records_pruned pruned;

	switch (d->op->task) {
	case TASK_BATCH: return records_apply(c, d->batch, err);
	case TASK_PRUNE:
		return records_prune_older(c, &d->of, INT64_MAX, d->op->limit, &pruned, err);
	case TASK_EMPTY: return records_empty(c, &d->of, d->op->limit, &pruned, err);
	case TASK_OUTDATED: break;
	}
	do
		TRY(records_outdated(c, &o, err));
	while (o.more);
	return 0;
}

static void do_operation(struct killing *k, int writer, int64_t number)
{
	struct operation op;
	struct records_input in = { 0 };
	struct buf text = { 0 };
	struct noise n = { (uint64_t)number };

	make_operation(k->kills, writer, number, &op);
	struct doing d = { .of = dataset_of(k->s, op.dataset), .op = &op };
	buf_init(&text, 1 << 24);
	for (size_t i = 0; i < op.batch.count; i++) {
		buf_char(&text, i ? ',' : '[');
		noise_spell(&n, op.batch.items[i].value, true, &text);
	}
	buf_char(&text, ']');
	in = (struct records_input){
		.of = d.of, .op = op.batch.op, .run = op.batch.run, .records = buf_sv(&text)
	};
	in.seq = (number + 1) * WRITERS + writer;
	d.batch = records_batch_new(&in);
	if (op.task == TASK_BATCH)
		must_run(k, DB_READ, prepare_job, &d, "prepare");
	must_run(k, DB_WRITE, do_job, &d, "operation");
	records_batch_free(d.batch);
	oracle_batch_done(&op.batch);
	buf_done(&text);
}

/* Expecting. */

static void expect_operation(struct world *w, const struct kills *k, int writer)
{
	struct oracle_dataset *d;
	struct operation op;
	int ids[IDS];
	int64_t last;

	make_operation(k, writer, w->operations++, &op);
	d = &w->mine[op.dataset < SHARED ? op.dataset : SHARED];
	switch (op.task) {
	case TASK_BATCH: oracle_apply(d, &op.batch); break;
	case TASK_OUTDATED: oracle_outdated(d, op.batch.run, op.batch.run, ids); break;
	case TASK_PRUNE: oracle_prune(d, INT64_MAX, op.limit, &last); break;
	case TASK_EMPTY: oracle_empty(d, op.limit); break;
	}
	oracle_batch_done(&op.batch);
}

/* The state of the store as far as a writer is concerned. */
struct found {
	bool there[SHARED + 1][IDS];
	struct json_t *records[SHARED + 1][IDS]; /* with _nango_metadata */
	int order[IDS], count; /* in its own dataset */
};

static bool is_as_expected(struct oracle_record *r, struct json_t *found)
{
	static const char *const names[] = { "", "ADDED", "UPDATED", "", "DELETED" };
	own(json_unref) struct json_t *got = NULL, *want = NULL;

	if (!r->exists || !found)
		return !r->exists && !found;
	got = json_clone(found);
	json_del(got, SV_LIT("_nango_metadata"));
	want = json_clone(r->payload);
	if (r->pruned) {
		json_del(want, SV_LIT("v"));
		json_del(want, SV_LIT("fill"));
	}
	return json_same(got, want) &&
	       sv_eq_str(json_sv(json_find(found, SV_LIT("_nango_metadata.last_action"))),
		       names[oracle_action(r)]);
}

static bool is_world(struct world *w, const struct found *f)
{
	struct oracle_record *list[IDS];
	size_t n = oracle_feed(&w->mine[SHARED], 0, 0, list);

	for (int d = 0; d <= SHARED; d++)
		for (int i = 0; i < IDS; i++)
			if (!is_as_expected(&w->mine[d].records[i], f->records[d][i]))
				return false;
	for (size_t i = 0; i < n; i++)
		if (f->order[i] != list[i] - w->mine[SHARED].records)
			return false;
	return n == (size_t)f->count;
}

/* The child. */

struct thread {
	struct killing *k;
	int writer;
	pthread_t thread;
};

/* When the other end is gone so are we. */
static void tell(const struct killing *k, const struct message *m)
{
	_Static_assert(sizeof(*m) <= _POSIX_PIPE_BUF, "or it would not be atomic");
	if (write(k->pipe, m, sizeof(*m)) != sizeof(*m))
		_exit(0);
}

static void *writer_main(void *arg)
{
	struct thread *t = arg;
	struct message m = { .writer = t->writer };

	for (int64_t n = t->k->worlds[t->writer].operations;; n++) {
		do_operation(t->k, t->writer, n);
		tell(t->k, &m);
	}
	return NULL;
}

struct page {
	struct records_query q;
	struct buf out;
};

static int page_job(struct dbc *c, void *arg, struct err *err)
{
	struct page *p = arg;

	buf_clear(&p->out);
	return records_list(c, &p->q, &p->out, err);
}

/* One page behind the reader's cursor, as a message. How many records it has. */
static int read_page(struct killing *k, struct page *p, int dataset, struct message *ret)
{
	own(json_unref) struct json_t *page = NULL;
	struct err err = { 0 };

	*ret = (struct message){ .writer = -1, .dataset = dataset };
	p->q = (struct records_query){ .of = dataset_of(k->s, dataset), .limit = PAGE };
	if (k->reader.cursor[dataset][0])
		p->q.cursor = sv_str(k->reader.cursor[dataset]);
	must_run(k, DB_READ, page_job, p, "read");
	if (json_parse(buf_sv(&p->out), &page, &err) < 0)
		die("read", err.msg);
	struct json_t *records = json_member(page, SV_LIT("records"));
	ret->count = (int)json_len(records);
	for (int i = 0; i < ret->count; i++) {
		struct json_t *r = json_item(records, (size_t)i);
		struct json_t *m = json_member(r, SV_LIT("_nango_metadata"));
		char id[32];
		snprintf(id, sizeof(id), "%.*s", SV(json_sv(json_member(r, SV_LIT("id")))));
		if (sscanf(id, "%d-%d", &ret->records[i].writer, &ret->records[i].id) != 2)
			die("read", "not a record of ours");
		ret->records[i].seen.action = json_sv(json_member(m, SV_LIT("last_action"))).ptr[0];
		struct json_t *v = json_member(r, SV_LIT("v"));
		ret->records[i].seen.value = v ? json_int(v) : -1;
		snprintf(ret->cursor, sizeof(ret->cursor), "%.*s",
			SV(json_sv(json_member(m, SV_LIT("cursor")))));
	}
	return ret->count;
}

static void reader_learn(struct killing *k, const struct message *m)
{
	if (m->count == 0)
		return;
	memcpy(k->reader.cursor[m->dataset], m->cursor, sizeof(m->cursor));
	for (int i = 0; i < m->count; i++)
		k->reader.seen[m->dataset][m->records[i].writer][m->records[i].id] =
			m->records[i].seen;
	k->ret->seen += m->count;
}

/* Reads all the time, and tells what it knows: that must stay true whatever happens. */
static void child_main(struct killing *k)
{
	struct thread threads[WRITERS];
	struct page p = { 0 };
	struct message m;

	must_open(k);
	for (int i = 0; i < WRITERS; i++) {
		threads[i] = (struct thread){ .k = k, .writer = i };
		if (pthread_create(&threads[i].thread, NULL, writer_main, &threads[i]) != 0)
			die("writer", "no thread");
	}
	buf_init(&p.out, 1 << 24);
	for (int d = 0;; d = (d + 1) % DATASETS) {
		if (read_page(k, &p, d, &m) == 0)
			continue;
		reader_learn(k, &m);
		tell(k, &m);
	}
}

/* The parent. */

static void hear(struct killing *k, const struct message *m)
{
	if (m->writer < 0) {
		reader_learn(k, m);
		return;
	}
	expect_operation(&k->worlds[m->writer], k->kills, m->writer);
	k->ret->acknowledged++;
}

/* Messages until the time is over, or all that is left when it is. */
static void listen(struct killing *k, int64_t until_us)
{
	struct pollfd p = { .fd = k->pipe, .events = POLLIN };
	struct message m;

	for (;;) {
		int64_t left = until_us - clock_mono_us();
		if (until_us && (left <= 0 || poll(&p, 1, (int)(left / 1000 + 1)) <= 0))
			return;
		ssize_t n = read(k->pipe, &m, sizeof(m));
		if (n == 0)
			return;
		if (n != sizeof(m))
			die("pipe", "a broken message");
		hear(k, &m);
	}
}

static void wait_for_message(struct killing *k)
{
	struct pollfd p = { .fd = k->pipe, .events = POLLIN };

	if (poll(&p, 1, (int)(PATIENCE_US / 1000)) != 1)
		die("child", "it does nothing");
}

static void kill_one(struct killing *k, struct noise *n)
{
	int fds[2], status = 0;
	int64_t life_us = noise_pick(n, (unsigned)k->kills->most_ms * 1000);

	if (pipe(fds) != 0)
		die("pipe", strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		k->pipe = fds[1];
		child_main(k);
	}
	close(fds[1]);
	k->pipe = fds[0];
	if (noise_hit(n, 2)) /* else it may be killed while it opens the database */
		wait_for_message(k);
	listen(k, clock_mono_us() + life_us);
	if (k->kills->strike) {
		if (system(k->kills->strike) != 0)
			die("strike", k->kills->strike);
		listen(k, clock_mono_us() + life_us); /* it goes on, with what it has lost */
	}
	if (kill(pid, SIGKILL) != 0 || waitpid(pid, &status, 0) != pid)
		die("kill", strerror(errno));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		die("child", "it ended by itself");
	listen(k, 0); /* what was acknowledged before */
	close(k->pipe);
}

/* Looking. */

static void found_add(struct found found[WRITERS], int dataset, struct json_t *record)
{
	int writer, i, at = dataset < SHARED ? dataset : SHARED;
	char id[32];

	snprintf(id, sizeof(id), "%.*s", SV(json_sv(json_member(record, SV_LIT("id")))));
	assert_int_equal(sscanf(id, "%d-%d", &writer, &i), 2);
	found[writer].records[at][i] = json_ref(record);
	if (at == SHARED)
		found[writer].order[found[writer].count++] = i;
}

static void find_all(struct killing *k, struct found found[WRITERS])
{
	for (int d = 0; d < DATASETS; d++) {
		own(json_unref) struct json_t *page = NULL;
		struct err err = { 0 };
		k->s->of = dataset_of(k->s, d);
		if (json_parse(list(k->s, (struct records_query){ 0 }), &page, &err) < 0)
			die("read", err.msg);
		struct json_t *records = json_member(page, SV_LIT("records"));
		for (size_t i = 0; i < json_len(records); i++)
			found_add(found, d, json_item(records, i));
	}
	arena_done(&k->s->arena);
}

static void found_done(struct found found[WRITERS])
{
	for (int w = 0; w < WRITERS; w++)
		for (int d = 0; d <= SHARED; d++)
			for (int i = 0; i < IDS; i++)
				json_unref(found[w].records[d][i]);
}

/* All that was acknowledged, and of what was at work all or nothing. */
static void expect_world(struct killing *k, int writer, const struct found *f)
{
	struct world *w = &k->worlds[writer];

	if (is_world(w, f)) {
		k->ret->pending_absent++;
		return;
	}
	expect_operation(w, k->kills, writer);
	if (!is_world(w, f))
		fail_msg("seed %llu: writer %d: neither %lld operations nor one more",
			(unsigned long long)k->kills->seed, writer, (long long)w->operations - 1);
	k->ret->pending_whole++;
}

/* What the reader was told in all its lives is what is there; what was removed it cannot know. */
static void expect_reader(struct killing *k, const struct found found[WRITERS])
{
	struct page p = { 0 };
	struct message m;

	buf_init(&p.out, 1 << 24);
	for (int d = 0; d < DATASETS; d++)
		while (read_page(k, &p, d, &m) > 0)
			reader_learn(k, &m);
	buf_done(&p.out);
	for (int d = 0; d < DATASETS; d++) {
		for (int w = 0; w < WRITERS; w++) {
			for (int i = 0; i < IDS; i++) {
				struct json_t *r = found[w].records[d < SHARED ? d : SHARED][i];
				struct seen seen = k->reader.seen[d][w][i];
				if (!r || (d >= SHARED && d - SHARED != w))
					continue;
				struct sv action = json_sv(
					json_find(r, SV_LIT("_nango_metadata.last_action")));
				assert_int_equal(seen.action, action.ptr[0]);
				/* Pruning and restoring are no changes. */
				if (seen.value >= 0 && json_member(r, SV_LIT("v")))
					assert_int_equal(
						seen.value, json_int(json_member(r, SV_LIT("v"))));
			}
		}
	}
}

static void look(struct killing *k)
{
	struct found *found = mem_array(WRITERS, sizeof(*found));

	must_open(k);
	check_store(k->s);
	find_all(k, found);
	for (int w = 0; w < WRITERS; w++)
		expect_world(k, w, &found[w]);
	expect_reader(k, found);
	found_done(found);
	mem_free(found);
	db_close(take(k->s->db));
}

void kills_run(struct store *s, const struct kills *kills, struct kills_result *ret)
{
	struct killing *k = NEW(struct killing);
	struct noise n = { kills->seed };

	*ret = (struct kills_result){ 0 };
	k->s = s;
	k->kills = kills;
	k->ret = ret;
#ifdef TIDEMARK_TEST_HOOKS
	ids_recent_most = 5; /* so that ids move all the time, and are killed on their way */
#endif
	db_close(take(s->db)); /* its threads would not survive a fork */
	for (int i = 0; i < kills->cycles; i++) {
		kill_one(k, &n);
		look(k);
	}
#ifdef TIDEMARK_TEST_HOOKS
	ids_recent_most = 0;
#endif
	must_open(k);
	for (int w = 0; w < WRITERS; w++)
		for (int d = 0; d <= SHARED; d++)
			oracle_free(&k->worlds[w].mine[d]);
	mem_free(k);
}
