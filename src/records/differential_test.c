/*
 * The store beside the model of oracle_test.h under long random sequences: several datasets, runs
 * that overlap, batches prepared early and applied late, faults, clocks that jump. What each
 * operation returns is compared, and every few operations all that can be read.
 *
 * TIDEMARK_TEST_SEED and TIDEMARK_TEST_OPERATIONS repeat a failure or soak.
 */
#include "records/differential_test.h"

#include "base/clock.h"
#include "base/fault.h"

/* Ids and ways to spell them. Two pairs have one hash (records/ids.h). */
const struct id_form id_forms[ORACLE_IDS] = {
	{ "0", { "0", "\"0\"", "-0", "0.0" } },
	{ "1", { "1", "\"1\"", "1.0", "10e-1" } },
	{ "-3", { "-3", "\"-3\"", "-3.00", "-0.3e1" } },
	{ "1.5", { "1.5", "\"1.5\"", "15e-1", "1.50" } },
	{ "1e+21", { "1e21", "\"1e+21\"", "1E+21", "1000000000000000000000" } },
	{ "19859660", { "19859660", "\"19859660\"", "\"\\u0031\\u0039859660\"" } },
	{ "30383227", { "30383227", "\"30383227\"", "30383227.0" } },
	{ "357473", { "357473", "\"357473\"" } },
	{ "33491749", { "33491749", "\"33491749\"" } },
	{ "ab", { "\"ab\"", "\"a\\u0000b\"", "\"\\u0061b\"" } },
	{ "\u00e9", { "\"\u00e9\"", "\"\\u00e9\"", "\"\\u00E9\"" } },
	{ "\U0001F600", { "\"\U0001F600\"", "\"\\ud83d\\ude00\"" } },
	{ "a \"b\" \\c/\n", { "\"a \\\"b\\\" \\\\c/\\n\"", "\"a \\u0022b\\\" \\u005cc\\/\\n\"" } },
	{ "true", { "\"true\"" } },
	{ " ", { "\" \"" } },
	{ "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
	  "5678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
	  "01234567890123456789012345678901234567890123456789012345678901234567890123456789abcde",
		{ NULL } },
	{ "r1", { NULL } },
	{ "r2", { NULL } },
	{ "r3", { NULL } },
	{ "r4", { NULL } },
	{ "r5", { NULL } },
	{ "r6", { NULL } },
	{ "r7", { NULL } },
	{ "r8", { NULL } },
	{ "r9", { NULL } },
	{ "r10", { NULL } },
	{ "r11", { NULL } },
	{ "r12", { NULL } },
	{ "R12", { NULL } },
	{ "r12 ", { NULL } },
	{ "null", { "\"null\"" } },
	{ "9007199254740993", { "\"9007199254740993\"" } },
};

static int connection_of(const struct side *d)
{
	return d->of.connection == 8;
}

/* Running jobs: whatever fails because of a fault is done again. */

static int run_once(struct test *t, enum db_mode mode, db_job_fn *fn, void *arg, struct err *err)
{
	*err = (struct err){ 0 };
#ifdef TIDEMARK_TEST_HOOKS
	if (mode == DB_WRITE && RND(12) == 0) {
		char spec[32];
		snprintf(spec, sizeof(spec), "*:%d", 1 + RND(40));
		fault_set(spec);
		int rc = db_run(t->s->db, mode, fn, arg, err);
		bool fired = fault_fired();
		fault_set(NULL);
		assert_true(rc != ERR_IO || fired);
		return rc;
	}
#endif
	return db_run(t->s->db, mode, fn, arg, err);
}

/* ERR_IO only comes from faults. */
static int run_job(struct test *t, enum db_mode mode, db_job_fn *fn, void *arg, struct err *err)
{
	int rc;

	while ((rc = run_once(t, mode, fn, arg, err)) == ERR_IO)
		if (RND(4) == 0)
			check_store(t->s);
	return rc;
}

static void must_run(struct test *t, enum db_mode mode, db_job_fn *fn, void *arg)
{
	struct err err;

	if (run_job(t, mode, fn, arg, &err) < 0)
		fail_msg("%s", err.msg);
}

/* Making batches. */

static int64_t pick_run(struct test *t, const struct side *d)
{
	int64_t run = t->runs[connection_of(d)][RND(RUNS)];

	return run ? run : t->runs[connection_of(d)][0];
}

static const char *spell_id(struct test *t, int id, struct buf *out)
{
	const struct id_form *f = &id_forms[id];
	size_t forms = 0;

	while (forms < ARRAY_LEN(f->as) && f->as[forms])
		forms++;
	buf_clear(out);
	if (forms)
		buf_str(out, f->as[RND((unsigned)forms)]);
	else
		buf_json_str(out, sv_str(f->text));
	return out->ptr;
}

/* Often what is stored, or near it. */
static struct json_t *make_payload(struct test *t, const struct oracle_record *r)
{
	bool near = r->payload && RND(4);
	struct json_t *v = near ? json_clone(r->payload) : noise_object(&t->noise, 3);

	if (near && RND(2))
		json_set(v, SV_LIT("name"), noise_value(&t->noise, 2));
	if (near && RND(8) == 0)
		json_del(v, SV_LIT("a"));
	return v;
}

static const char *make_deleted_at(struct test *t, int64_t *ret_us)
{
	*ret_us = 0;
	switch (RND(8)) {
	case 0: *ret_us = 1767323045678900; return "\"deletedAt\":\"2026-01-02T03:04:05.6789Z\"";
	case 1: *ret_us = 1700000000123000; return "\"deletedAt\":1700000000123";
	case 2: return "\"deletedAt\":null";
	default: return NULL;
	}
}

static void add_item(struct test *t, struct pending *p, const struct oracle_dataset *d, int id)
{
	struct oracle_item *item = &p->model.items[p->model.count];
	own_in(buf_done) struct buf spelled = { 0 };
	bool is_delete = p->in.op == RECORDS_DELETE, plain = RND(2);
	const char *extra = NULL;

	buf_init(&spelled, 4096);
	item->id = id;
	item->deleted_us = 0;
	item->value = is_delete || (p->in.op == RECORDS_UPDATE && RND(2))
			      ? noise_object(&t->noise, 1)
			      : make_payload(t, &d->records[id]);
	json_set(item->value, SV_LIT("id"), json_new_str(sv_str(id_forms[id].text)));
	if (is_delete)
		extra = make_deleted_at(t, &item->deleted_us);
	buf_char(&p->text, p->model.count ? ',' : '[');
	noise_spell_record(
		&t->noise, item->value, spell_id(t, id, &spelled), extra, plain, &p->text);
	p->model.count++;
}

static void make_batch(struct test *t, struct pending *p, int side)
{
	struct side *d = &t->sides[side];
	int n = RND(10) ? 1 + RND(8) : 1 + RND(ORACLE_IDS * 2);

	p->side = side;
	p->in = (struct records_input){ .of = d->of };
	p->in.op = (enum records_op[]){ RECORDS_SAVE, RECORDS_SAVE, RECORDS_UPDATE,
		RECORDS_DELETE }[RND(4)];
	p->in.run = RND(12) ? pick_run(t, d) : 0;
	p->in.seq = p->in.run && RND(2) ? t->next_seq++ : 0;
	p->model = (struct oracle_batch){ .op = p->in.op, .run = p->in.run };
	if (d->guard.run && (d->guard.run == p->in.run || RND(4) == 0)) {
		p->in.guard = d->guard.stamp;
		p->model.guard = d->guard.position;
	}
	buf_init(&p->text, 1 << 20);
	for (int i = 0; i < n; i++)
		add_item(t, p, &d->model, RND(ORACLE_IDS));
	buf_char(&p->text, ']');
	p->in.records = buf_sv(&p->text);
	p->batch = records_batch_new(&p->in);
}

static int prepare_job(struct dbc *c, void *arg, struct err *err)
{
	return records_prepare(c, arg, err);
}

static int apply_job(struct dbc *c, void *arg, struct err *err)
{
	return records_apply(c, arg, err);
}

static void expect_counts(const struct records_counts *got, const struct records_counts *want)
{
	assert_int_equal(got->added, want->added);
	assert_int_equal(got->updated, want->updated);
	assert_int_equal(got->deleted, want->deleted);
	assert_int_equal(got->unchanged, want->unchanged);
}

static void keep(struct test *t, const struct pending *p)
{
	struct kept *k = &t->kept[RND(KEPT)];

	if (p->in.seq == 0)
		return;
	mem_free(k->text);
	*k = (struct kept){ .side = p->side, .in = p->in, .counts = p->batch->counts };
	k->text = mem_svdup(p->in.records);
	k->in.records = sv_str(k->text);
}

static void pending_done(struct pending *p)
{
	records_batch_free(take(p->batch));
	oracle_batch_done(&p->model);
	buf_done(&p->text);
	p->side = -1;
}

static void apply(struct test *t, struct pending *p)
{
	struct oracle_result want = oracle_apply(&t->sides[p->side].model, &p->model);

	must_run(t, DB_WRITE, apply_job, p->batch);
	expect_counts(&p->batch->counts, &want.counts);
	assert_int_equal(p->batch->counts.ignored, want.counts.ignored);
	assert_int_equal(p->batch->duplicate_count, want.duplicates);
	assert_int_equal(p->batch->last_stamp != 0, want.moved);
	assert_false(p->batch->replayed);
	keep(t, p);
	pending_done(p);
	t->batches++;
}

/* Some wait, prepared, while others change what they were prepared for. */
static void do_batch(struct test *t)
{
	struct pending *p = &t->pending[RND(PENDING)];

	if (p->side < 0)
		make_batch(t, p, RND(DATASETS));
	if (RND(4))
		must_run(t, DB_READ, prepare_job, p->batch);
	if (RND(3))
		apply(t, p);
}

static bool run_is_open(const struct test *t, int connection, int64_t run)
{
	for (int i = 0; i < RUNS; i++)
		if (run && t->runs[connection][i] == run)
			return true;
	return false;
}

static void do_replay(struct test *t)
{
	struct kept *k = &t->kept[RND(KEPT)];
	struct err err;

	if (k->side < 0 || !run_is_open(t, k->in.of.connection == 8, k->in.run))
		return;
	own(records_batch_free) struct records_batch *b = records_batch_new(&k->in);
	must_run(t, DB_WRITE, apply_job, b);
	assert_true(b->replayed);
	expect_counts(&b->counts, &k->counts);
	struct records_input other = k->in;
	other.records = SV_LIT("[{\"id\":\"other\"}]");
	own(records_batch_free) struct records_batch *c = records_batch_new(&other);
	assert_int_equal(run_job(t, DB_WRITE, apply_job, c, &err), ERR_CONFLICT);
}

/* Runs. */

struct run_arg {
	int64_t connection, run, oldest;
};

static int done_job(struct dbc *c, void *arg, struct err *err)
{
	const struct run_arg *a = arg;

	return records_run_done(c, a->connection, a->run, a->oldest, err);
}

/* One ends, another begins. */
static void do_run(struct test *t)
{
	int connection = RND(2);
	int64_t *runs = t->runs[connection], *slot = &runs[RND(RUNS)];
	struct run_arg a = { .connection = 7 + connection, .run = *slot, .oldest = t->next_run };

	for (int i = 0; i < PENDING; i++) /* an ended run writes no more */
		if (t->pending[i].side >= 0 && t->pending[i].in.run == *slot)
			pending_done(&t->pending[i]);
	for (int i = 0; i < RUNS; i++)
		if (&runs[i] != slot && runs[i] < a.oldest)
			a.oldest = runs[i];
	if (RND(4)) /* else it is not told: a run that was lost */
		must_run(t, DB_WRITE, done_job, &a);
	*slot = t->next_run++;
}

static int guard_job(struct dbc *c, void *arg, struct err *err)
{
	struct side *d = arg;

	return records_last_stamp(c, &d->of, &d->guard.stamp, err);
}

static void do_guard(struct test *t)
{
	struct side *d = &t->sides[RND(DATASETS)];
	struct oracle_record *list[ORACLE_IDS];

	must_run(t, DB_READ, guard_job, d);
	size_t n = oracle_feed(&d->model, 0, 0, list);
	d->guard.position = n ? list[n - 1]->moved : 0;
	assert_int_equal(d->guard.stamp != 0, n != 0);
	d->guard.run = n ? pick_run(t, d) : 0;
}

/* Deletion detection. */

struct window {
	struct records_outdated given, o;
	const char *owner;
	struct buf keys;
};

static int start_job(struct dbc *c, void *arg, struct err *err)
{
	struct window *w = arg;

	return records_track_start(c, &w->given.of, sv_str(w->owner), w->given.run, err);
}

static void window_again(struct window *w)
{
	buf_clear(&w->keys);
	w->o = w->given;
	w->o.keys = &w->keys;
}

static int end_job(struct dbc *c, void *arg, struct err *err)
{
	struct window *w = arg;

	window_again(w);
	return records_track_end(c, &w->o, sv_str(w->owner), err);
}

static int outdated_job(struct dbc *c, void *arg, struct err *err)
{
	struct window *w = arg;

	window_again(w);
	do
		TRY(records_outdated(c, &w->o, err));
	while (w->o.more);
	return 0;
}

static void expect_outdated(struct test *t, struct side *d, struct window *w, int64_t generation)
{
	own_in(buf_done) struct buf want = { 0 };
	int ids[ORACLE_IDS];

	buf_init(&want, 1 << 16);
	size_t n = oracle_outdated(&d->model, generation, w->given.run, ids);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(&want, ',');
		buf_json_str(&want, sv_str(id_forms[ids[i]].text));
	}
	must_run(t, DB_WRITE, w->owner ? end_job : outdated_job, w);
	assert_int_equal(w->o.deleted, n);
	assert_string_equal(w->keys.ptr ? w->keys.ptr : "", want.ptr ? want.ptr : "");
}

static void do_window(struct test *t)
{
	static const char *const owners[ORACLE_OWNERS] = { "sync:a:base", "webhook:a:base" };
	struct side *d = &t->sides[RND(DATASETS)];
	int owner = RND(ORACLE_OWNERS);
	int64_t *generation = &d->model.windows[owner];
	struct window w = { .given = { .of = d->of, .run = pick_run(t, d), .limit = 1 + RND(6) },
		.owner = owners[owner] };
	struct err err;

	buf_init(&w.keys, 1 << 16);
	if (RND(2)) { /* an open window stays as it is */
		must_run(t, DB_WRITE, start_job, &w);
		*generation = *generation ? *generation : w.given.run;
	} else if (*generation) {
		expect_outdated(t, d, &w, *generation);
		*generation = 0;
	} else {
		assert_int_equal(run_job(t, DB_WRITE, end_job, &w, &err), ERR_NOT_FOUND);
	}
	buf_done(&w.keys);
}

static void do_outdated(struct test *t)
{
	struct side *d = &t->sides[RND(DATASETS)];
	struct window w = { .given = { .of = d->of, .run = pick_run(t, d), .limit = 1 + RND(6) } };

	buf_init(&w.keys, 1 << 16);
	w.given.generation = w.given.run;
	expect_outdated(t, d, &w, w.given.generation);
	buf_done(&w.keys);
}

/* Pruning, emptying. */

struct prune {
	const struct records_of *of;
	struct sv cursor;
	int64_t us, limit;
	struct records_pruned ret;
};

static int prune_job(struct dbc *c, void *arg, struct err *err)
{
	struct prune *p = arg;

	return p->cursor.ptr ? records_prune(c, p->of, p->cursor, p->limit, &p->ret, err)
			     : records_prune_older(c, p->of, p->us, p->limit, &p->ret, err);
}

static void do_prune(struct test *t)
{
	struct side *d = &t->sides[RND(DATASETS)];
	struct mark *m = &d->marks[RND(MARKS)];
	struct prune p = { .of = &d->of, .us = m->us, .limit = 1 + RND(ORACLE_IDS) };
	int64_t last = 0;

	if (m->position == 0)
		return;
	if (RND(2))
		p.cursor = sv_str(m->cursor);
	int64_t count = oracle_prune(&d->model, m->position, p.limit, &last);
	must_run(t, DB_WRITE, prune_job, &p);
	assert_int_equal(p.ret.count, count);
	assert_int_equal(
		p.ret.more, p.cursor.ptr ? count > 0 && last != m->position : count == p.limit);
}

static int empty_job(struct dbc *c, void *arg, struct err *err)
{
	struct prune *p = arg;

	return records_empty(c, p->of, p->limit, &p->ret, err);
}

static int remove_job(struct dbc *c, void *arg, struct err *err)
{
	struct prune *p = arg;

	return records_remove(c, p->of, p->limit, &p->ret, err);
}

static void move_clock(struct test *t, int64_t by)
{
	t->clock_ms += by;
	clock_shift_ms(by);
}

static void do_empty(struct test *t)
{
	struct side *d = &t->sides[RND(DATASETS)];
	struct prune p = { .of = &d->of, .limit = RND(2) ? 1000 : 1 + RND(ORACLE_IDS) };
	struct oracle_record *list[ORACLE_IDS];
	bool whole = RND(2) == 0;

	if (whole && RND(2)) /* then nothing of the dataset stays */
		move_clock(t, INT64_C(2) * 86400 * 1000);
	int64_t before = (int64_t)oracle_feed(&d->model, 0, 0, list);
	int64_t count = oracle_empty(&d->model, p.limit);
	must_run(t, DB_WRITE, whole ? remove_job : empty_job, &p);
	assert_int_equal(p.ret.count, count);
	assert_int_equal(p.ret.more, before > count);
	if (!whole || p.ret.more)
		return;
	memset(d->model.windows, 0, sizeof(d->model.windows));
}

/* The whole. */

static void step(struct test *t)
{
	struct side *d = &t->sides[RND(DATASETS)];

	switch (RND(24)) {
	case 0: do_run(t); break;
	case 1: do_guard(t); break;
	case 2:
	case 3: do_window(t); break;
	case 4: do_outdated(t); break;
	case 5: do_prune(t); break;
	case 6: do_replay(t); break;
	case 7:
		if (RND(4) == 0)
			do_empty(t);
		break;
	case 8: move_clock(t, RND(3) ? RND(5000) : -RND(5000)); break;
	case 9:
	case 10: compare_reader(t, d, &d->readers[RND(READERS)], 1 + RND(12)); break;
	case 11: compare_dataset(t, d); break;
	default: do_batch(t);
	}
}

static const struct {
	int64_t connection;
	struct sv model;
} datasets[DATASETS] = {
	{ 7, SV_LIT("Contact") },
	{ 7, SV_LIT("Contact::v") },
	{ 7, SV_LIT("Account") },
	{ 8, SV_LIT("Contact") },
};

static void begin(struct test *t, struct store *s, uint64_t seed)
{
	t->s = s;
	t->seed = t->noise.state = seed;
	t->next_run = t->next_seq = 1;
	for (int i = 0; i < DATASETS; i++) {
		t->sides[i].of = s->of;
		t->sides[i].of.connection = datasets[i].connection;
		t->sides[i].of.model = datasets[i].model;
	}
	for (int i = 0; i < 2 * RUNS; i++)
		t->runs[i % 2][i / 2] = t->next_run++;
	for (int i = 0; i < PENDING; i++)
		t->pending[i].side = -1;
	for (int i = 0; i < KEPT; i++)
		t->kept[i].side = -1;
}

static void finish(struct test *t)
{
	clock_shift_ms(-t->clock_ms);
	for (int i = 0; i < PENDING; i++)
		if (t->pending[i].side >= 0)
			pending_done(&t->pending[i]);
	for (int i = 0; i < KEPT; i++)
		mem_free(t->kept[i].text);
	for (int i = 0; i < DATASETS; i++)
		oracle_free(&t->sides[i].model);
	mem_free(t);
}

static void run_operations(struct test *t, int64_t operations)
{
	for (t->operation = 0; t->operation < operations; t->operation++)
		step(t);
	for (int i = 0; i < DATASETS; i++) {
		struct side *d = &t->sides[i];
		for (int j = 0; j < READERS; j++)
			compare_reader(t, d, &d->readers[j], ORACLE_IDS);
		compare_dataset(t, d);
	}
	t->done = true;
}

static int64_t setting(const char *name, int64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoll(text, NULL, 10) : otherwise;
}

/* Says how to repeat a failure: a failed assertion never comes back to the test. */
static struct test *current;

static int teardown(void **state)
{
	if (current && !current->done)
		print_error("differential test: operation %lld of seed %llu: repeat it with "
			    "TIDEMARK_TEST_SEED=%llu\n",
			(long long)current->operation, (unsigned long long)current->seed,
			(unsigned long long)current->seed);
#ifdef TIDEMARK_TEST_HOOKS
	ids_recent_most = 0;
	fault_set(NULL);
#endif
	if (current)
		finish(take(current));
	return store_teardown(state);
}

static void run_seed(void **state, uint64_t seed, int64_t operations)
{
	current = NEW(struct test);
#ifdef TIDEMARK_TEST_HOOKS
	ids_recent_most = 5; /* so that ids move all the time */
#endif
	begin(current, *state, seed);
	run_operations(current, operations);
	if (getenv("TIDEMARK_TEST_SEED"))
		print_message("seed %llu: %lld operations, %lld batches: all the same\n",
			(unsigned long long)seed, (long long)operations,
			(long long)current->batches);
}

static void test_differential(void **state)
{
	run_seed(state, (uint64_t)setting("TIDEMARK_TEST_SEED", 20261128),
		setting("TIDEMARK_TEST_OPERATIONS", 2500));
}

static void test_differential_again(void **state)
{
	run_seed(state, (uint64_t)setting("TIDEMARK_TEST_SEED", 4711) + 1,
		setting("TIDEMARK_TEST_OPERATIONS", 2500));
}

int differential_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_differential, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_differential_again, store_setup, teardown),
	};
	return cmocka_run_group_tests_name("differential", tests, NULL, NULL);
}
