/*
 * Promise 1 of the design: a reader that polls with its last cursor misses nothing, whatever is
 * written at the same time (spec/records.md 19.1).
 */
#include "io/loop.h"
#include "records/records_test.h"

enum { WRITERS = 8, BATCHES = 40, BATCH = 5 };

struct test {
	struct store store;
	struct loop *loop;
	int writing; /* writers that have not finished */
};

struct writer {
	struct test *t;
	int number, sent;
	char text[BATCH * 64];
	struct records_batch *b;
	struct op op;
};

static int prepare_job(struct dbc *c, void *arg, struct err *err)
{
	return records_prepare(c, ((struct writer *)arg)->b, err);
}

static int apply_job(struct dbc *c, void *arg, struct err *err)
{
	return records_apply(c, ((struct writer *)arg)->b, err);
}

static void writer_send(struct writer *w);

static void writer_applied(void *ctx, const struct err *err)
{
	struct writer *w = ctx;

	assert_int_equal(err->code, ERR_OK);
	assert_int_equal(w->b->counts.added, BATCH);
	records_batch_free(take(w->b));
	if (++w->sent < BATCHES)
		writer_send(w);
	else
		w->t->writing--;
}

static void writer_prepared(void *ctx, const struct err *err)
{
	struct writer *w = ctx;

	assert_int_equal(err->code, ERR_OK);
	w->op = (struct op){ .done = writer_applied, .ctx = w };
	db_submit(w->t->store.db, DB_WRITE, &w->op, apply_job, w);
}

static void writer_send(struct writer *w)
{
	char *at = w->text;

	for (int i = 0; i < BATCH; i++)
		at += sprintf(at, "%c{\"id\":\"%d-%d-%d\"}", i ? ',' : '[', w->number, w->sent, i);
	strcpy(at, "]");
	w->b = records_batch_new(&(struct records_input){
		.of = w->t->store.of, .records = sv_str(w->text), .run = w->number + 1 });
	w->op = (struct op){ .done = writer_prepared, .ctx = w };
	db_submit(w->t->store.db, DB_READ, &w->op, prepare_job, w);
}

struct reader {
	struct test *t;
	struct records_query q;
	char cursor[128];
	struct buf page;
	int count;
	bool last_round;
	char last_time[64];
	struct op op;
	uint8_t seen[WRITERS][BATCHES][BATCH];
};

static int read_job(struct dbc *c, void *arg, struct err *err)
{
	struct reader *r = arg;

	return records_list(c, &r->q, &r->page, err);
}

static void reader_poll(struct reader *r);

/* Each record once, and behind everything before it. */
static void reader_take(struct reader *r, struct json_t *record)
{
	struct json_t *m = json_member(record, SV_LIT("_nango_metadata"));
	struct sv id = json_sv(json_member(record, SV_LIT("id")));
	struct sv time = json_sv(json_member(m, SV_LIT("last_modified_at")));
	int w, b, i;
	char padded[64], text[64];

	snprintf(text, sizeof(text), "%.*s", SV(id));
	assert_int_equal(sscanf(text, "%d-%d-%d", &w, &b, &i), 3);
	assert_int_equal(r->seen[w][b][i]++, 0);
	/* Fractions are trimmed: padded again, they compare as text. */
	size_t digits = time.len - 6;
	snprintf(padded, sizeof(padded), "%.*s%s%.*s", (int)digits, time.ptr,
		digits == 19 ? "." : "", (int)(digits == 19 ? 6 : 26 - digits), "000000");
	assert_true(strcmp(r->last_time, padded) < 0);
	strcpy(r->last_time, padded);
	snprintf(r->cursor, sizeof(r->cursor), "%.*s",
		SV(json_sv(json_member(m, SV_LIT("cursor")))));
	r->q.cursor = sv_str(r->cursor);
	r->count++;
}

static void reader_done(void *ctx, const struct err *err)
{
	struct reader *r = ctx;
	own(json_unref) struct json_t *page = NULL;
	struct err parse_err;

	assert_int_equal(err->code, ERR_OK);
	assert_int_equal(json_parse(buf_sv(&r->page), &page, &parse_err), 0);
	struct json_t *records = json_member(page, SV_LIT("records"));
	for (size_t i = 0; i < json_len(records); i++)
		reader_take(r, json_item(records, i));
	if (r->last_round && json_len(records) == 0)
		loop_stop(r->t->loop);
	else
		reader_poll(r);
}

static void reader_poll(struct reader *r)
{
	r->last_round = r->t->writing == 0;
	buf_clear(&r->page);
	r->op = (struct op){ .done = reader_done, .ctx = r };
	db_submit(r->t->store.db, DB_READ, &r->op, read_job, r);
}

static void test_reader_misses_nothing(void **state)
{
	struct test t = { .loop = loop_new(), .writing = WRITERS };
	struct writer *writers = mem_array(WRITERS, sizeof(*writers));
	struct reader *r = NEW(struct reader);

	(void)state;
	store_open(&t.store, t.loop);
	r->t = &t;
	r->q = (struct records_query){ .of = t.store.of, .limit = 100 };
	buf_init(&r->page, 1 << 20);
	for (int i = 0; i < WRITERS; i++) {
		writers[i].t = &t;
		writers[i].number = i;
		writer_send(&writers[i]);
	}
	reader_poll(r);
	loop_run(t.loop);
	assert_int_equal(r->count, WRITERS * BATCHES * BATCH);
	buf_done(&r->page);
	store_close(&t.store);
	loop_free(t.loop);
	mem_free(r);
	mem_free(writers);
}

/* Several write the same record at once. */
struct same {
	struct test *t;
	char text[64];
	struct records_batch *b;
	struct op op;
};

static int same_job(struct dbc *c, void *arg, struct err *err)
{
	return records_apply(c, ((struct same *)arg)->b, err);
}

static int same_prepare_job(struct dbc *c, void *arg, struct err *err)
{
	return records_prepare(c, ((struct same *)arg)->b, err);
}

static void same_done(void *ctx, const struct err *err)
{
	struct same *s = ctx;

	assert_int_equal(err->code, ERR_OK);
	if (--s->t->writing == 0)
		loop_stop(s->t->loop);
}

/* The payload that stays goes to last. */
static struct records_counts write_same(bool differ, char last[64])
{
	struct test t = { .loop = loop_new(), .writing = 5 };
	struct same same[5] = { 0 };
	struct records_counts sum = { 0 };
	struct err err;

	store_open(&t.store, t.loop);
	for (int i = 0; i < 5; i++) {
		same[i].t = &t;
		snprintf(same[i].text, sizeof(same[i].text), "[{\"id\":\"x\",\"v\":%d}]",
			differ ? i : 0);
		same[i].b = records_batch_new(&(struct records_input){
			.of = t.store.of, .records = sv_str(same[i].text), .run = 1 });
		/* All prepared on the same, empty view. */
		assert_int_equal(db_run(t.store.db, DB_READ, same_prepare_job, &same[i], &err), 0);
	}
	for (int i = 0; i < 5; i++) {
		same[i].op = (struct op){ .done = same_done, .ctx = &same[i] };
		db_submit(t.store.db, DB_WRITE, &same[i].op, same_job, &same[i]);
	}
	loop_run(t.loop);
	for (int i = 0; i < 5; i++) {
		sum.added += same[i].b->counts.added;
		sum.updated += same[i].b->counts.updated;
		sum.unchanged += same[i].b->counts.unchanged;
		records_batch_free(same[i].b);
	}
	assert_int_equal(live(&t.store), 1);
	snprintf(last, 64, "%s", payload(&t.store, "x"));
	store_close(&t.store);
	loop_free(t.loop);
	return sum;
}

static void test_same_record_at_once(void **state)
{
	char last[64];

	(void)state;
	struct records_counts n = write_same(false, last);
	assert_int_equal(n.added, 1);
	assert_int_equal(n.unchanged, 4);
	assert_string_equal(last, "{\"id\":\"x\",\"v\":0}");
}

/* One writer works in the order it was asked; among several, the last to commit wins. */
static void test_different_payloads_at_once(void **state)
{
	char last[64];
	int v;

	(void)state;
	struct records_counts n = write_same(true, last);
	assert_int_equal(n.added, 1);
	assert_int_equal(n.updated, 4);
	assert_int_equal(sscanf(last, "{\"id\":\"x\",\"v\":%d}", &v), 1);
	if (getenv("TIDEMARK_TEST_POSTGRES"))
		assert_in_range(v, 0, 4);
	else
		assert_int_equal(v, 4);
}

int concurrent_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reader_misses_nothing),
		cmocka_unit_test(test_same_record_at_once),
		cmocka_unit_test(test_different_payloads_at_once),
	};
	return cmocka_run_group_tests_name("concurrent", tests, NULL, NULL);
}
