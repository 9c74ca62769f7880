/*
 * What a record costs as its dataset grows: first save, unchanged, all changed, feed, at 10
 * thousand to 2 million records of 1 KB in one dataset. Usage: records_curve [most [folder |
 * postgres[://...]]]. On PostgreSQL the processor time is ours, not the server's: look at the rate.
 * One batch at a time, made when it is needed: the store is all that takes memory, and making is
 * not measured. On SQLite the floor (floor.h) grows beside it. The first save is that of all
 * records since the point before, at the first point that of ten datasets: one of ten thousand is
 * written in a tenth of a second, and paid for when the log is copied to the database. The others
 * take 20 batches spread over the dataset, and as many pages of the feed.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/keyring.h"
#include "floor.h"
#include "records/batch.h"
#include "records/read.h"
#include "records_made.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* FLOOR_BYTES: a sealed record of 1 KB, uncompressed, as in records_bench. */
enum { BATCH = RECORDS_PER_BATCH, SAMPLE = 20, MOST = 2000000, FLOOR_BYTES = 1057, SMALL = 10 };

struct curve {
	struct db *db;
	struct keyring *keys;
	struct records_of of;
	struct bench_place place;
	struct buf text;
	int64_t run;
	struct floor_keyed *floor; /* NULL on PostgreSQL */
	signed char versions[MOST / BATCH]; /* of the batches, as they are stored */

	/* What is measured: time inside the store, processor time of all threads but this one. */
	int64_t records, wall_us, cpu_since_us, own_since_us;
};

static void die(const char *what)
{
	fprintf(stderr, "records_curve: %s\n", what);
	exit(1);
}

static void run_job(struct curve *k, enum db_mode mode, db_job_fn *job, void *arg)
{
	struct err err = { 0 };
	int64_t since = clock_mono_us();

	if (db_run(k->db, mode, job, arg, &err) < 0)
		die(err.msg);
	k->wall_us += clock_mono_us() - since;
}

/* This thread makes records and waits. */
static int64_t own_cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t others_cpu_us(void)
{
	return clock_cpu_us() - own_cpu_us();
}

static void begin(struct curve *k)
{
	k->records = k->wall_us = 0;
	k->cpu_since_us = others_cpu_us();
	k->own_since_us = own_cpu_us();
	k->run++;
}

/* The log is copied to the database beside the writing, and after it. */
static void settle(void)
{
	int64_t before;

	do {
		before = others_cpu_us();
		usleep(50000);
	} while (others_cpu_us() - before > 500);
}

static void report(struct curve *k, int size, const char *name)
{
	double cpu = (double)(others_cpu_us() - k->cpu_since_us);

	const char *store = k->place.url ? "postgres." : "";

	printf("curve.%s%d.%s %.0f records/s\n", store, size, name,
		(double)k->records / (double)k->wall_us * 1e6);
	printf("curve.%s%d.%s.cpu %.1f us/record\n", store, size, name, cpu / (double)k->records);
	fflush(stdout);
}

/* Making a record is the same work at every size: what it took tells how fast the machine was. */
static void report_relative(const struct curve *k, int size)
{
	double cpu = (double)(others_cpu_us() - k->cpu_since_us);

	printf("curve.%s%d.first_save.relative %.2f of making the records\n",
		k->place.url ? "postgres." : "", size,
		cpu / (double)(own_cpu_us() - k->own_since_us));
}

/* Saving. */

static int prepare_job(struct dbc *c, void *arg, struct err *err)
{
	return records_prepare(c, arg, err);
}

static int apply_job(struct dbc *c, void *arg, struct err *err)
{
	return records_apply(c, arg, err);
}

static void save(struct curve *k, int batch, int version)
{
	make_batch(&k->text, batch * BATCH, BATCH, version);
	own(records_batch_free) struct records_batch *b = records_batch_new(&(struct records_input){
		.of = k->of, .records = buf_sv(&k->text), .run = k->run, .seq = batch + 1 });
	run_job(k, DB_READ, prepare_job, b);
	run_job(k, DB_WRITE, apply_job, b);
	k->versions[batch] = (signed char)version;
	k->records += BATCH;
}

/* Batches spread over the first `batches`. */
static void save_sample(struct curve *k, int batches, int newer)
{
	int n = batches < SAMPLE ? batches : SAMPLE;

	for (int i = 0; i < n; i++) {
		int batch = (int)((int64_t)i * batches / n);
		save(k, batch, k->versions[batch] + newer);
	}
}

/* Reading. */

struct page {
	struct records_query q;
	struct buf out;
	char cursor[128];
};

static int page_job(struct dbc *c, void *arg, struct err *err)
{
	struct page *p = arg;

	buf_clear(&p->out);
	return records_list(c, &p->q, &p->out, err);
}

static void read_pages(struct curve *k, int batches)
{
	struct page p = { .q = { .of = k->of, .limit = BATCH } };
	const char *start = "{\"next_cursor\":\"";

	buf_init(&p.out, 1 << 26);
	for (int i = 0; i < SAMPLE && i < batches; i++) {
		run_job(k, DB_READ, page_job, &p);
		k->records += BATCH;
		if (strncmp(p.out.ptr, start, strlen(start)) != 0)
			break;
		const char *text = p.out.ptr + strlen(start);
		snprintf(p.cursor, sizeof(p.cursor), "%.*s", (int)strcspn(text, "\""), text);
		p.q.cursor = sv_str(p.cursor);
	}
	buf_done(&p.out);
}

/* The curve. */

static double rss_mb(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*s %ld", &pages) != 1)
		die("cannot read /proc/self/statm");
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static void measure_floor(struct curve *k, int from, int to)
{
	struct floor f = { .records = to - from, .batch = BATCH, .bytes = FLOOR_BYTES };

	printf("curve.%d.floor %.0f records/s\n", to, floor_keyed_add(k->floor, &f));
	printf("curve.%d.floor.cpu %.1f us/record\n", to, (double)f.cpu_us / f.records);
}

static void measure(struct curve *k, int from, int to)
{
	if (k->floor)
		measure_floor(k, from, to);
	begin(k);
	for (int others = from ? 0 : SMALL - 1; others >= 0; others--) {
		k->of.connection = 1 + others;
		for (int batch = from / BATCH; batch < to / BATCH; batch++)
			save(k, batch, 0);
	}
	settle();
	report(k, to, "first_save");
	report_relative(k, to);
	begin(k);
	save_sample(k, to / BATCH, 0);
	report(k, to, "unchanged");
	begin(k);
	save_sample(k, to / BATCH, 1);
	report(k, to, "changed");
	begin(k);
	read_pages(k, to / BATCH);
	report(k, to, "feed");
	printf("curve.%s%d.rss %.0f MB\n", k->place.url ? "postgres." : "", to, rss_mb());
}

static void open_store(struct curve *k)
{
	unsigned char bytes[AEAD_KEY_SIZE] = "bench", wrapped[KEY_WRAPPED_SIZE];
	struct master_key m;
	struct err err = { 0 };
	char path[256];

	aead_key_init(&m.key, 0, bytes);
	k->keys = keyring_new(&m);
	keyring_make(k->keys, 1, wrapped);
	snprintf(path, sizeof(path), "%s/records.db", k->place.dir);
	if (keyring_add(k->keys, 1, 1, sv_make((char *)wrapped, sizeof(wrapped)), &err) < 0 ||
		db_open(&(struct db_config){ .path = path, .url = k->place.url }, NULL, &k->db,
			&err) < 0)
		die(err.msg);
	k->of = (struct records_of){
		.keys = k->keys, .environment = 1, .connection = 1, .model = SV_LIT("Contact")
	};
	buf_init(&k->text, 1 << 24);
}

int main(int argc, char **argv)
{
	static const int sizes[] = { 0, 10000, 100000, 500000, 1000000, MOST };
	static struct curve k;
	int most = argc > 1 ? atoi(argv[1]) : MOST;

	if (most < sizes[1] || !bench_place_open(argc > 2 ? argv[2] : "/tmp", &k.place)) {
		fprintf(stderr, "usage: records_curve [most [folder | postgres[://...]]]\n");
		return 2;
	}
	open_store(&k);
	if (!k.place.url)
		k.floor = floor_keyed_open(k.place.dir);
	for (size_t i = 1; i < ARRAY_LEN(sizes) && sizes[i] <= most; i++)
		measure(&k, sizes[i - 1], sizes[i]);
	db_close(k.db);
	if (k.floor)
		floor_keyed_close(k.floor);
	return bench_place_close(&k.place);
}
