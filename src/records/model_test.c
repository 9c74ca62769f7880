/*
 * The store against the simplest thing that could be right: an array of records with version
 * numbers, under random operations. After each the feed, the counts and what a cursor reader has
 * collected must agree. The seed is fixed; another one comes from TIDEMARK_TEST_SEED.
 */
#include "records/records_test.h"

enum { IDS = 40, OPERATIONS = 400 };

struct one {
	bool exists, deleted, pruned;
	int value, extra; /* payload: {"id", "v"} and after an update "e" */
	bool has_extra;
	int64_t created, moved; /* order of changes */
	int64_t row; /* order of first saves */
	int seen; /* last run that saved it */
};

struct oracle {
	struct store *s;
	struct one ones[IDS];
	int64_t clock; /* counts changes */
	int run, window; /* window: run that opened it, 0 = none */
	uint64_t random;
	struct sv cursor; /* of the reader */
	char read[IDS][64]; /* what the reader believes */
};

static unsigned rnd(struct oracle *o, unsigned n)
{
	o->random = o->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(o->random >> 33) % n;
}

static const char *action_of(const struct one *r)
{
	return r->deleted ? "DELETED" : r->created == r->moved ? "ADDED" : "UPDATED";
}

/* A batch of distinct ids. */
static int pick(struct oracle *o, int *ids)
{
	int n = 1 + (int)rnd(o, 12), start = (int)rnd(o, IDS), step = (int[]){ 1, 3, 7 }[rnd(o, 3)];

	for (int i = 0; i < n; i++)
		ids[i] = (start + i * step) % IDS;
	return n;
}

static void do_save(struct oracle *o)
{
	int ids[12], n = pick(o, ids), added = 0, updated = 0, same = 0;
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < n; i++) {
		struct one *r = &o->ones[ids[i]];
		int v = (int)rnd(o, 3);
		bool equal = r->exists && r->value == v && !r->has_extra;
		buf_printf(&b, "%c{\"id\":\"%02d\",\"v\":%d}", i ? ',' : '[', ids[i], v);
		bool fresh = !r->exists || r->deleted;
		added += fresh;
		updated += !fresh && !equal;
		same += !fresh && equal;
		if (fresh || !equal)
			r->moved = ++o->clock;
		if (fresh)
			r->created = r->moved;
		if (!r->exists)
			r->row = r->moved;
		*r = (struct one){ .exists = true,
			.value = v,
			.created = r->created,
			.row = r->row,
			.moved = r->moved,
			.seen = o->run };
	}
	buf_char(&b, ']');
	expect_save(o->s, o->run, b.ptr, added, updated, same);
	buf_done(&b);
}

static void do_update(struct oracle *o)
{
	int ids[12], n = pick(o, ids), updated = 0, same = 0, ignored = 0;
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < n; i++) {
		struct one *r = &o->ones[ids[i]];
		int e = (int)rnd(o, 3);
		buf_printf(&b, "%c{\"id\":\"%02d\",\"e\":%d}", i ? ',' : '[', ids[i], e);
		if (!r->exists || r->deleted) {
			ignored++;
			r->seen = r->exists ? o->run : 0;
			continue;
		}
		/* What was pruned has lost its value. */
		bool equal = r->has_extra && r->extra == e && (!r->pruned || r->value < 0);
		same += equal;
		updated += !equal;
		if (!equal)
			r->moved = ++o->clock;
		r->value = r->pruned ? -1 : r->value;
		r->extra = e;
		r->has_extra = true;
		r->pruned = false;
		r->seen = o->run;
	}
	buf_char(&b, ']');
	expect_update(o->s, o->run, b.ptr, updated, same, ignored);
	buf_done(&b);
}

static void do_delete(struct oracle *o)
{
	int ids[12], n = pick(o, ids), deleted = 0;
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < n; i++) {
		struct one *r = &o->ones[ids[i]];
		buf_printf(&b, "%c{\"id\":\"%02d\"}", i ? ',' : '[', ids[i]);
		r->seen = r->exists ? o->run : 0;
		if (!r->exists || r->deleted)
			continue;
		r->deleted = true;
		r->moved = ++o->clock;
		deleted++;
	}
	buf_char(&b, ']');
	expect_delete(o->s, o->run, b.ptr, deleted, n - deleted);
	buf_done(&b);
}

static int by_moved(const void *a, const void *b)
{
	const struct one *const *x = a, *const *y = b;

	return ((*x)->moved > (*y)->moved) - ((*x)->moved < (*y)->moved);
}

static int by_row(const void *a, const void *b)
{
	const struct one *const *x = a, *const *y = b;

	return ((*x)->row > (*y)->row) - ((*x)->row < (*y)->row);
}

static int in_order(struct oracle *o, struct one **list, int (*order)(const void *, const void *))
{
	int n = 0;

	for (int i = 0; i < IDS; i++)
		if (o->ones[i].exists)
			list[n++] = &o->ones[i];
	qsort(list, (size_t)n, sizeof(*list), order);
	return n;
}

static void do_window(struct oracle *o)
{
	char want[IDS * 5 + 1] = "";
	struct one *list[IDS];

	if (!o->window) {
		o->window = o->run;
		track_start(o->s, o->run);
		return;
	}
	int n = in_order(o, list, by_row);
	for (int i = 0; i < n; i++) {
		struct one *r = list[i];
		if (r->deleted || r->seen >= o->window)
			continue;
		sprintf(want + strlen(want), "%s\"%02d\"", want[0] ? "," : "", (int)(r - o->ones));
		r->deleted = true;
		r->moved = ++o->clock;
	}
	o->window = 0;
	assert_string_equal(track_end(o->s, o->run, 1 + rnd(o, 5)), want);
}

static void do_prune(struct oracle *o)
{
	struct one *list[IDS];
	int n = in_order(o, list, by_moved), count = 0;

	if (n == 0)
		return;
	int upto = (int)rnd(o, (unsigned)n);
	for (int i = 0; i <= upto; i++) {
		count += !list[i]->pruned;
		list[i]->pruned = true;
	}
	char id[8];
	sprintf(id, "%02d", (int)(list[upto] - o->ones));
	struct records_pruned p = prune(o->s, field(o->s, id, "_nango_metadata.cursor"), 1000);
	assert_int_equal(p.count, count);
}

static void do_empty(struct oracle *o)
{
	if (rnd(o, 4))
		return;
	while (empty(o->s, 1 + rnd(o, 20)).more)
		;
	memset(o->ones, 0, sizeof(o->ones));
	memset(o->read, 0, sizeof(o->read)); /* removed rows are not in the feed: start again */
	o->cursor = SV_NULL;
}

/* Comparing. */

static const char *want_payload(struct oracle *o, const struct one *r)
{
	struct arena *a = &o->s->arena;
	int id = (int)(r - o->ones);

	if (r->pruned)
		return arena_printf(a, "{\"id\":\"%02d\"}", id);
	if (!r->has_extra)
		return arena_printf(a, "{\"id\":\"%02d\",\"v\":%d}", id, r->value);
	if (r->value < 0)
		return arena_printf(a, "{\"id\":\"%02d\",\"e\":%d}", id, r->extra);
	return arena_printf(a, "{\"v\":%d,\"id\":\"%02d\",\"e\":%d}", r->value, id, r->extra);
}

static void check_feed(struct oracle *o)
{
	struct one *list[IDS];
	char want[IDS * 16] = "";
	int n = in_order(o, list, by_moved), live_rows = 0;

	for (int i = 0; i < n; i++) {
		sprintf(want + strlen(want), "%s%02d:%s", i ? " " : "", (int)(list[i] - o->ones),
			action_of(list[i]));
		live_rows += !list[i]->deleted;
	}
	assert_string_equal(feed(o->s), want);
	if (o->clock)
		expect_dataset(o->s, n, live_rows);
	if (n) {
		const struct one *r = list[rnd(o, (unsigned)n)];
		assert_string_equal(
			payload(o->s, arena_printf(&o->s->arena, "%02d", (int)(r - o->ones))),
			want_payload(o, r));
	}
}

/* A reader with small pages, which remembers the last action of each record it was told. */
static void reader_poll(struct oracle *o)
{
	for (;;) {
		struct sv page =
			list(o->s, (struct records_query){ .cursor = o->cursor, .limit = 3 });
		char *at = arena_str(&o->s->arena, sv_str(actions(o->s, page)));
		char *save = NULL, *last = NULL;
		for (char *w = strtok_r(at, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
			snprintf(o->read[atoi(w)], sizeof(o->read[0]), "%s", w);
			last = w;
		}
		if (last)
			o->cursor = field(o->s, arena_printf(&o->s->arena, "%.2s", last),
				"_nango_metadata.cursor");
		if (!next_cursor(o->s, page).ptr)
			return;
	}
}

static void check_reader(struct oracle *o)
{
	for (int i = 0; i < IDS; i++) {
		char want[64] = "";
		if (o->ones[i].exists)
			sprintf(want, "%02d:%s", i, action_of(&o->ones[i]));
		assert_string_equal(o->read[i], want);
	}
}

static void step(struct oracle *o)
{
	switch (rnd(o, 12)) {
	case 0:
	case 1: o->run++; break;
	case 2:
	case 3: do_delete(o); break;
	case 4:
	case 5: do_update(o); break;
	case 6: do_window(o); break;
	case 7: do_prune(o); break;
	case 8: do_empty(o); break;
	default: do_save(o);
	}
}

static void test_random_operations(void **state)
{
	struct oracle *o = NEW(struct oracle);
	const char *seed = getenv("TIDEMARK_TEST_SEED");

	o->s = *state;
	o->run = 1;
	o->random = seed ? strtoull(seed, NULL, 10) : 20261123;
	for (int i = 0; i < OPERATIONS; i++) {
		step(o);
		check_feed(o);
		if (rnd(o, 3) == 0) {
			reader_poll(o);
			check_reader(o);
			struct sv keep = o->cursor;
			char text[128];
			snprintf(text, sizeof(text), "%.*s", SV(keep));
			arena_done(&o->s->arena);
			o->cursor = keep.ptr ? arena_sv(&o->s->arena, sv_str(text)) : SV_NULL;
		}
	}
	mem_free(o);
}

int model_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_random_operations),
	};
	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
