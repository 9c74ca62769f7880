/* Tickets on a real loop: turns, limits of time, cancelling, memory. */
#include "http/limiter.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct rig {
	struct loop *loop;
	struct limiter *limiter;
	char order[64]; /* who was let through: a letter each, upper case: refused, '-': cancelled
			 */
	int open; /* waiting */
};

struct one {
	struct rig *rig;
	struct limiter_ticket ticket;
	struct op op;
	char name;
	uint64_t lane;
	bool keep; /* hold the ticket; else it comes back with an answer at once */
};

static const struct http_headers *left(struct arena *a, const char *remaining, const char *reset)
{
	struct http_headers *h = ARENA_NEW(a, struct http_headers);

	http_headers_add(a, h, SV_LIT("x-ratelimit-remaining"), sv_str(remaining));
	http_headers_add(a, h, SV_LIT("x-ratelimit-reset"), sv_str(reset));
	return h;
}

static void rig_open(struct rig *r)
{
	*r = (struct rig){ .loop = loop_new() };
	r->limiter = limiter_new(r->loop);
}

static void rig_close(struct rig *r)
{
	limiter_free(r->limiter);
	loop_free(r->loop);
}

static void note(struct rig *r, char c)
{
	r->order[strlen(r->order)] = c;
}

static void answer(struct one *o, const char *remaining, const char *reset)
{
	struct arena a = { 0 };

	limiter_answered(&o->ticket, 200, left(&a, remaining, reset), -1);
	arena_done(&a);
}

static void done(void *ctx, const struct err *err)
{
	struct one *o = ctx;
	struct rig *r = o->rig;

	note(r, err->code == ERR_OK ? o->name : err->code == ERR_LIMIT ? o->name - 'a' + 'A' : '-');
	if (err->code == ERR_OK && !o->keep)
		answer(o, "9", "60");
	if (--r->open == 0)
		loop_stop(r->loop);
}

static enum limiter_answer enter(
	struct rig *r, struct one *o, char name, int64_t owner, int64_t max)
{
	const struct limiter_ask ask = { SV_LIT("key"), o->lane, owner, max };

	o->rig = r;
	o->name = name;
	o->op = (struct op){ .done = done, .ctx = o };
	enum limiter_answer got = limiter_enter(r->limiter, &o->ticket, &ask, &o->op);
	r->open += got == LIMITER_WAIT;
	return got;
}

static void used_up(struct rig *r, const char *reset)
{
	struct one o = { 0 };

	assert_int_equal(enter(r, &o, '?', 0, 0), LIMITER_GO);
	answer(&o, "0", reset);
}

static void runs_take_turns(void **state UNUSED)
{
	struct one o[7] = { 0 };
	struct rig r;

	rig_open(&r);
	used_up(&r, "0.05");
	for (int i = 0; i < 4; i++)
		assert_int_equal(enter(&r, &o[i], (char)('a' + i), 1, 5000), LIMITER_WAIT);
	for (int i = 4; i < 6; i++)
		assert_int_equal(enter(&r, &o[i], (char)('a' + i), 2, 5000), LIMITER_WAIT);
	assert_int_equal(enter(&r, &o[6], 'g', 3, 5000), LIMITER_WAIT);
	assert_int_equal(limiter_stats(r.limiter).waiting, 7);
	loop_run(r.loop);
	assert_string_equal(r.order, "aegbfcd");
	assert_int_equal(limiter_stats(r.limiter).waits, 7);
	assert_int_equal(limiter_stats(r.limiter).waiting, 0);
	rig_close(&r);
}

static void nobody_overtakes_who_waits(void **state UNUSED)
{
	struct one o[3] = { 0 };
	struct rig r;

	rig_open(&r);
	used_up(&r, "0.03");
	assert_int_equal(enter(&r, &o[0], 'a', 1, 5000), LIMITER_WAIT);
	int64_t until = clock_mono_us() + 80 * 1000;
	while (clock_mono_us() < until) /* the loop has had no chance to let it through yet */
		;
	assert_int_equal(enter(&r, &o[1], 'b', 2, 5000), LIMITER_WAIT);
	loop_run(r.loop);
	assert_string_equal(r.order, "ab");
	rig_close(&r);
}

static void nothing_waits_longer_than_it_said(void **state UNUSED)
{
	struct one o[3] = { 0 };
	struct rig r;

	rig_open(&r);
	used_up(&r, "60");
	/* It is certain at once that this is too long. */
	assert_int_equal(enter(&r, &o[0], 'a', 1, 1000), LIMITER_REFUSED);
	assert_int_equal(o[0].ticket.why, RATE_QUOTA);
	assert_true(o[0].ticket.wait_ms > 59000 && o[0].ticket.wait_ms < 61000);
	rig_close(&r);

	/* Here it is not: the one in flight might bring room. */
	rig_open(&r);
	o[0].keep = true;
	assert_int_equal(enter(&r, &o[0], 'a', 1, 1000), LIMITER_GO);
	answer(&o[0], "1", "60");
	assert_int_equal(enter(&r, &o[0], 'a', 1, 1000), LIMITER_GO);
	assert_int_equal(enter(&r, &o[1], 'b', 1, 30000), LIMITER_WAIT);
	assert_int_equal(enter(&r, &o[2], 'c', 1, 20), LIMITER_WAIT);
	r.open = 1; /* the loop runs until one of them is through */
	loop_run(r.loop);
	assert_string_equal(r.order, "C");
	assert_int_equal(limiter_stats(r.limiter).refused, 1);
	assert_int_equal(limiter_stats(r.limiter).waiting, 1);
	r.open = 1;
	o[1].op.cancel(&o[1].op);
	loop_run(r.loop);
	assert_string_equal(r.order, "C-");
	limiter_lost(&o[0].ticket);
	rig_close(&r);
}

static void waiting_can_be_cancelled(void **state UNUSED)
{
	struct one o[3] = { 0 };
	struct rig r;

	rig_open(&r);
	used_up(&r, "0.05");
	for (int i = 0; i < 3; i++)
		assert_int_equal(enter(&r, &o[i], (char)('a' + i), i == 1, 5000), LIMITER_WAIT);
	o[0].op.cancel(&o[0].op);
	o[0].op.cancel(&o[0].op);
	assert_string_equal(r.order, ""); /* never inside the call */
	loop_run(r.loop);
	assert_string_equal(r.order, "-cb"); /* c is the next of the first owner */
	rig_close(&r);
}

static void used_up_for(struct rig *r, uint64_t lane, const char *group, const char *left)
{
	struct one o = { .lane = lane };
	struct http_headers h = { 0 };
	struct arena a = { 0 };

	assert_int_equal(enter(r, &o, '?', 0, 0), LIMITER_GO);
	http_headers_add(&a, &h, SV_LIT("x-ratelimit-remaining"), sv_str(left));
	http_headers_add(&a, &h, SV_LIT("x-ratelimit-reset"), SV_LIT("60"));
	http_headers_add(&a, &h, SV_LIT("x-ratelimit-resource"), sv_str(group));
	limiter_answered(&o.ticket, 200, &h, -1);
	arena_done(&a);
}

/* Who waits for one quota does not stand in the way of those it does not concern. */
static void another_group_passes_by(void **state UNUSED)
{
	struct one waits = { .lane = 1 }, goes = { .lane = 2 };
	struct rig r;

	rig_open(&r);
	used_up_for(&r, 2, "core", "99");
	used_up_for(&r, 1, "search", "0");
	assert_int_equal(enter(&r, &waits, 'w', 1, 200 * 1000), LIMITER_WAIT);
	assert_int_equal(enter(&r, &goes, 'g', 2, 1000), LIMITER_WAIT);
	r.open--; /* not for the first one */
	loop_run(r.loop);
	assert_string_equal(r.order, "g");
	waits.op.cancel(&waits.op);
	r.open++;
	loop_run(r.loop);
	assert_string_equal(r.order, "g-");
	rig_close(&r);
}

static void what_never_went_out_uses_nothing(void **state UNUSED)
{
	struct one a = { 0 }, b = { 0 }, c = { 0 };
	struct rig r;

	rig_open(&r);
	assert_int_equal(enter(&r, &a, 'a', 1, 10), LIMITER_GO);
	answer(&a, "1", "60");
	assert_int_equal(enter(&r, &b, 'b', 1, 10), LIMITER_GO);
	assert_int_equal(enter(&r, &c, 'c', 1, 60000), LIMITER_WAIT);
	limiter_unused(&b.ticket);
	limiter_unused(&b.ticket); /* once is enough */
	loop_run(r.loop);
	assert_string_equal(r.order, "c");
	rig_close(&r);
}

static enum limiter_answer enter_as(struct rig *r, struct limiter_ticket *t, int i)
{
	static struct op op;
	char key[32];

	snprintf(key, sizeof(key), "key %d", i);
	return limiter_enter(r->limiter, t, &(struct limiter_ask){ sv_str(key), 0, 1, 0 }, &op);
}

/* More connections at once than are watched: the rest go unwatched, and none is lost. */
static void memory_is_bounded(void **state UNUSED)
{
	enum { MANY = LIMITER_ENTRIES_MAX + 100 };
	struct limiter_ticket *tickets = mem_array(MANY, sizeof(*tickets));
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(enter_as(&r, &tickets[i], i), LIMITER_GO);
	assert_int_equal(limiter_stats(r.limiter).entries, LIMITER_ENTRIES_MAX);
	assert_null(tickets[MANY - 1].entry);
	for (int i = 0; i < MANY; i++)
		limiter_lost(&tickets[i]);
	/* Nobody is under way any more: the oldest make room. */
	for (int i = MANY; i < MANY + 100; i++) {
		assert_int_equal(enter_as(&r, &tickets[0], i), LIMITER_GO);
		assert_non_null(tickets[0].entry);
		limiter_lost(&tickets[0]);
	}
	assert_true(limiter_stats(r.limiter).entries <= LIMITER_ENTRIES_MAX);
	mem_free(tickets);
	rig_close(&r);
}

/* One that is known to be used up stays while others come and go. */
static void what_is_known_is_kept(void **state UNUSED)
{
	struct limiter_ticket t = { 0 };
	struct rig r;

	rig_open(&r);
	used_up(&r, "60");
	for (int i = 0; i < LIMITER_ENTRIES_MAX + 100; i++) {
		assert_int_equal(enter_as(&r, &t, i), LIMITER_GO);
		limiter_lost(&t);
	}
	struct one o = { 0 };
	assert_int_equal(enter(&r, &o, 'a', 1, 10), LIMITER_REFUSED);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_take_turns),
		cmocka_unit_test(nobody_overtakes_who_waits),
		cmocka_unit_test(nothing_waits_longer_than_it_said),
		cmocka_unit_test(waiting_can_be_cancelled),
		cmocka_unit_test(another_group_passes_by),
		cmocka_unit_test(what_never_went_out_uses_nothing),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(what_is_known_is_kept),
	};
	return cmocka_run_group_tests_name("limiter", tests, NULL, NULL);
}
