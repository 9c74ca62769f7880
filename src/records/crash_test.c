/*
 * Promise 2 of the design: whenever the process is killed, what was acknowledged is there, the
 * batch in work is there as a whole or not at all, and the tables agree.
 */
#include "base/fault.h"
#include "records/kill_test.h"

#include <sys/wait.h>
#include <unistd.h>

#ifdef TIDEMARK_TEST_HOOKS

enum { BATCHES = 6, BATCH = 20 };

static const char *batch_text(struct store *s, int number)
{
	char *text = arena_alloc(&s->arena, BATCH * 40);
	char *at = text;

	for (int i = 0; i < BATCH; i++)
		at += sprintf(at, "%c{\"id\":\"%d-%d\"}", i ? ',' : '[', number, i);
	sprintf(at, "]");
	return text;
}

/* Saves batches, each acknowledged by a byte, until it is killed. */
static void child(struct store *s, const char *fault, int pipe_end)
{
	store_open_db(s, NULL);
	fault_set(fault);
	for (int i = 0; i < BATCHES; i++) {
		expect_save(s, 1, batch_text(s, i), BATCH, 0, 0);
		if (write(pipe_end, "x", 1) != 1)
			break;
	}
	_exit(0);
}

/* How many batches were acknowledged before the end. */
static int run_child(struct store *s, const char *fault)
{
	int fds[2], status, acknowledged = 0;
	char byte;

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		child(s, fault, fds[1]);
	}
	close(fds[1]);
	while (read(fds[0], &byte, 1) == 1)
		acknowledged++;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || acknowledged == BATCHES);
	return acknowledged;
}

/* The batches that are there, after checking that each is whole. */
static int batches_stored(struct store *s)
{
	int stored = 0;

	for (int i = 0; i < BATCHES; i++) {
		struct records_input in = {
			.of = s->of, .records = sv_str(batch_text(s, i)), .run = 2
		};
		own(records_batch_free) struct records_batch *b = run_batch(s, &in);
		assert_true(b->counts.added == BATCH || b->counts.unchanged == BATCH);
		stored += b->counts.unchanged == BATCH;
	}
	expect_dataset(s, BATCHES * BATCH, BATCHES * BATCH);
	assert_string_equal(outdated(s, 2, 2), "");
	return stored;
}

static bool killed_at(const char *point, int hit)
{
	struct store s;
	char fault[64];

	store_open(&s, NULL);
	db_close(s.db); /* a thread does not survive a fork */
	snprintf(fault, sizeof(fault), "%s:%d:kill", point, hit);
	int acknowledged = run_child(&s, fault);
	store_open_db(&s, NULL);
	int stored = batches_stored(&s);
	assert_true(stored == acknowledged || stored == acknowledged + 1);
	store_close(&s);
	return acknowledged < BATCHES;
}

static void test_killed(void **state)
{
	static const char *const points[] = { "db.query", "records.write", "db.commit",
		"db.committed" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		int hit = 1;
		while (killed_at(points[i], hit))
			hit += i == 0 ? 7 : 1; /* there are many queries */
		assert_true(hit > BATCHES);
	}
}

#endif

/* A few; `./run crash` is hundreds. */
static void test_killed_at_random(void **state)
{
	struct kills kills = { .cycles = 10, .seed = 1, .most_ms = 60 };
	struct kills_result result;

	kills_run(*state, &kills, &result);
	assert_true(result.acknowledged > 0);
}

int crash_tests(void)
{
	const struct CMUnitTest tests[] = {
#ifdef TIDEMARK_TEST_HOOKS
		cmocka_unit_test(test_killed),
#endif
		STORE_TEST(test_killed_at_random),
	};
	return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
