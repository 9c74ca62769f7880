/*
 * The `records` rows of the benchmark table (docs: design, section 7): first save, unchanged, 10 %
 * changed, all changed, feed at 100 and 1000 per page, with the floor of the store (floor.h).
 * Usage: records_bench [records [runs [folder | postgres://... | postgres]]]; the database must be
 * empty, `postgres` takes it from TIDEMARK_TEST_POSTGRES.
 * `runs` syncs share the work, each with a connection of its own and one batch in flight, as real
 * ones have. Making the records is not measured.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/keyring.h"
#include "io/loop.h"
#include "records/batch.h"
#include "records/read.h"
#include "records_made.h"

#include "floor.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH = RECORDS_PER_BATCH };

struct bench {
	struct db *db;
	struct loop *loop;
	struct keyring *keys;
	struct bench_place place;
	int records, runs, busy;
	int64_t cpu_us; /* of what was measured last */
};

struct run {
	struct bench *b;
	struct records_of of;
	int first, count; /* its share of the records */
	int64_t id;
	struct buf *texts;
	int text_count, next;
	struct records_batch *batch;
	struct records_query query;
	struct buf page;
	char cursor[128];
	int read;
	struct op op;
};

static void die(const struct err *err)
{
	fprintf(stderr, "records_bench: %s\n", err->msg);
	exit(1);
}

static void check(const struct err *err)
{
	if (err->code != ERR_OK)
		die(err);
}

/* `changed` of every ten records get the version. */
static void make_texts(struct run *r, int version, int changed)
{
	r->text_count = (r->count + BATCH - 1) / BATCH;
	for (int t = 0; t < r->text_count; t++) {
		struct buf *b = &r->texts[t];
		int from = t * BATCH, to = from + BATCH < r->count ? from + BATCH : r->count;
		buf_clear(b);
		for (int i = from; i < to; i++) {
			buf_char(b, i == from ? '[' : ',');
			make_record(b, r->first + i, i % 10 < changed ? version : 0);
		}
		buf_char(b, ']');
	}
}

static void run_finished(struct run *r)
{
	if (--r->b->busy == 0)
		loop_stop(r->b->loop);
}

/* Saving. */

static int prepare_job(struct dbc *c, void *arg, struct err *err)
{
	return records_prepare(c, ((struct run *)arg)->batch, err);
}

static int apply_job(struct dbc *c, void *arg, struct err *err)
{
	return records_apply(c, ((struct run *)arg)->batch, err);
}

static void save_next(struct run *r);

static void applied(void *ctx, const struct err *err)
{
	struct run *r = ctx;

	check(err);
	records_batch_free(take(r->batch));
	save_next(r);
}

static void prepared(void *ctx, const struct err *err)
{
	struct run *r = ctx;

	check(err);
	r->op = (struct op){ .done = applied, .ctx = r };
	db_submit(r->b->db, DB_WRITE, &r->op, apply_job, r);
}

static void save_next(struct run *r)
{
	if (r->next == r->text_count) {
		run_finished(r);
		return;
	}
	struct sv text = buf_sv(&r->texts[r->next++]);
	r->batch = records_batch_new(&(struct records_input){
		.of = r->of, .records = text, .run = r->id, .seq = r->next });
	r->op = (struct op){ .done = prepared, .ctx = r };
	db_submit(r->b->db, DB_READ, &r->op, prepare_job, r);
}

/* Reading. */

static int read_job(struct dbc *c, void *arg, struct err *err)
{
	struct run *r = arg;

	return records_list(c, &r->query, &r->page, err);
}

static void read_next(struct run *r);

static void page_read(void *ctx, const struct err *err)
{
	struct run *r = ctx;
	const char *start = "{\"next_cursor\":\"";

	check(err);
	if (strncmp(r->page.ptr, start, strlen(start)) != 0) {
		run_finished(r);
		return;
	}
	const char *text = r->page.ptr + strlen(start);
	snprintf(r->cursor, sizeof(r->cursor), "%.*s", (int)strcspn(text, "\""), text);
	r->query.cursor = sv_str(r->cursor);
	read_next(r);
}

static void read_next(struct run *r)
{
	buf_clear(&r->page);
	r->op = (struct op){ .done = page_read, .ctx = r };
	db_submit(r->b->db, DB_READ, &r->op, read_job, r);
}

/* Measuring. */

static double all_runs(struct bench *b, struct run *runs, void (*start)(struct run *r))
{
	int64_t since = clock_mono_us(), cpu = clock_cpu_us();

	b->busy = b->runs;
	for (int i = 0; i < b->runs; i++)
		start(&runs[i]);
	loop_run(b->loop);
	b->cpu_us = clock_cpu_us() - cpu;
	return (double)b->records / (double)(clock_mono_us() - since) * 1e6;
}

/* The processor time tells more than the clock on a machine that does other things as well. */
static double report(struct bench *b, const char *name, double rate, double floor_rate)
{
	const char *store = b->place.url ? "postgres." : "";

	printf("records.%s%s %.0f records/s\n", store, name, rate);
	printf("records.%s%s.cpu %.1f us/record\n", store, name, (double)b->cpu_us / b->records);
	if (floor_rate > 0)
		printf("records.%s%s.ratio %.2f\n", store, name, rate / floor_rate);
	fflush(stdout);
	return rate;
}

static double save_all(struct bench *b, struct run *runs, int version, int changed)
{
	for (int i = 0; i < b->runs; i++) {
		make_texts(&runs[i], version, changed);
		runs[i].next = 0;
		runs[i].id += 100;
	}
	return all_runs(b, runs, save_next);
}

static double read_all(struct bench *b, struct run *runs, int64_t limit)
{
	for (int i = 0; i < b->runs; i++)
		runs[i].query = (struct records_query){ .of = runs[i].of, .limit = limit };
	return all_runs(b, runs, read_next);
}

static void open_all(struct bench *b)
{
	struct master_key m;
	unsigned char bytes[AEAD_KEY_SIZE] = "bench", wrapped[KEY_WRAPPED_SIZE];
	char path[256];
	struct err err = { 0 };

	aead_key_init(&m.key, 0, bytes);
	b->keys = keyring_new(&m);
	keyring_make(b->keys, 1, wrapped);
	if (keyring_add(b->keys, 1, 1, sv_make((char *)wrapped, sizeof(wrapped)), &err) < 0)
		die(&err);
	b->loop = loop_new();
	snprintf(path, sizeof(path), "%s/records.db", b->place.dir);
	if (db_open(&(struct db_config){ .path = path, .url = b->place.url }, b->loop, &b->db,
		    &err) < 0)
		die(&err);
}

static struct run *make_runs(struct bench *b)
{
	struct run *runs = mem_array((size_t)b->runs, sizeof(*runs));
	int share = b->records / b->runs;

	b->records = share * b->runs;
	for (int i = 0; i < b->runs; i++) {
		struct run *r = &runs[i];
		*r = (struct run){ .b = b, .first = i * share, .count = share, .id = i + 1 };
		r->of = (struct records_of){ .keys = b->keys,
			.environment = 1,
			.connection = i + 1,
			.model = SV_LIT("Contact") };
		r->texts = mem_array((size_t)share / BATCH + 1, sizeof(*r->texts));
		for (int t = 0; t < share / BATCH + 1; t++)
			buf_init(&r->texts[t], 1 << 24);
		buf_init(&r->page, 1 << 28);
	}
	return runs;
}

static void bench_run(struct bench *b)
{
	open_all(b); /* first, as it sets SQLite up for both */
	struct floor f = {
		.records = b->records, .batch = BATCH, .bytes = RECORD_BYTES + AEAD_OVERHEAD
	};
	double floor_rate =
		b->place.url ? floor_postgres(b->place.url, &f) : floor_sqlite(b->place.dir, &f);
	b->cpu_us = f.cpu_us;
	report(b, "floor", floor_rate, 0);
	struct run *runs = make_runs(b);
	report(b, "first_save", save_all(b, runs, 0, 0), floor_rate);
	report(b, "unchanged", save_all(b, runs, 0, 0), 0);
	report(b, "changed_10", save_all(b, runs, 1, 1), 0);
	report(b, "changed_all", save_all(b, runs, 2, 10), floor_rate);
	report(b, "feed_100", read_all(b, runs, 100), 0);
	report(b, "feed_1000", read_all(b, runs, 1000), 0);
}

int main(int argc, char **argv)
{
	struct bench b = { .records = argc > 1 ? atoi(argv[1]) : 200000,
		.runs = argc > 2 ? atoi(argv[2]) : 2 };
	const char *where = argc > 3 ? argv[3] : "/tmp";

	if (b.records < 1 || b.runs < 1 || !bench_place_open(where, &b.place)) {
		fprintf(stderr,
			"usage: records_bench [records [runs [folder | postgres[://...]]]]\n");
		return 2;
	}
	bench_run(&b);
	return bench_place_close(&b.place);
}
