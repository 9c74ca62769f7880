#include "base/clock.h"
#include "base/mem.h"
#include "data/json.h"
#include "runner/fake_child.h"
#include "runner/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

/* A pool, and what became of its runs. */
struct bench {
	struct loop *loop;
	struct runner_pool *pool;
	unsigned left;
	struct timer alarm;
};

struct probe {
	struct runner_run run;
	struct bench *b;
	unsigned done, lost, calls, logs;
	bool ok;
	int64_t processes; /* when it was done */
	char output[512], type[64], message[256], stack[256], last_log[200];
};

static char exe[4096];

static void over(struct probe *p)
{
	if (--p->b->left == 0)
		loop_stop(p->b->loop);
}

static void copy(char *to, size_t size, struct sv s)
{
	snprintf(to, size, "%.*s", SV(s));
}

static void on_call(struct runner_run *r, const struct runner_call *call)
{
	struct probe *p = container_of(r, struct probe, run);

	p->calls++;
	assert_int_equal(call->method, CALL_checkpoint_get);
	assert_true(sv_eq_str(call->body, "body"));
	own(json_unref) struct json_t *head = json_new_obj();
	json_set_int(head, "answer", 42);
	runner_reply(r, call->id, head, SV_NULL);
}

static void on_log(struct runner_run *r, struct json_t *head)
{
	struct probe *p = container_of(r, struct probe, run);

	p->logs++;
	copy(p->last_log, sizeof(p->last_log), json_sv(json_member(head, SV_LIT("message"))));
}

static void on_done(struct runner_run *r, const struct runner_result *res)
{
	struct probe *p = container_of(r, struct probe, run);

	struct runner_pool_stats st;

	runner_pool_stats(p->b->pool, &st);
	p->processes = st.processes;
	p->done++;
	p->ok = res->ok;
	copy(p->output, sizeof(p->output), res->output);
	copy(p->type, sizeof(p->type), json_sv(json_member(res->error, SV_LIT("type"))));
	copy(p->message, sizeof(p->message), json_sv(json_find(res->error, SV_LIT("message"))));
	copy(p->stack, sizeof(p->stack),
		json_sv(json_find(res->error, SV_LIT("payload.stacktrace[1]"))));
	over(p);
}

static void on_lost(struct runner_run *r, const char *why)
{
	struct probe *p = container_of(r, struct probe, run);

	p->lost++;
	copy(p->message, sizeof(p->message), sv_str(why));
	over(p);
}

static const struct runner_host host = { on_call, on_log, on_done, on_lost };

static void open_bench(struct bench *b, struct runner_pool_config cfg)
{
	*b = (struct bench){ .loop = loop_new() };
	cfg.exe = cfg.exe ? cfg.exe : exe;
	b->pool = runner_pool_new(b->loop, &cfg);
}

static void close_bench(struct bench *b)
{
	runner_pool_free(b->pool);
	loop_free(b->loop);
}

static void start_in(struct bench *b, struct probe *p, const char *what, int64_t env, bool alone)
{
	own(json_unref) struct json_t *head = json_new_obj();
	unsigned deaths = p->run.deaths;

	*p = (struct probe){ .b = b, .run = { .host = &host, .deaths = deaths } };
	json_set_str(head, "kind", SV_LIT("sync"));
	struct runner_spec spec = {
		.fn = "abc",
		.file = "crm/a",
		/* The map says that all of it is line 1 of ../src/a.ts. */
		.js = SV_LIT("code();\n//# sourceMappingURL=data:application/json;base64,"
			     "eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbIi4uL3NyYy9hLnRzIl0sIm5hbWVzIjpbXSwi"
			     "bWFwcGluZ3MiOiJBQUFBIn0="),
		.environment = env,
		.start = head,
		.input = sv_str(what),
		.alone = alone,
	};
	b->left++;
	runner_start(b->pool, &p->run, &spec);
	assert_int_equal(p->done + p->lost, 0);
}

static void start(struct bench *b, struct probe *p, const char *what)
{
	start_in(b, p, what, 1, false);
}

static void too_late(struct timer *t UNUSED)
{
	fail_msg("the runs do not end");
}

static void run_all(struct bench *b)
{
	timer_start(b->loop, &b->alarm, 20000, too_late);
	loop_run(b->loop);
	timer_stop(b->loop, &b->alarm);
}

static void runs_and_answers_calls(void **state UNUSED)
{
	struct bench b;
	struct probe p[3] = { 0 };

	open_bench(&b, (struct runner_pool_config){ .processes = 1 });
	start(&b, &p[0], "ok");
	start(&b, &p[1], "call");
	start(&b, &p[2], "badcall");
	run_all(&b);
	assert_true(p[0].ok && p[1].ok && p[2].ok);
	assert_string_equal(p[0].output, "\"fine\"");
	assert_string_equal(p[1].output, "{\"answer\":42,\"ok\":true}");
	assert_non_null(strstr(p[2].output, "no such call"));
	assert_int_equal(p[1].calls, 1);
	struct runner_pool_stats st;
	runner_pool_stats(b.pool, &st);
	assert_int_equal(st.processes, 1);
	assert_int_equal(st.running + st.queued, 0);
	close_bench(&b);
}

static void start_head_names_code_and_environment(void **state UNUSED)
{
	struct bench b;
	struct probe p = { 0 };

	open_bench(&b, (struct runner_pool_config){ .processes = 1 });
	start_in(&b, &p, "echo", 77, false);
	run_all(&b);
	assert_string_equal(p.output, "{\"fn\":\"abc\",\"env\":77,\"kind\":\"sync\"}");
	close_bench(&b);
}

static void failure_is_reported(void **state UNUSED)
{
	struct bench b;
	struct probe p = { 0 };

	open_bench(&b, (struct runner_pool_config){ .processes = 1 });
	start(&b, &p, "fail");
	run_all(&b);
	assert_false(p.ok);
	assert_string_equal(p.type, "script_internal_error");
	assert_non_null(strstr(p.stack, "at f (src/a.ts:1:"));
	close_bench(&b);
}

static void crash_hits_the_culprit(void **state UNUSED)
{
	struct bench b;
	struct probe bad = { 0 }, good = { 0 };

	open_bench(&b, (struct runner_pool_config){ .processes = 1 });
	start(&b, &good, "wait");
	start(&b, &bad, "crash");
	run_all(&b);
	assert_int_equal(good.lost, 1);
	assert_int_equal(good.run.deaths, 1);
	assert_int_equal(bad.done, 1);
	assert_string_equal(bad.type, "function_runtime_other");
	assert_non_null(strstr(bad.message, "Killed"));
	start(&b, &good, "ok");
	run_all(&b);
	assert_true(good.ok);
	close_bench(&b);
}

static void exit_without_a_word_is_a_death(void **state UNUSED)
{
	struct bench b;
	struct probe p = { 0 };

	open_bench(&b, (struct runner_pool_config){ .processes = 1 });
	start(&b, &p, "exit");
	run_all(&b);
	assert_int_equal(p.done, 1);
	assert_non_null(strstr(p.message, "exit code 3"));
	close_bench(&b);
}

static void hang_is_killed(void **state UNUSED)
{
	struct bench b;
	struct probe bad = { 0 }, good = { 0 };

	open_bench(&b, (struct runner_pool_config){ .processes = 1, .hang_ms = 100 });
	start(&b, &good, "wait");
	start(&b, &bad, "hang");
	run_all(&b);
	assert_int_equal(good.lost, 1);
	assert_string_equal(bad.type, "function_runtime_timed_out");
	close_bench(&b);
}

static void memory_is_limited(void **state UNUSED)
{
	struct bench b;
	struct probe p = { 0 };

	open_bench(&b, (struct runner_pool_config){ .processes = 1, .memory_bytes = 100 << 20 });
	start(&b, &p, "grow");
	run_all(&b);
	assert_string_equal(p.type, "function_runtime_out_of_memory");
	close_bench(&b);
}

static void hostile_messages_end_the_child(void **state UNUSED)
{
	static const char *const tricks[] = { "badtype", "badjson", "wrongrun", "huge" };
	struct bench b;
	struct probe p = { 0 };

	open_bench(&b, (struct runner_pool_config){ .processes = 1 });
	for (size_t i = 0; i < ARRAY_LEN(tricks); i++) {
		p.run.deaths = 0;
		start(&b, &p, tricks[i]);
		run_all(&b);
		assert_int_equal(p.done, 1);
		assert_non_null(strstr(p.message, "protocol"));
	}
	start(&b, &p, "ok");
	run_all(&b);
	assert_true(p.ok);
	close_bench(&b);
}

static void log_flood_is_cut(void **state UNUSED)
{
	struct bench b;
	struct probe p = { 0 };

	open_bench(&b, (struct runner_pool_config){ .processes = 1, .log_rate = 100 });
	start(&b, &p, "flood");
	run_all(&b);
	assert_true(p.ok);
	assert_in_range(p.logs, 101, 500);
	assert_non_null(strstr(p.last_log, "were dropped"));
	close_bench(&b);
}

static void environments_never_share(void **state UNUSED)
{
	struct bench b;
	struct probe p[2] = { 0 };
	struct runner_pool_stats st;

	open_bench(&b, (struct runner_pool_config){ .processes = 1 });
	start_in(&b, &p[0], "wait", 1, false);
	start_in(&b, &p[1], "ok", 2, false);
	b.left = 1;
	run_all(&b);
	assert_true(p[1].ok);
	runner_pool_stats(b.pool, &st);
	assert_int_equal(st.processes, 2);
	assert_int_equal(st.running, 1);
	runner_drop(&p[0].run);
	close_bench(&b);
}

static void two_deaths_make_it_run_alone(void **state UNUSED)
{
	struct bench b;
	struct probe good = { 0 }, other = { 0 };

	open_bench(&b, (struct runner_pool_config){ .processes = 1 });
	start(&b, &other, "wait");
	good.run.deaths = 2;
	start(&b, &good, "ok");
	b.left = 1;
	run_all(&b);
	assert_int_equal(good.processes, 2);
	runner_drop(&other.run);
	close_bench(&b);
}

static void recycles_after_enough_runs(void **state UNUSED)
{
	struct bench b;
	struct probe p = { 0 };

	open_bench(&b, (struct runner_pool_config){ .processes = 1, .recycle_runs = 2 });
	for (int i = 0; i < 7; i++) {
		start(&b, &p, "ok");
		run_all(&b);
		assert_true(p.ok);
	}
	close_bench(&b);
}

static void abort_ends_running_and_queued(void **state UNUSED)
{
	struct bench b;
	struct probe p[2] = { 0 };

	open_bench(&b, (struct runner_pool_config){ .processes = 1, .runs_each = 1 });
	start(&b, &p[0], "wait");
	start(&b, &p[1], "wait");
	runner_abort(&p[0].run, "script_aborted");
	runner_abort(&p[1].run, "execution_timeout");
	run_all(&b);
	assert_string_equal(p[0].type, "script_aborted");
	assert_string_equal(p[1].type, "execution_timeout");
	close_bench(&b);
}

static void missing_program_is_told(void **state UNUSED)
{
	struct bench b;
	struct probe p = { 0 };

	open_bench(&b, (struct runner_pool_config){ .exe = "/nonexistent" });
	start(&b, &p, "ok");
	run_all(&b);
	assert_non_null(strstr(p.message, "does not start"));
	close_bench(&b);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "runner"))
		return fake_child_main();
	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_and_answers_calls),
		cmocka_unit_test(start_head_names_code_and_environment),
		cmocka_unit_test(failure_is_reported),
		cmocka_unit_test(crash_hits_the_culprit),
		cmocka_unit_test(exit_without_a_word_is_a_death),
		cmocka_unit_test(hang_is_killed),
		cmocka_unit_test(memory_is_limited),
		cmocka_unit_test(hostile_messages_end_the_child),
		cmocka_unit_test(log_flood_is_cut),
		cmocka_unit_test(environments_never_share),
		cmocka_unit_test(two_deaths_make_it_run_alone),
		cmocka_unit_test(recycles_after_enough_runs),
		cmocka_unit_test(abort_ends_running_and_queued),
		cmocka_unit_test(missing_program_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
