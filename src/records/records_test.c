#include "records/records_test.h"

#include "crypto/keyring.h"

#include <unistd.h>

static struct keyring *make_keys(void)
{
	struct master_key m;
	unsigned char bytes[AEAD_KEY_SIZE] = "test", wrapped[KEY_WRAPPED_SIZE];
	struct err err;

	aead_key_init(&m.key, 0, bytes);
	struct keyring *k = keyring_new(&m);
	keyring_make(k, 1, wrapped);
	assert_int_equal(keyring_add(k, 1, 1, sv_make((char *)wrapped, sizeof(wrapped)), &err), 0);
	return k;
}

void store_open_db(struct store *s, struct loop *loop)
{
	struct db_config cfg = testdb_config(&s->at);
	struct err err = { 0 };

	if (db_open(&cfg, loop, &s->db, &err) < 0)
		fail_msg("%s", err.msg);
}

void store_open(struct store *s, struct loop *loop)
{
	*s = (struct store){ 0 };
	testdb_make(&s->at);
	store_open_db(s, loop);
	s->keys = make_keys();
	s->of = (struct records_of){
		.keys = s->keys,
		.environment = 1,
		.connection = 7,
		.model = SV_LIT("Contact"),
	};
}

void store_close(struct store *s)
{
	check_store(s);
	db_close(s->db);
	keyring_free(s->keys);
	arena_done(&s->arena);
	testdb_drop(&s->at);
}

int store_setup(void **state)
{
	struct store *s = NEW(struct store);

	store_open(s, NULL);
	*state = s;
	return 0;
}

int store_teardown(void **state)
{
	store_close(*state);
	mem_free(*state);
	return 0;
}

static void run(struct store *s, enum db_mode mode, db_job_fn *fn, void *arg)
{
	struct err err = { 0 };

	if (db_run(s->db, mode, fn, arg, &err) < 0)
		fail_msg("%s", err.msg);
}

/* Batches. */

static int prepare_job(struct dbc *c, void *arg, struct err *err)
{
	return records_prepare(c, arg, err);
}

static int apply_job(struct dbc *c, void *arg, struct err *err)
{
	return records_apply(c, arg, err);
}

struct records_batch *run_batch(struct store *s, const struct records_input *in)
{
	struct records_batch *b = records_batch_new(in);

	run(s, DB_READ, prepare_job, b);
	run(s, DB_WRITE, apply_job, b);
	return b;
}

int try_batch(struct store *s, const struct records_input *in, struct err *err)
{
	own(records_batch_free) struct records_batch *b = records_batch_new(in);

	*err = (struct err){ 0 };
	TRY(db_run(s->db, DB_READ, prepare_job, b, err));
	return db_run(s->db, DB_WRITE, apply_job, b, err);
}

static struct records_counts counts_of(
	struct store *s, enum records_op op, int64_t run_id, const char *records)
{
	own(records_batch_free) struct records_batch *b = run_batch(
		s, &(struct records_input){
			   .of = s->of, .op = op, .records = sv_str(records), .run = run_id });

	return b->counts;
}

char *many_records(struct store *s, int from, int to, int version)
{
	struct buf b;

	buf_init(&b, 1 << 24);
	for (int i = from; i < to; i++)
		buf_printf(&b, "%c{\"id\":\"%d\",\"v\":%d}", i == from ? '[' : ',', i, version);
	buf_char(&b, ']');
	char *text = arena_str(&s->arena, buf_sv(&b));
	buf_done(&b);
	return text;
}

void expect_save(
	struct store *s, int64_t run_id, const char *records, int added, int updated, int unchanged)
{
	struct records_counts n = counts_of(s, RECORDS_SAVE, run_id, records);

	assert_int_equal(n.added, added);
	assert_int_equal(n.updated, updated);
	assert_int_equal(n.unchanged, unchanged);
	assert_int_equal(n.deleted, 0);
}

void expect_update(struct store *s, int64_t run_id, const char *records, int updated, int unchanged,
	int ignored)
{
	struct records_counts n = counts_of(s, RECORDS_UPDATE, run_id, records);

	assert_int_equal(n.updated, updated);
	assert_int_equal(n.unchanged, unchanged);
	assert_int_equal(n.ignored, ignored);
	assert_int_equal(n.added + n.deleted, 0);
}

void expect_delete(struct store *s, int64_t run_id, const char *records, int deleted, int ignored)
{
	struct records_counts n = counts_of(s, RECORDS_DELETE, run_id, records);

	assert_int_equal(n.deleted, deleted);
	assert_int_equal(n.ignored, ignored);
	assert_int_equal(n.added + n.updated + n.unchanged, 0);
}

/* Reading. */

struct list_arg {
	struct records_query q;
	struct buf out;
};

static int list_job(struct dbc *c, void *arg, struct err *err)
{
	struct list_arg *a = arg;

	return records_list(c, &a->q, &a->out, err);
}

struct sv list(struct store *s, struct records_query q)
{
	struct list_arg a = { .q = q };

	a.q.of = s->of;
	if (!a.q.limit)
		a.q.limit = 100000;
	buf_init(&a.out, 1 << 28);
	run(s, DB_READ, list_job, &a);
	struct sv text = arena_sv(&s->arena, buf_sv(&a.out));
	buf_done(&a.out);
	return text;
}

int try_list(struct store *s, struct records_query q, struct err *err)
{
	struct list_arg a = { .q = q };

	*err = (struct err){ 0 };
	a.q.of = s->of;
	buf_init(&a.out, 1 << 20);
	int rc = db_run(s->db, DB_READ, list_job, &a, err);
	buf_done(&a.out);
	return rc;
}

static struct json_t *parse(struct sv text)
{
	struct json_t *v = NULL;
	struct err err = { 0 };

	if (json_parse(text, &v, &err) < 0)
		fail_msg("%s in %.*s", err.msg, SV(text));
	return v;
}

const char *actions(struct store *s, struct sv page)
{
	own(json_unref) struct json_t *v = parse(page);
	struct json_t *records = json_member(v, SV_LIT("records"));
	own_in(buf_done) struct buf out = { 0 };

	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < json_len(records); i++) {
		struct json_t *r = json_item(records, i);
		if (i)
			buf_char(&out, ' ');
		buf_sv_add(&out, json_sv(json_member(r, SV_LIT("id"))));
		buf_char(&out, ':');
		buf_sv_add(&out, json_sv(json_find(r, SV_LIT("_nango_metadata.last_action"))));
	}
	return arena_str(&s->arena, buf_sv(&out));
}

struct sv next_cursor(struct store *s, struct sv page)
{
	own(json_unref) struct json_t *v = parse(page);
	struct json_t *next = json_member(v, SV_LIT("next_cursor"));

	return json_kind(next) == JSON_KIND_STRING ? arena_sv(&s->arena, json_sv(next)) : SV_NULL;
}

const char *feed(struct store *s)
{
	return actions(s, list(s, (struct records_query){ 0 }));
}

static struct sv page_of(struct store *s, const char *id)
{
	struct sv ids[] = { sv_str(id) };

	return list(s, (struct records_query){ .ids = ids, .id_count = 1 });
}

struct sv field(struct store *s, const char *id, const char *path)
{
	own(json_unref) struct json_t *v = parse(page_of(s, id));
	struct json_t *found = json_find(v, SV_LIT("records[0]"));
	own_in(buf_done) struct buf out = { 0 };

	buf_init(&out, 1 << 20);
	found = json_find(found, sv_str(path));
	if (json_kind(found) == JSON_KIND_STRING)
		return arena_sv(&s->arena, json_sv(found));
	if (json_kind(found) != JSON_KIND_ABSENT)
		json_dump_compact(found, &out);
	return arena_sv(&s->arena, buf_sv(&out));
}

const char *payload(struct store *s, const char *id)
{
	struct sv page = page_of(s, id);
	const char *at = strstr(page.ptr, "\"records\":[");
	const char *end = strstr(page.ptr, "\"_nango_metadata\":");

	assert_non_null(end);
	at += strlen("\"records\":[");
	return arena_printf(&s->arena, "%.*s}", (int)(end - at - 1), at);
}

struct edge_arg {
	const struct records_of *of;
	bool last;
	struct buf out;
};

static int edge_job(struct dbc *c, void *arg, struct err *err)
{
	struct edge_arg *a = arg;

	return records_edge(c, a->of, a->last, &a->out, err);
}

struct sv edge(struct store *s, bool last)
{
	struct edge_arg a = { .of = &s->of, .last = last };

	buf_init(&a.out, 1000);
	run(s, DB_READ, edge_job, &a);
	struct sv text = arena_sv(&s->arena, buf_sv(&a.out));
	buf_done(&a.out);
	return text;
}

struct dataset_arg {
	const struct records_of *of;
	struct dataset d;
};

static int dataset_job(struct dbc *c, void *arg, struct err *err)
{
	struct dataset_arg *a = arg;

	return dataset_find(c, a->of, &a->d, err);
}

static int live_job(struct dbc *c, void *arg, struct err *err)
{
	struct dataset_arg *a = arg;

	return records_count(c, a->of, &a->d.live, err);
}

int64_t live(struct store *s)
{
	struct dataset_arg a = { .of = &s->of };

	run(s, DB_READ, live_job, &a);
	return a.d.live;
}

void expect_dataset(struct store *s, int64_t total, int64_t live_rows)
{
	struct dataset_arg a = { .of = &s->of };

	run(s, DB_READ, dataset_job, &a);
	assert_int_equal(a.d.total, total);
	assert_int_equal(a.d.live, live_rows);
}

int64_t stored_size(struct store *s)
{
	struct dataset_arg a = { .of = &s->of };

	run(s, DB_READ, dataset_job, &a);
	return a.d.size;
}

static int check_job(struct dbc *c, void *arg, struct err *err)
{
	return records_check(c, arg, err);
}

void check_store(struct store *s)
{
	struct records_check check = { .keys = s->keys, .environment = 1 };

	run(s, DB_READ, check_job, &check);
}

/* Pruning, windows. */

struct prune_arg {
	const struct records_of *of;
	struct sv cursor;
	int64_t limit;
	struct records_pruned ret;
};

static int prune_job(struct dbc *c, void *arg, struct err *err)
{
	struct prune_arg *a = arg;

	return records_prune(c, a->of, a->cursor, a->limit, &a->ret, err);
}

static int empty_job(struct dbc *c, void *arg, struct err *err)
{
	struct prune_arg *a = arg;

	return records_empty(c, a->of, a->limit, &a->ret, err);
}

struct records_pruned prune(struct store *s, struct sv cursor, int64_t limit)
{
	struct prune_arg a = { .of = &s->of, .cursor = cursor, .limit = limit };

	run(s, DB_WRITE, prune_job, &a);
	return a.ret;
}

struct records_pruned empty(struct store *s, int64_t limit)
{
	struct prune_arg a = { .of = &s->of, .limit = limit };

	run(s, DB_WRITE, empty_job, &a);
	return a.ret;
}

struct window_arg {
	struct records_outdated o;
	struct buf keys;
};

#define OWNER SV_LIT("sync:contacts:base")

static int start_job(struct dbc *c, void *arg, struct err *err)
{
	struct window_arg *a = arg;

	return records_track_start(c, &a->o.of, OWNER, a->o.run, err);
}

static int end_job(struct dbc *c, void *arg, struct err *err)
{
	struct window_arg *a = arg;

	return records_track_end(c, &a->o, OWNER, err);
}

static int outdated_job(struct dbc *c, void *arg, struct err *err)
{
	struct window_arg *a = arg;

	return records_outdated(c, &a->o, err);
}

void track_start(struct store *s, int64_t run_id)
{
	struct window_arg a = { .o = { .of = s->of, .run = run_id } };

	run(s, DB_WRITE, start_job, &a);
}

static int find_job(struct dbc *c, void *arg, struct err *err)
{
	struct window_arg *a = arg;

	int rc = records_track_find(c, &a->o.of, OWNER, &a->o.generation, err);
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

int64_t window(struct store *s)
{
	struct window_arg a = { .o = { .of = s->of } };

	run(s, DB_READ, find_job, &a);
	return a.o.generation;
}

const char *track_end(struct store *s, int64_t run_id, size_t limit)
{
	struct window_arg a = { .o = { .of = s->of, .run = run_id, .limit = limit } };
	struct err err = { 0 };

	buf_init(&a.keys, 1 << 20);
	a.o.keys = &a.keys;
	int rc = db_run(s->db, DB_WRITE, end_job, &a, &err);
	const char *text = rc < 0 ? arena_printf(&s->arena, "error: %s", err.msg)
				  : arena_str(&s->arena, buf_sv(&a.keys));
	buf_done(&a.keys);
	return text;
}

const char *outdated(struct store *s, int64_t generation, int64_t run_id)
{
	struct window_arg a = {
		.o = { .of = s->of, .run = run_id, .generation = generation },
	};

	buf_init(&a.keys, 1 << 20);
	a.o.keys = &a.keys;
	run(s, DB_WRITE, outdated_job, &a);
	const char *text = arena_str(&s->arena, buf_sv(&a.keys));
	buf_done(&a.keys);
	return text;
}
