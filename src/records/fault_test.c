/*
 * Every operation of the record store with every fault point failing, one after the other: it
 * reports an error, nothing of it stays, and done again it comes to what it should. The same with
 * the process killed there: what it was at is there whole or not at all.
 *
 * Some of the points are left out when killing, as each costs a process; TIDEMARK_TEST_ALL=1 does
 * all of them.
 */
#include "base/fault.h"
#include "records/records_test.h"

#include <sys/wait.h>
#include <unistd.h>

#ifdef TIDEMARK_TEST_HOOKS

/* The store as every operation finds it: live, deleted and pruned records, an open window. */
static void fill(struct store *s)
{
	expect_save(s, 1, "[{\"id\":\"p\",\"v\":1},{\"id\":\"q\",\"v\":1}]", 2, 0, 0);
	prune(s, edge(s, true), 10);
	expect_save(s, 1,
		"[{\"id\":\"1\",\"v\":1},{\"id\":\"2\",\"v\":1},{\"id\":\"3\",\"v\":{\"a\":1}},"
		"{\"id\":\"4\",\"v\":1},{\"id\":\"5\",\"v\":1},{\"id\":\"6\",\"v\":1}]",
		6, 0, 0);
	expect_delete(s, 1, "[{\"id\":\"4\"}]", 1, 0);
	track_start(s, 2);
	expect_save(s, 2, "[{\"id\":\"1\",\"v\":1},{\"id\":\"p\",\"v\":1}]", 0, 0, 2);
	prune(s, edge(s, false), 10);
}

/* What can be seen of the store, but for times. In the arena of the store. */
static const char *dump(struct store *s)
{
	static const char *const models[] = { "Contact", "Account" };
	own_in(buf_done) struct buf out = { 0 };

	buf_init(&out, 1 << 20);
	for (size_t m = 0; m < ARRAY_LEN(models); m++) {
		own(json_unref) struct json_t *page = NULL;
		struct err err;
		s->of.model = sv_str(models[m]);
		assert_int_equal(json_parse(list(s, (struct records_query){ 0 }), &page, &err), 0);
		struct json_t *records = json_member(page, SV_LIT("records"));
		for (size_t i = 0; i < json_len(records); i++) {
			struct json_t *meta =
				json_member(json_item(records, i), SV_LIT("_nango_metadata"));
			static const char *const times[] = { "first_seen_at", "last_modified_at",
				"cursor", "deleted_at", "pruned_at" };
			for (size_t t = 0; t < ARRAY_LEN(times); t++)
				if (json_kind(json_member(meta, sv_str(times[t]))) !=
					JSON_KIND_NULL)
					json_set_bool(meta, times[t], true);
			json_dump_compact(json_item(records, i), &out);
		}
		buf_printf(&out, " %s: %lld live, window %lld\n", models[m], (long long)live(s),
			(long long)window(s));
	}
	s->of.model = SV_LIT("Contact");
	check_store(s);
	return arena_str(&s->arena, buf_sv(&out));
}

/* The operations: each in the jobs it takes, with what it came to as text. */

struct act {
	struct store *s;
	const struct operation *op;
	struct records_batch *batch;
	char result[200];
};

struct operation {
	const char *name;
	db_job_fn *job; /* the write */
	/* For batches: */
	bool is_batch;
	enum records_op kind;
	const char *model, *records;
};

static int batch_job(struct dbc *c, void *arg, struct err *err)
{
	struct act *a = arg;
	const struct records_counts *n = &a->batch->counts;

	TRY(records_apply(c, a->batch, err));
	snprintf(a->result, sizeof(a->result),
		"%lld added %lld updated %lld deleted %lld unchanged %lld ignored",
		(long long)n->added, (long long)n->updated, (long long)n->deleted,
		(long long)n->unchanged, (long long)n->ignored);
	return 0;
}

static int start_job(struct dbc *c, void *arg, struct err *err)
{
	struct act *a = arg;

	return records_track_start(c, &a->s->of, SV_LIT("other"), 3, err);
}

static int note_deleted(struct act *a, struct records_outdated *o, int rc)
{
	snprintf(a->result, sizeof(a->result), "%lld deleted: %s", (long long)o->deleted,
		o->keys->ptr ? o->keys->ptr : "");
	buf_done(o->keys);
	return rc;
}

static int end_job(struct dbc *c, void *arg, struct err *err)
{
	struct act *a = arg;
	struct buf keys;
	struct records_outdated o = { .of = a->s->of, .run = 2, .limit = 2, .keys = &keys };

	buf_init(&keys, 1000);
	return note_deleted(a, &o, records_track_end(c, &o, SV_LIT("sync:contacts:base"), err));
}

static int outdated_job(struct dbc *c, void *arg, struct err *err)
{
	struct act *a = arg;
	struct buf keys;
	struct records_outdated o = {
		.of = a->s->of, .run = 2, .generation = 2, .limit = 3, .keys = &keys
	};

	buf_init(&keys, 1000);
	return note_deleted(a, &o, records_outdated(c, &o, err));
}

static int note_pruned(struct act *a, const struct records_pruned *p, int rc)
{
	snprintf(a->result, sizeof(a->result), "%lld, %s", (long long)p->count,
		p->more ? "more" : "no more");
	return rc;
}

static int prune_job(struct dbc *c, void *arg, struct err *err)
{
	struct act *a = arg;
	struct records_pruned p;

	return note_pruned(a, &p, records_prune_older(c, &a->s->of, INT64_MAX, 4, &p, err));
}

static int cursor_prune_job(struct dbc *c, void *arg, struct err *err)
{
	own_in(buf_done) struct buf cursor = { 0 };
	struct act *a = arg;
	struct records_pruned p;

	buf_init(&cursor, 1000);
	TRY(records_edge(c, &a->s->of, true, &cursor, err));
	return note_pruned(a, &p, records_prune(c, &a->s->of, buf_sv(&cursor), 100, &p, err));
}

static int empty_some_job(struct dbc *c, void *arg, struct err *err)
{
	struct act *a = arg;
	struct records_pruned p;

	return note_pruned(a, &p, records_empty(c, &a->s->of, 3, &p, err));
}

static int empty_all_job(struct dbc *c, void *arg, struct err *err)
{
	struct act *a = arg;
	struct records_pruned p;

	return note_pruned(a, &p, records_empty(c, &a->s->of, 100, &p, err));
}

static int remove_job(struct dbc *c, void *arg, struct err *err)
{
	struct act *a = arg;
	struct records_pruned p;

	return note_pruned(a, &p, records_remove(c, &a->s->of, 100, &p, err));
}

static int run_done_job(struct dbc *c, void *arg, struct err *err)
{
	(void)arg;
	return records_run_done(c, 7, 1, 3, err);
}

static int reset_job(struct dbc *c, void *arg, struct err *err)
{
	(void)arg;
	return records_track_reset(c, 7, SV_LIT("sync:contacts:base"), err);
}

#define BATCH(kind_, model_, records_) batch_job, true, kind_, model_, records_

static const struct operation operations[] = {
	{ "save", BATCH(RECORDS_SAVE, "Contact",
			  "[{\"id\":\"1\",\"v\":2},{\"id\":\"2\",\"v\":1},{\"id\":\"new\"},"
			  "{\"id\":\"4\",\"v\":1},{\"id\":\"q\",\"v\":1}]") },
	{ "save into a new dataset", BATCH(RECORDS_SAVE, "Account", "[{\"id\":\"1\"}]") },
	{ "save what is unchanged", BATCH(RECORDS_SAVE, "Contact", "[{\"id\":\"2\",\"v\":1}]") },
	{ "update",
		BATCH(RECORDS_UPDATE, "Contact",
			"[{\"id\":\"3\",\"v\":{\"b\":2}},{\"id\":\"4\",\"v\":2},{\"id\":\"q\"}]") },
	{ "delete", BATCH(RECORDS_DELETE, "Contact",
			    "[{\"id\":\"1\"},{\"id\":\"4\"},{\"id\":\"p\"}]") },
	{ "window start", .job = start_job },
	{ "window end", .job = end_job },
	{ "delete outdated", .job = outdated_job },
	{ "prune by age", .job = prune_job },
	{ "prune to a cursor", .job = cursor_prune_job },
	{ "empty some", .job = empty_some_job },
	{ "empty all", .job = empty_all_job },
	{ "remove", .job = remove_job },
	{ "end of a run", .job = run_done_job },
	{ "reset", .job = reset_job },
};

static int prepare_job(struct dbc *c, void *arg, struct err *err)
{
	return records_prepare(c, ((struct act *)arg)->batch, err);
}

static int act_run(struct act *a, struct err *err)
{
	const struct operation *op = a->op;
	int rc = 0;

	*err = (struct err){ 0 };
	a->result[0] = 0;
	if (op->is_batch) {
		struct records_input in = { .of = a->s->of, .op = op->kind, .run = 3, .seq = 1 };
		in.of.model = sv_str(op->model);
		in.records = sv_str(op->records);
		a->batch = records_batch_new(&in);
		rc = db_run(a->s->db, DB_READ, prepare_job, a, err);
	}
	if (rc == 0)
		rc = db_run(a->s->db, DB_WRITE, op->job, a, err);
	records_batch_free(take(a->batch));
	return rc;
}

/* What an operation comes to when nothing fails. */
struct outcome {
	struct store s; /* holds the texts */
	const char *before, *after;
	char result[200];
};

static void outcome_find(const struct operation *op, struct outcome *ret)
{
	struct act a = { .s = &ret->s, .op = op };
	struct err err;

	store_open(&ret->s, NULL);
	fill(&ret->s);
	ret->before = dump(&ret->s);
	if (act_run(&a, &err) < 0)
		fail_msg("%s: %s", op->name, err.msg);
	ret->after = dump(&ret->s);
	memcpy(ret->result, a.result, sizeof(a.result));
}

static void expect_outcome(const struct outcome *want, struct act *a)
{
	assert_string_equal(dump(a->s), want->after);
	assert_string_equal(a->result, want->result);
}

/* Errors. */

static void fail_everywhere(const struct operation *op)
{
	struct outcome want;
	struct store s;
	struct act a = { .s = &s, .op = op };
	struct err err;
	char spec[32];
	int n, rc;

	outcome_find(op, &want);
	store_open(&s, NULL);
	fill(&s);
	for (n = 1;; n++) {
		snprintf(spec, sizeof(spec), "*:%d", n);
		fault_set(spec);
		rc = act_run(&a, &err);
		fault_set(NULL);
		if (rc == 0) /* "db.committed" is no failure */
			break;
		assert_int_equal(rc, ERR_IO);
		assert_string_equal(dump(&s), want.before);
	}
	assert_true(n > 2);
	expect_outcome(&want, &a);
	store_close(&s);
	store_close(&want.s);
}

static void test_every_failure(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(operations); i++)
		fail_everywhere(&operations[i]);
}

/* Kills. */

static void child(struct store *s, const struct operation *op, int point, int pipe_end)
{
	struct act a = { .s = s, .op = op };
	struct err err;
	char spec[32];

	store_open_db(s, NULL);
	snprintf(spec, sizeof(spec), "*:%d:kill", point);
	fault_set(spec);
	if (act_run(&a, &err) < 0 || write(pipe_end, a.result, sizeof(a.result)) < 0)
		_exit(1);
	_exit(0);
}

/* Whether it was acknowledged; the result then. */
static bool run_child(struct store *s, const struct operation *op, int point, char result[200])
{
	int fds[2], status;

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		child(s, op, point, fds[1]);
	}
	close(fds[1]);
	ssize_t n = read(fds[0], result, 200);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(n == 200 ? status == 0 : WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return n == 200;
}

static void kill_everywhere(const struct operation *op, int stride)
{
	struct outcome want;
	struct store s;
	struct act a = { .s = &s, .op = op };
	bool done = false;

	outcome_find(op, &want);
	store_open(&s, NULL);
	fill(&s);
	for (int point = 1 + (op->name[0] + op->name[1]) % stride; !done; point += stride) {
		db_close(take(s.db)); /* its threads would not survive a fork */
		bool acknowledged = run_child(&s, op, point, a.result);
		store_open_db(&s, NULL);
		const char *now = dump(&s);
		done = acknowledged || strcmp(now, want.before) != 0;
		if (done)
			assert_string_equal(now, want.after);
		if (acknowledged)
			assert_string_equal(a.result, want.result);
	}
	store_close(&s);
	store_close(&want.s);
}

static void test_every_kill(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(operations); i++)
		kill_everywhere(&operations[i], getenv("TIDEMARK_TEST_ALL") ? 1 : 5);
}

int fault_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_failure),
		cmocka_unit_test(test_every_kill),
	};
	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}

#else

int fault_tests(void)
{
	return 0;
}

#endif
