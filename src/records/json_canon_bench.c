#include "base/clock.h"
#include "records/json_canon.h"

#include <stdio.h>
#include <stdlib.h>

/* Speed of json_canon over batches of 1000 records of about 1 KB; prints a line per shape. */

#define RECORDS 1000
#define SECONDS_PER_CASE 1

struct shape {
	const char *name;
	const char *const *keys;
	size_t nkeys;
	bool number_id;
	const char *text; /* of string fields */
	bool nested;
	bool spaced;
};

static const char *const sorted_keys[] = { "city", "company", "country", "created_at", "currency",
	"description", "email", "first_name", "id", "last_name", "owner_id", "phone", "score",
	"source", "status", "street", "title", "updated_at", "website", "zip" };
static const char *const usual_keys[] = { "id", "first_name", "last_name", "email", "phone",
	"title", "company", "website", "street", "zip", "city", "country", "status", "source",
	"score", "currency", "owner_id", "description", "created_at", "updated_at" };

static const char ascii[] = "the quick brown fox jumps over the lazy dog";
static const char utf8[] = "K\xC3\xB6nigstra\xC3\x9F"
			   "e \xE6\x9D\xB1\xE4\xBA\xAC\xE9\x83\xBD";
static const char escaped[] = "line one\\nline \\\"two\\\"\\nline three and more";

static const struct shape shapes[] = {
	{ .name = "sorted", .keys = sorted_keys, .nkeys = 20, .text = ascii },
	{ .name = "unsorted", .keys = usual_keys, .nkeys = 20, .text = ascii },
	{ .name = "unsorted_number_id",
		.keys = usual_keys,
		.nkeys = 20,
		.text = ascii,
		.number_id = true },
	{ .name = "unsorted_utf8", .keys = usual_keys, .nkeys = 20, .text = utf8 },
	{ .name = "unsorted_escapes", .keys = usual_keys, .nkeys = 20, .text = escaped },
	{ .name = "nested", .keys = usual_keys, .nkeys = 20, .text = ascii, .nested = true },
	{ .name = "pretty", .keys = usual_keys, .nkeys = 20, .text = ascii, .spaced = true },
};

static void put_object(const struct shape *s, int n, bool nested, struct buf *b)
{
	const char *gap = s->spaced ? "\n    " : "";

	buf_char(b, '{');
	for (size_t i = 0; i < s->nkeys; i++) {
		buf_printf(b, "%s%s\"%s\":%s", i ? "," : "", gap, s->keys[i], s->spaced ? " " : "");
		if (strcmp(s->keys[i], "id") == 0)
			buf_printf(b, s->number_id ? "%d" : "\"rec_%d\"", 100000 + n);
		else if (strcmp(s->keys[i], "score") == 0)
			buf_printf(b, "%d.%d", n % 100, n % 9 + 1);
		else if (strcmp(s->keys[i], "owner_id") == 0)
			buf_printf(b, "%d", n % 977);
		else if (nested && i % 7 == 3)
			put_object(s, n, false, b);
		else
			buf_printf(b, "\"%s %d\"", s->text, n % 31);
	}
	buf_char(b, '}');
}

static void bench(const struct shape *s, struct jc_scratch *scratch)
{
	own_in(buf_done) struct buf b = { 0 };
	own_in(arena_done) struct arena arena = { 0 };
	struct jc_record r;
	uint64_t sum = 0;
	int64_t batches = 0, took_us;

	buf_init(&b, 1 << 26);
	for (int i = 0; i < RECORDS; i++) {
		buf_char(&b, i ? ',' : '[');
		put_object(s, i, s->nested, &b);
	}
	buf_char(&b, ']');
	int64_t from = clock_mono_us();
	do {
		struct jc_batch batch;
		struct err err;
		int rc;
		jc_batch_init(&batch, buf_sv(&b), (struct jc_limits){ 0 }, scratch, &arena);
		while ((rc = jc_next(&batch, &r, &err)) == 1)
			sum += r.hash[0];
		assert(rc == 0);
		arena_done(&arena);
		batches++;
		took_us = clock_mono_us() - from;
	} while (took_us < SECONDS_PER_CASE * INT64_C(1000000));
	printf("canon.%s %.0f MB/s\n", s->name, (double)b.len * (double)batches / (double)took_us);
	printf("canon.%s.record %.2f us (%zu bytes, %llx)\n", s->name,
		(double)took_us / (double)batches / RECORDS, b.len / RECORDS,
		(unsigned long long)sum & 15);
}

int main(void)
{
	own(jc_scratch_free) struct jc_scratch *scratch = jc_scratch_new();

	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		bench(&shapes[i], scratch);
	return 0;
}
