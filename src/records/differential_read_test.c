#include "records/differential_test.h"

#include "base/clock.h"
#include "base/sv.h"

static struct json_t *parse(struct sv text)
{
	struct json_t *v = NULL;
	struct err err;

	if (json_parse(text, &v, &err) < 0)
		fail_msg("%s in %.*s", err.msg, SV(text));
	return v;
}

static int64_t time_of(struct json_t *metadata, const char *key)
{
	struct json_t *v = json_member(metadata, sv_str(key));
	int64_t us = 0;

	if (json_kind(v) != JSON_KIND_NULL)
		assert_true(clock_parse_iso(json_sv(v), &us));
	return us;
}

/* What a position was shown as stays so; what comes later is later. */
static void expect_times(struct side *d, struct oracle_record *r, struct json_t *m)
{
	int64_t moved = time_of(m, "last_modified_at"), created = time_of(m, "first_seen_at");

	if (r->moved == r->moved_known)
		assert_int_equal(moved, r->moved_us);
	if (r->moved > d->top_position) {
		assert_true(moved > d->top_us);
		d->top_position = r->moved;
		d->top_us = moved;
	}
	if (r->created == r->created_known)
		assert_int_equal(created, r->created_us);
	if (r->created == r->moved)
		assert_int_equal(created, moved);
	assert_true(created <= moved);
	r->moved_known = r->moved;
	r->moved_us = moved;
	r->created_known = r->created;
	r->created_us = created;
	assert_int_equal(time_of(m, "deleted_at"), !r->deleted	   ? 0
						   : r->deleted_us ? r->deleted_us
								   : moved);
	assert_int_equal(time_of(m, "pruned_at") != 0, r->pruned);
}

static void expect_record(struct side *d, struct oracle_record *r, struct json_t *shown)
{
	static const char *const names[] = { "", "ADDED", "UPDATED", "", "DELETED" };
	own(json_unref) struct json_t *got = json_clone(shown), *want = NULL;
	struct json_t *m = json_member(shown, SV_LIT("_nango_metadata"));
	struct sv id = sv_str(id_forms[r - d->model.records].text);
	struct sv action = json_sv(json_member(m, SV_LIT("last_action")));
	own_in(buf_done) struct buf text = { 0 };

	json_del(got, SV_LIT("_nango_metadata"));
	want = r->pruned ? json_new_obj() : json_clone(r->payload);
	json_set(want, SV_LIT("id"), json_new_str(id));
	if (!json_same(got, want) || !sv_eq_str(action, names[oracle_action(r)])) {
		buf_init(&text, 1 << 20);
		json_dump_compact(want, &text);
		buf_str(&text, " but got ");
		json_dump_compact(shown, &text);
		fail_msg("expected %s %.*s", names[oracle_action(r)], SV(buf_sv(&text)));
	}
	expect_times(d, r, m);
}

static void mark_put(struct test *t, struct side *d, struct json_t *shown, int64_t position)
{
	struct json_t *m = json_member(shown, SV_LIT("_nango_metadata"));
	struct mark *mark = &d->marks[RND(MARKS)];

	snprintf(mark->cursor, sizeof(mark->cursor), "%.*s",
		SV(json_sv(json_member(m, SV_LIT("cursor")))));
	mark->position = position;
	mark->us = time_of(m, "last_modified_at");
}

/* A page is exactly the records of the list, and says whether it is the last. */
static struct json_t *expect_page(struct test *t, struct side *d, struct records_query q,
	struct oracle_record **want, size_t count)
{
	size_t shown = count < (size_t)q.limit ? count : (size_t)q.limit;

	t->s->of = d->of;
	struct json_t *page = parse(list(t->s, q));
	struct json_t *records = json_member(page, SV_LIT("records"));
	struct json_t *next = json_member(page, SV_LIT("next_cursor"));
	assert_int_equal(json_len(records), shown);
	for (size_t i = 0; i < shown; i++)
		expect_record(d, want[i], json_item(records, i));
	assert_int_equal(json_kind(next) == JSON_KIND_STRING, count > shown);
	if (count > shown)
		assert_true(sv_eq(json_sv(next), json_sv(json_find(json_item(records, shown - 1),
							 SV_LIT("_nango_metadata.cursor")))));
	if (shown && RND(4) == 0) {
		size_t i = (size_t)RND((unsigned)shown);
		mark_put(t, d, json_item(records, i), want[i]->moved);
	}
	arena_done(&t->s->arena);
	return page;
}

void compare_reader(struct test *t, struct side *d, struct reader *r, int64_t limit)
{
	struct records_query q = { .limit = limit };
	struct oracle_record *list[ORACLE_IDS];

	if (r->cursor[0])
		q.cursor = sv_str(r->cursor);
	size_t n = oracle_feed(&d->model, r->position, 0, list);
	own(json_unref) struct json_t *page = expect_page(t, d, q, list, n);
	size_t shown = json_len(json_member(page, SV_LIT("records")));
	if (shown == 0)
		return;
	struct json_t *last = json_item(json_member(page, SV_LIT("records")), shown - 1);
	snprintf(r->cursor, sizeof(r->cursor), "%.*s",
		SV(json_sv(json_find(last, SV_LIT("_nango_metadata.cursor")))));
	r->position = list[shown - 1]->moved;
}

/* Selections. */

static void compare_filter(struct test *t, struct side *d)
{
	struct records_query q = { .limit = 1 + RND(12), .actions = (unsigned)RND(8) };
	struct mark *m = &d->marks[RND(MARKS)];
	struct oracle_record *list[ORACLE_IDS];
	int64_t after = 0;

	if (m->position && RND(2)) {
		q.cursor = sv_str(m->cursor);
		after = m->position;
	}
	size_t n = oracle_feed(&d->model, after, q.actions, list);
	json_unref(expect_page(t, d, q, list, n));
}

/* Every record has been shown where it is now. */
static void compare_modified_after(struct test *t, struct side *d)
{
	struct oracle_record *list[ORACLE_IDS];
	size_t n = oracle_feed(&d->model, 0, 0, list), first = 0;

	if (n == 0)
		return;
	struct records_query q = { .limit = 100 };
	q.modified_after_us = list[RND((unsigned)n)]->moved_us + RND(3) - 1;
	int64_t from = q.modified_after_us - q.modified_after_us % 1000;
	while (first < n && list[first]->moved_us < from)
		first++;
	json_unref(expect_page(t, d, q, list + first, n - first));
}

struct by_ids {
	const struct records_of *of;
	const struct sv *ids;
	size_t count;
	struct buf out;
};

static int by_ids_job(struct dbc *c, void *arg, struct err *err)
{
	struct by_ids *a = arg;

	return records_by_ids(c, a->of, a->ids, a->count, &a->out, err);
}

static void compare_by_ids(struct side *d, struct store *s, const struct sv *ids, size_t count,
	struct oracle_record **list, size_t want)
{
	struct by_ids a = { .of = &d->of, .ids = ids, .count = count };
	struct err err;

	buf_init(&a.out, 1 << 20);
	assert_int_equal(db_run(s->db, DB_READ, by_ids_job, &a, &err), 0);
	own(json_unref) struct json_t *page = parse(buf_sv(&a.out));
	struct json_t *records = json_member(page, SV_LIT("records"));
	assert_int_equal(json_len(records), want);
	for (size_t i = 0; i < want; i++)
		expect_record(d, list[i], json_item(records, i));
	buf_done(&a.out);
}

static void compare_ids(struct test *t, struct side *d)
{
	struct oracle_record *all[ORACLE_IDS], *list[ORACLE_IDS];
	bool wanted[ORACLE_IDS] = { false };
	struct sv ids[12];
	size_t count = 1 + (size_t)RND(ARRAY_LEN(ids)), n = 0;
	struct records_query q = { .limit = 1 + RND(12), .ids = ids, .id_count = count };

	for (size_t i = 0; i < count; i++) {
		int id = RND(ORACLE_IDS + 1);
		ids[i] = id < ORACLE_IDS ? sv_str(id_forms[id].text) : SV_LIT("nobody");
		if (id < ORACLE_IDS)
			wanted[id] = true;
	}
	size_t total = oracle_feed(&d->model, 0, 0, all);
	for (size_t i = 0; i < total; i++)
		if (wanted[all[i] - d->model.records])
			list[n++] = all[i];
	json_unref(expect_page(t, d, q, list, n));
	compare_by_ids(d, t->s, ids, count, list, n);
}

/* Ends and counts. */

static struct sv cursor_at(struct json_t *page, size_t i)
{
	struct json_t *record = json_item(json_member(page, SV_LIT("records")), i);

	return record ? json_sv(json_find(record, SV_LIT("_nango_metadata.cursor"))) : SV_LIT("");
}

struct counts {
	struct side *d;
	struct arena *arena;
	int64_t live, listed;
};

static int counts_job(struct dbc *c, void *arg, struct err *err)
{
	struct counts *a = arg;
	struct dataset_counts *list;
	size_t count;

	TRY(records_count(c, &a->d->of, &a->live, err));
	TRY(datasets_list(c, a->d->of.connection, a->arena, &list, &count, err));
	for (size_t i = 0; i < count; i++)
		if (sv_eq(list[i].model, a->d->of.model))
			a->listed = list[i].live;
	return 0;
}

static void compare_counts(struct test *t, struct side *d, size_t total)
{
	struct counts a = { .d = d, .arena = &t->s->arena, .listed = -1 };
	struct err err;

	assert_int_equal(db_run(t->s->db, DB_READ, counts_job, &a, &err), 0);
	assert_int_equal(a.live, oracle_live(&d->model));
	assert_int_equal(a.listed, total ? a.live : -1);
	arena_done(&t->s->arena);
}

void compare_dataset(struct test *t, struct side *d)
{
	struct oracle_record *list[ORACLE_IDS];
	size_t n = oracle_feed(&d->model, 0, 0, list);

	own(json_unref) struct json_t *page =
		expect_page(t, d, (struct records_query){ .limit = 1000 }, list, n);
	assert_true(sv_eq(edge(t->s, false), cursor_at(page, 0)));
	assert_true(sv_eq(edge(t->s, true), cursor_at(page, n ? n - 1 : 0)));
	compare_filter(t, d);
	compare_modified_after(t, d);
	compare_ids(t, d);
	compare_counts(t, d, n);
	check_store(t->s);
}
