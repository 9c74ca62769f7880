#include "records/race_test.h"

#include "base/clock.h"
#include "base/sv.h"
#include "records/noise_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHARED_IDS = 400, READERS = 2, BATCH_MAX = 1000 };

/* One record that moved. Ids below SHARED_IDS are written by everybody, others only once. */
struct change {
	int64_t stamp, id, version; /* version: of the payload; -1 = as it was, or pruned */
	int64_t action; /* RECORDS_ADDED... */
};

struct log {
	struct change *list;
	size_t count, cap;
};

struct writer {
	struct side *side;
	int number; /* over all processes */
	pthread_t thread;
	struct noise noise;
	struct log log;
	int64_t batches, next_id;
	struct buf text;
};

/* The writers of this process. */
struct side {
	struct store *s;
	const struct race *race;
	struct writer *writers;
	atomic_llong left; /* changes still to make */
};

struct reader {
	struct store *s;
	pthread_t thread;
	int64_t limit, polls, last_stamp, disorder;
	atomic_bool *done;
	struct records_query q;
	char cursor[128];
	struct buf page;
	struct log log;
};

/* In threads, where a failed assertion of cmocka would jump to another stack. */
static void die(const char *what, const char *why)
{
	fprintf(stderr, "race: %s: %s\n", what, why);
	abort();
}

static void log_add(struct log *l, struct change change)
{
	if (l->count == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->list = mem_realloc(l->list, l->cap * sizeof(*l->list));
	}
	l->list[l->count++] = change;
}

/* Writing. */

static void add_id(struct writer *w, int64_t version)
{
	bool shared = noise_hit(&w->noise, 2);
	int64_t id = shared ? noise_pick(&w->noise, SHARED_IDS) : w->next_id++;

	buf_printf(&w->text, "%c{\"id\":\"%lld\",\"v\":%lld}", w->text.len ? ',' : '[',
		(long long)id, (long long)version);
}

static enum records_op make_batch(struct writer *w, int64_t version)
{
	static const enum records_op ops[] = { RECORDS_SAVE, RECORDS_SAVE, RECORDS_SAVE,
		RECORDS_UPDATE, RECORDS_DELETE };
	unsigned kind = noise_pick(&w->noise, 10);
	unsigned most = kind < 6 ? 10 : kind < 9 ? 100 : BATCH_MAX;

	buf_clear(&w->text);
	for (unsigned n = 1 + noise_pick(&w->noise, most); n; n--)
		add_id(w, version);
	buf_char(&w->text, ']');
	return ops[noise_pick(&w->noise, ARRAY_LEN(ops))];
}

static int64_t action_of(const struct record_item *item)
{
	switch (item->action) {
	case ACTION_INSERT:
	case ACTION_UNDELETE: return RECORDS_ADDED;
	case ACTION_CHANGE: return RECORDS_UPDATED;
	case ACTION_DELETE: return RECORDS_DELETED;
	case ACTION_NONE:
	case ACTION_RESTORE: break;
	}
	return 0;
}

static int64_t note_changes(struct writer *w, const struct records_batch *b, int64_t version)
{
	int64_t n = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct record_item *item = &b->items[i];
		struct change c = { .stamp = item->new_stamp, .action = action_of(item) };
		if (!c.action)
			continue;
		if (!sv_to_i64(item->id, &c.id))
			die("note", "not an id of ours");
		c.version = c.action == RECORDS_DELETED ? -1 : version;
		log_add(&w->log, c);
		n++;
	}
	return n;
}

static int prepare_job(struct dbc *c, void *arg, struct err *err)
{
	return records_prepare(c, arg, err);
}

static int apply_job(struct dbc *c, void *arg, struct err *err)
{
	return records_apply(c, arg, err);
}

static int64_t write_batch(struct writer *w)
{
	int64_t version = w->batches++ << 8 | w->number;
	struct records_input in = { .of = w->side->s->of, .run = w->number + 1 };
	struct err err = { 0 };

	in.seq = w->batches;
	in.op = make_batch(w, version);
	in.records = buf_sv(&w->text);
	own(records_batch_free) struct records_batch *b = records_batch_new(&in);
	if (!noise_hit(&w->noise, 8) && db_run(w->side->s->db, DB_READ, prepare_job, b, &err) < 0)
		die("prepare", err.msg);
	if (db_run(w->side->s->db, DB_WRITE, apply_job, b, &err) < 0)
		die("apply", err.msg);
	return note_changes(w, b, version);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;

	buf_init(&w->text, 1 << 20);
	while (atomic_load(&w->side->left) > 0)
		atomic_fetch_sub(&w->side->left, write_batch(w));
	buf_done(&w->text);
	return NULL;
}

/* Payloads are forgotten beside the writers: that changes nothing a reader is told of. */
static int prune_job(struct dbc *c, void *arg, struct err *err)
{
	const struct side *side = arg;
	struct records_pruned pruned;

	return records_prune_older(c, &side->s->of, clock_now_us(), 50, &pruned, err);
}

static void *pruner_main(void *arg)
{
	struct side *side = arg;
	struct err err = { 0 };

	while (atomic_load(&side->left) > 0)
		if (db_run(side->s->db, DB_WRITE, prune_job, side, &err) < 0)
			die("prune", err.msg);
	return NULL;
}

static void side_run(struct side *side, struct store *s, const struct race *race, int process)
{
	pthread_t pruner;

	*side = (struct side){ .s = s, .race = race };
	side->writers = mem_array((size_t)race->writers, sizeof(struct writer));
	atomic_init(&side->left, race->changes / race->processes);
	for (int i = 0; i < race->writers; i++) {
		struct writer *w = &side->writers[i];
		w->side = side;
		w->number = process * race->writers + i;
		w->noise.state = race->seed * 1000 + (uint64_t)w->number;
		w->next_id = (int64_t)(w->number + 1) << 32;
		if (pthread_create(&w->thread, NULL, writer_main, w) != 0)
			die("writer", "no thread");
	}
	if (pthread_create(&pruner, NULL, pruner_main, side) != 0)
		die("pruner", "no thread");
	for (int i = 0; i < race->writers; i++)
		pthread_join(side->writers[i].thread, NULL);
	pthread_join(pruner, NULL);
}

/* Reading. */

static int read_job(struct dbc *c, void *arg, struct err *err)
{
	struct reader *r = arg;

	buf_clear(&r->page);
	return records_list(c, &r->q, &r->page, err);
}

static int64_t action_named(struct sv name)
{
	return sv_eq_str(name, "ADDED")	    ? RECORDS_ADDED
	       : sv_eq_str(name, "UPDATED") ? RECORDS_UPDATED
					    : RECORDS_DELETED;
}

static void reader_note(struct reader *r, struct json_t *record)
{
	struct json_t *m = json_member(record, SV_LIT("_nango_metadata"));
	struct json_t *v = json_member(record, SV_LIT("v"));
	struct change c = { .version = v ? json_int(v) : -1 };
	struct sv cursor = json_sv(json_member(m, SV_LIT("cursor")));

	c.action = action_named(json_sv(json_member(m, SV_LIT("last_action"))));
	if (!sv_to_i64(json_sv(json_member(record, SV_LIT("id"))), &c.id) ||
		!clock_parse_iso(json_sv(json_member(m, SV_LIT("last_modified_at"))), &c.stamp))
		die("read", "not a record of ours");
	r->disorder += c.stamp <= r->last_stamp;
	r->last_stamp = c.stamp;
	snprintf(r->cursor, sizeof(r->cursor), "%.*s", SV(cursor));
	r->q.cursor = sv_str(r->cursor);
	log_add(&r->log, c);
}

static size_t reader_poll(struct reader *r)
{
	struct json_t *page = NULL;
	struct err err = { 0 };

	r->polls++;
	if (db_run(r->s->db, DB_READ, read_job, r, &err) < 0 ||
		json_parse(buf_sv(&r->page), &page, &err) < 0)
		die("read", err.msg);
	struct json_t *records = json_member(page, SV_LIT("records"));
	size_t n = json_len(records);
	for (size_t i = 0; i < n; i++)
		reader_note(r, json_item(records, i));
	json_unref(page);
	return n;
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	bool last;

	do
		last = atomic_load(r->done);
	while (reader_poll(r) > 0 || !last);
	return NULL;
}

static void readers_start(struct reader *readers, struct store *s, atomic_bool *done)
{
	for (int i = 0; i < READERS; i++) {
		struct reader *r = &readers[i];
		*r = (struct reader){ .s = s, .done = done };
		/* One that is far ahead, and one whose pages are cut all the time. */
		r->q = (struct records_query){ .of = s->of, .limit = i ? 37 : 5000 };
		buf_init(&r->page, 1 << 26);
		if (pthread_create(&r->thread, NULL, reader_main, r) != 0)
			die("reader", "no thread");
	}
}

/* Processes. */

static void write_all(int fd, const void *from, size_t len)
{
	for (const char *p = from; len;) {
		ssize_t n = write(fd, p, len);
		if (n < 0)
			die("pipe", strerror(errno));
		p += n;
		len -= (size_t)n;
	}
}

/* The parent has no database open: its threads would not survive the fork. */
static void child_main(struct store *s, const struct race *race, int process, int fd)
{
	struct side side;

	store_open_db(s, NULL);
	side_run(&side, s, race, process);
	for (int i = 0; i < race->writers; i++) {
		const struct log *log = &side.writers[i].log;
		write_all(fd, &side.writers[i].batches, sizeof(int64_t));
		write_all(fd, &log->count, sizeof(log->count));
		write_all(fd, log->list, log->count * sizeof(*log->list));
	}
	db_close(s->db);
	_exit(0);
}

static void read_all(int fd, void *to, size_t len)
{
	for (char *p = to; len;) {
		ssize_t n = read(fd, p, len);
		if (n <= 0)
			die("pipe", "a writing process ended early");
		p += n;
		len -= (size_t)n;
	}
}

static int child_start(struct store *s, const struct race *race, int process, pid_t *ret_pid)
{
	int fds[2];

	if (pipe(fds) != 0)
		die("pipe", strerror(errno));
	*ret_pid = fork();
	if (*ret_pid == 0) {
		close(fds[0]);
		child_main(s, race, process, fds[1]);
	}
	close(fds[1]);
	return fds[0];
}

/* Checking. */

struct notes {
	struct log all; /* of all writers */
	struct race_result *ret;
};

/* A writer's batches were committed one after the other, so their stamps ascend. */
static void notes_add(struct notes *n, const struct change *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		n->ret->disorder += i && list[i].stamp <= list[i - 1].stamp;
		log_add(&n->all, list[i]);
	}
}

static int by_stamp(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	return (x->stamp > y->stamp) - (x->stamp < y->stamp);
}

static int by_id(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	return x->id != y->id ? (x->id > y->id) - (x->id < y->id) : by_stamp(a, b);
}

static void check_invented(const struct notes *n, const struct reader *r)
{
	for (size_t i = 0; i < r->log.count; i++) {
		const struct change *seen = &r->log.list[i];
		const struct change *made =
			bsearch(seen, n->all.list, n->all.count, sizeof(*seen), by_stamp);
		n->ret->invented += !made || made->id != seen->id || made->action != seen->action ||
				    (made->version >= 0 && seen->version >= 0 &&
					    made->version != seen->version);
	}
}

/* all is in the order of ids: the last change of each must have been seen. */
static void check_missed(const struct notes *n, const struct reader *r)
{
	for (size_t i = 0; i < n->all.count; i++) {
		const struct change *c = &n->all.list[i];
		bool last = i + 1 == n->all.count || c[1].id != c->id;
		if (last && !bsearch(c, r->log.list, r->log.count, sizeof(*c), by_stamp))
			n->ret->missed++;
	}
}

static void check(struct notes *n, struct reader *readers)
{
	n->ret->changes = (int64_t)n->all.count;
	qsort(n->all.list, n->all.count, sizeof(struct change), by_stamp);
	for (size_t i = 1; i < n->all.count; i++)
		n->ret->disorder += n->all.list[i].stamp == n->all.list[i - 1].stamp;
	for (int i = 0; i < READERS; i++)
		check_invented(n, &readers[i]);
	qsort(n->all.list, n->all.count, sizeof(struct change), by_id);
	for (int i = 0; i < READERS; i++) {
		check_missed(n, &readers[i]);
		n->ret->read += (int64_t)readers[i].log.count;
		n->ret->polls += readers[i].polls;
		n->ret->disorder += readers[i].disorder;
	}
}

static void collect_side(struct notes *n, const struct side *side)
{
	for (int i = 0; i < side->race->writers; i++) {
		struct writer *w = &side->writers[i];
		notes_add(n, w->log.list, w->log.count);
		n->ret->batches += w->batches;
		mem_free(w->log.list);
	}
	mem_free(side->writers);
}

static void collect_child(struct notes *n, const struct race *race, int fd, pid_t pid)
{
	int status;

	for (int i = 0; i < race->writers; i++) {
		int64_t batches;
		size_t count;
		read_all(fd, &batches, sizeof(batches));
		read_all(fd, &count, sizeof(count));
		struct change *list = mem_array(count, sizeof(*list));
		read_all(fd, list, count * sizeof(*list));
		notes_add(n, list, count);
		n->ret->batches += batches;
		mem_free(list);
	}
	close(fd);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die("writers", "a process failed");
}

static void run_processes(struct store *s, const struct race *race, struct notes *n,
	struct reader *readers, atomic_bool *done)
{
	enum { MOST = 16 };
	int fds[MOST];
	pid_t pids[MOST];

	assert(race->processes <= MOST);
	db_close(take(s->db));
	for (int i = 0; i < race->processes; i++)
		fds[i] = child_start(s, race, i, &pids[i]);
	store_open_db(s, NULL);
	readers_start(readers, s, done);
	for (int i = 0; i < race->processes; i++)
		collect_child(n, race, fds[i], pids[i]);
}

void race_run(struct store *s, const struct race *race, struct race_result *ret)
{
	struct reader readers[READERS];
	struct notes notes = { .ret = ret };
	atomic_bool done = false;
	struct side side;

	*ret = (struct race_result){ 0 };
	if (race->processes > 1) {
		run_processes(s, race, &notes, readers, &done);
	} else {
		readers_start(readers, s, &done);
		side_run(&side, s, race, 0);
		collect_side(&notes, &side);
	}
	atomic_store(&done, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
	check(&notes, readers);
	for (int i = 0; i < READERS; i++) {
		buf_done(&readers[i].page);
		mem_free(readers[i].log.list);
	}
	mem_free(notes.all.list);
}
