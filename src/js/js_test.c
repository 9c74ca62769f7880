/* The parts of the runner that know nothing of JavaScript: text, timers, frames. */
#include "base/mem.h"
#include "js/conn.h"
#include "js/timers.h"
#include "js/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_units(struct sv text, const uint16_t *want, size_t n, bool valid)
{
	uint16_t got[64];
	bool ok;

	assert_int_equal(utf8_to_utf16(text, got, &ok), n);
	assert_memory_equal(got, want, n * sizeof(*got));
	assert_int_equal(ok, valid);
}

#define EXPECT(text, valid, ...)                                      \
	expect_units(SV_LIT(text), (const uint16_t[]){ __VA_ARGS__ }, \
		ARRAY_LEN(((const uint16_t[]){ __VA_ARGS__ })), valid)

static void test_utf8(void **state UNUSED)
{
	EXPECT("ab", true, 'a', 'b');
	EXPECT("\xC3\xA9\xE2\x82\xAC", true, 0xE9, 0x20AC);
	EXPECT("\xF0\x9F\x98\x80", true, 0xD83D, 0xDE00);
	EXPECT("12345678\xC3\xA9", true, '1', '2', '3', '4', '5', '6', '7', '8', 0xE9);
	/* What is broken: lone, cut off, overlong, surrogate, beyond Unicode. */
	EXPECT("\x80z", false, 0xFFFD, 'z');
	EXPECT("\xE2\x82z", false, 0xFFFD, 'z');
	EXPECT("\xF0\x9F\x98", false, 0xFFFD);
	EXPECT("\xC0\x80", false, 0xFFFD, 0xFFFD);
	EXPECT("\xED\xA0\x80", false, 0xFFFD, 0xFFFD, 0xFFFD);
	EXPECT("\xF4\x90\x80\x80", false, 0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD);
}

static void test_timers(void **state UNUSED)
{
	struct timers t = { 0 };
	struct js_timer got;
	uint32_t order[] = { 5, 3, 9, 1, 7, 3 };

	assert_int_equal(timers_wait_ms(&t, 0), -1);
	for (uint32_t i = 0; i < ARRAY_LEN(order); i++)
		timers_add(&t, (struct js_timer){ order[i] * 1000, i % 2, i });
	assert_int_equal(timers_wait_ms(&t, 0), 1);
	assert_false(timers_take_due(&t, 999, &got));
	assert_true(timers_remove(&t, 1, 3));
	assert_false(timers_remove(&t, 1, 3));
	assert_true(timers_take_due(&t, 3000, &got) && got.id == 1);
	timers_remove_run(&t, 1);
	assert_true(timers_take_due(&t, 100000, &got) && got.id == 0);
	assert_true(timers_take_due(&t, 100000, &got) && got.id == 4);
	assert_true(timers_take_due(&t, 100000, &got) && got.id == 2);
	assert_false(timers_take_due(&t, 100000, &got));
	timers_done(&t);
}

static bool take_pings(void *ctx, const struct frame *f)
{
	*(int *)ctx += 1;
	return f->type == MESSAGE_PING;
}

/* Frames written in place arrive whole; a scan takes some of them out of turn, once. */
static void test_frames(void **state UNUSED)
{
	struct conn a, b;
	struct frame f;
	size_t size;
	int fds[2], scanned = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	conn_init(&a, fds[0]);
	conn_init(&b, fds[1]);
	conn_send(&a, MESSAGE_PING, 0, SV_LIT(""));
	struct conn_frame call = conn_begin(&a, MESSAGE_CALL, 7, 8);
	buf_str(&a.out, "{}");
	conn_end_head(&a, &call);
	buf_str(&a.out, "body");
	assert_true(conn_end(&a, &call));
	conn_flush(&a);
	conn_fill(&b);
	conn_scan(&b, take_pings, &scanned);
	conn_scan(&b, take_pings, &scanned);
	assert_int_equal(scanned, 2);
	assert_true(conn_next(&b, &f, &size) && f.type == MESSAGE_NONE);
	conn_consume(&b, size);
	assert_true(conn_next(&b, &f, &size) && f.run == 7 && f.call == 8);
	assert_true(sv_eq_str(f.head, "{}") && sv_eq_str(f.body, "body"));
	conn_consume(&b, size);
	assert_false(conn_next(&b, &f, &size) || b.closed);
	close(fds[0]);
	conn_fill(&b);
	assert_true(b.closed);
	close(fds[1]);
	conn_done(&a);
	conn_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
