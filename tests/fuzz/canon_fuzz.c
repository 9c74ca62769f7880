/* Batches of records, and single values against jansson's opinion of them. */
#include "data/json.h"
#include "fuzz.h"
#include "records/json_canon.h"
#include "records/json_plain_test.h"

static struct jc_scratch *scratch;

static bool one(struct sv text, struct arena *arena, struct jc_record *ret)
{
	struct err err = { 0 };
	int rc = jc_one(text, (struct jc_limits){ 0 }, scratch, arena, ret, &err);

	CHECK(rc == 0 || (rc == err.code && err.msg[0]));
	return rc == 0;
}

static bool same(const struct jc_record *a, const struct jc_record *b)
{
	return a->hash[0] == b->hash[0] && a->hash[1] == b->hash[1] && sv_eq(a->id, b->id);
}

/* A record that was accepted stays itself however it is handled. */
static void check_record(const struct jc_record *r, struct arena *arena)
{
	struct buf tidy, shown;
	struct jc_record again;

	buf_init(&tidy, 1 << 22);
	buf_init(&shown, 1 << 22);
	CHECK(one(r->payload, arena, &again) && same(r, &again));
	jc_tidy(r->payload, &tidy);
	CHECK(buf_ok(&tidy) && one(buf_sv(&tidy), arena, &again) && same(r, &again));
	CHECK(!again.untidy);
	CHECK(jc_find(buf_sv(&tidy), SV_LIT("id")).ptr);
	jc_render(buf_sv(&tidy), r->id, SV_LIT("{\"a\":1}"), &shown);
	CHECK(one(buf_sv(&shown), arena, &again) && sv_eq(again.id, r->id));
	CHECK(sv_eq_str(jc_find(buf_sv(&shown), SV_LIT("_nango_metadata")), "{\"a\":1}"));
	buf_done(&tidy);
	buf_done(&shown);
}

static void check_batch(struct sv text, struct arena *arena)
{
	struct jc_record r[8];
	struct jc_batch b;
	struct err err;
	size_t n = 0;

	jc_batch_init(&b, text, (struct jc_limits){ 0 }, scratch, arena);
	while (n < ARRAY_LEN(r) && jc_next(&b, &r[n], &err) == 1)
		n++;
	for (size_t i = 0; i < n; i++)
		check_record(&r[i], arena);
}

static void check_against_jansson(struct sv value, struct arena *arena)
{
	struct sv text =
		sv_str(arena_printf(arena, "{\"id\":\"x\",\"v\":%.*s}", (int)value.len, value.ptr));
	struct json_t *doc = NULL;
	struct jc_record a, b;
	struct buf dump;

	if (memchr(value.ptr, 0, value.len) || memmem(value.ptr, value.len, "id", 2))
		return;
	bool ours = one(text, arena, &a), theirs = json_parse(text, &doc, NULL) == 0;
	CHECK(ours || !theirs);
	CHECK(theirs || !ours || !json_is_plain(value));
	if (theirs && json_is_plain(value)) {
		buf_init(&dump, 1 << 22);
		json_dump_compact(doc, &dump);
		CHECK(one(buf_sv(&dump), arena, &b) && same(&a, &b));
		buf_clear(&dump);
		json_dump_sorted(doc, &dump);
		CHECK(one(buf_sv(&dump), arena, &b) && same(&a, &b));
		buf_done(&dump);
	}
	json_unref(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make((const char *)data, size);
	struct arena arena = { 0 };

	if (size > 1 << 16)
		return 0;
	if (!scratch)
		scratch = jc_scratch_new();
	check_batch(text, &arena);
	check_against_jansson(text, &arena);
	arena_done(&arena);
	return 0;
}
