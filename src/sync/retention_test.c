/* Time is moved, never waited for: a world whose sync has saved records, looked at days later. */
#include "sync/retention.h"

#include "base/clock.h"
#include "crypto/keyring.h"
#include "model/run_fixture.h"
#include "records/batch.h"
#include "records/dataset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define DAY_MS (24 * 3600 * INT64_C(1000))

static struct records_of of_model(const char *model)
{
	return (struct records_of){ .keys = world->keys,
		.environment = world->env,
		.connection = world->connection,
		.model = sv_str(model) };
}

/* Saves n records; returns how many were new or changed. */
static int64_t save(struct dbc *c, const char *model, int n, int version, struct err *err)
{
	own_in(buf_done) struct buf text = { 0 };
	struct records_input in = { .of = of_model(model), .op = RECORDS_SAVE, .run = 1 };

	buf_init(&text, 1 << 20);
	for (int i = 0; i < n; i++)
		buf_printf(&text, "%c{\"id\":\"%d\",\"v\":%d}", i ? ',' : '[', i, version);
	buf_char(&text, ']');
	in.records = buf_sv(&text);
	own(records_batch_free) struct records_batch *b = records_batch_new(&in);
	TRY(records_apply(c, b, err));
	return b->counts.added + b->counts.updated;
}

/* Steps until nothing is left to do right away. */
static int forget(struct dbc *c, struct retention *r, struct retention *sum, struct err *err)
{
	*sum = (struct retention){ 0 };
	do {
		TRY(retention_step(c, r, err));
		r->state = r->next;
		sum->pruned += r->pruned;
		sum->removed += r->removed;
		sum->connections += r->connections;
	} while (r->more);
	return 0;
}

static struct retention defaults(void)
{
	return (struct retention){
		.payload_ms = 30 * DAY_MS, .dataset_ms = 60 * DAY_MS, .connection_ms = 31 * DAY_MS
	};
}

static int job_payloads(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct retention r = defaults(), sum;
	struct records_of of = of_model("Contact");
	struct dataset d;

	CHECK(save(c, "Contact", 2500, 1, err) == 2500);
	clock_shift_ms(20 * DAY_MS);
	CHECK(save(c, "Contact", 2500, 1, err) == 0); /* unchanged does not count */
	CHECK(save(c, "Contact", 100, 2, err) == 100);
	TRY(forget(c, &r, &sum, err));
	CHECK(sum.pruned == 0);
	clock_shift_ms(9 * DAY_MS);
	TRY(forget(c, &r, &sum, err));
	CHECK(sum.pruned == 0);
	clock_shift_ms(2 * DAY_MS);
	TRY(forget(c, &r, &sum, err));
	CHECK(sum.pruned == 2400);
	TRY(dataset_find(c, &of, &d, err));
	CHECK(d.live == 2500);
	/* Brought back by the sync, they stay until the next sweep. */
	CHECK(save(c, "Contact", 2500, 1, err) == 100);
	TRY(forget(c, &r, &sum, err));
	CHECK(sum.pruned == 0);
	clock_shift_ms(DAY_MS + 1000);
	TRY(forget(c, &r, &sum, err));
	CHECK(sum.pruned == 2400);
	return 0;
}

static int sync_ran(struct dbc *c, struct err *err)
{
	struct sync s;

	TRY(world_sync(c, &s, err));
	return db_exec(c, Q_SYNC_RUN_OVER,
		ARGS(arg_str(s.id), arg_i64(clock_now_ms()), arg_i64(0), arg_i64(0),
			arg_i64(clock_now_ms())),
		NULL, err);
}

/* Datasets of the connection, by name. */
static int datasets(struct dbc *c, const char *expected, struct err *err)
{
	own_in(buf_done) struct buf names = { 0 };
	struct dataset_counts *list;
	size_t n;

	buf_init(&names, 1000);
	TRY(datasets_list(c, world->connection, db_arena(c), &list, &n, err));
	for (size_t i = 0; i < n; i++)
		buf_printf(&names, "%s%.*s", i ? " " : "", SV(list[i].model));
	return sv_eq_str(buf_sv(&names), expected)
		       ? 0
		       : err_set(err, ERR_INTERNAL, "datasets '%s', not '%s'",
				 names.ptr ? names.ptr : "", expected);
}

/* The sync of the world fills Contact and Company; nothing fills the others. */
static int job_datasets(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct retention r = defaults(), sum;

	r.payload_ms = 0;
	clock_shift_ms(1000);
	CHECK(save(c, "Contact", 10, 1, err) == 10);
	CHECK(save(c, "Contact::de", 10, 1, err) == 10);
	CHECK(save(c, "Orphan", 5000, 1, err) == 5000);
	clock_shift_ms(59 * DAY_MS);
	TRY(forget(c, &r, &sum, err));
	CHECK(sum.removed == 0);
	CHECK(save(c, "Fresh", 1, 1, err) == 1);
	TRY(sync_ran(c, err));
	clock_shift_ms(2 * DAY_MS);
	TRY(forget(c, &r, &sum, err));
	CHECK(sum.removed == 5010);
	TRY(datasets(c, "Contact Fresh", err));
	clock_shift_ms(60 * DAY_MS);
	TRY(forget(c, &r, &sum, err));
	CHECK(sum.removed == 11);
	TRY(datasets(c, "", err));
	TRY(forget(c, &r, &sum, err));
	CHECK(sum.removed == 0);
	/* A dataset made anew begins at the beginning. */
	CHECK(save(c, "Contact", 10, 1, err) == 10);
	return 0;
}

static int job_connections(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct retention r = defaults(), sum;
	int64_t left;

	CHECK(save(c, "Contact", 3000, 1, err) == 3000);
	TRY(sync_delete_of_connection(c, world->connection, err));
	TRY(connection_delete(c, world->connection, err));
	clock_shift_ms(30 * DAY_MS);
	TRY(forget(c, &r, &sum, err));
	CHECK(sum.removed == 0 && sum.connections == 0);
	clock_shift_ms(2 * DAY_MS);
	TRY(forget(c, &r, &sum, err));
	CHECK(sum.removed == 3000 && sum.connections == 1);
	CHECK(db_one_i64(c, Q_RETENTION_CONNECTION, ARGS(arg_i64(INT64_MAX)), &left, NULL) ==
		ERR_NOT_FOUND);
	TRY(datasets(c, "", err));
	return 0;
}

static int job_for_ever(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct retention r = { 0 }, sum;

	CHECK(save(c, "Orphan", 10, 1, err) == 10);
	TRY(connection_delete(c, world->connection, err));
	clock_shift_ms(3650 * DAY_MS);
	TRY(forget(c, &r, &sum, err));
	CHECK(sum.pruned == 0 && sum.removed == 0 && sum.connections == 0);
	return 0;
}

#define TEST(name)                                         \
	static void test_##name(void **state UNUSED)       \
	{                                                  \
		int64_t before = clock_now_ms();           \
		in_world(job_##name);                      \
		/* Back to about where it was. */          \
		clock_shift_ms((before - clock_now_ms())); \
	}
TEST(payloads)
TEST(datasets)
TEST(connections)
TEST(for_ever)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_payloads),
		cmocka_unit_test(test_datasets),
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_for_ever),
	};
	return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
