/* tidemark test: replays the recordings of a function project in the real runtime, offline. */
#include "base/clock.h"
#include "base/sv.h"
#include "cli/cli.h"
#include "cli/project.h"
#include "cli/replay.h"
#include "data/json.h"
#include "data/jw.h"
#include "model/provider.h"
#include "os/file.h"

#include <dirent.h>
#include <fnmatch.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORDING_MAX (64u << 20)
/* Recordings held in memory at once: the next ones are read as these end. */
enum { AT_ONCE = 64 };

struct test {
	const char *name; /* "github/issues" */
	const char *path; /* of the recording; NULL when there is none */
	struct project_fn *fn;
	enum { TEST_WAITING, TEST_PASSED, TEST_FAILED, TEST_SKIPPED } verdict;
	struct replay replay;
	bool started;
	char *reason; /* in the suite's arena */
};

struct suite {
	struct arena arena;
	struct project project;
	struct providers *providers;
	struct loop *loop;
	struct runner_pool *pool;
	struct test *tests;
	size_t count, next, running;
	const char *filter;
	bool json;
	unsigned passed, failed, skipped;
};

static void usage(FILE *to)
{
	fputs("usage: tidemark test [DIR] [--filter GLOB] [--providers FILE]... [--json]\n\n"
	      "Replays every tests/*.test.json of a function project, or of one integration\n"
	      "folder of it, in the real runtime, offline. Exit code 1 when one fails.\n\n"
	      "  --filter GLOB     only functions whose <integration>/<name> matches\n"
	      "  --providers FILE  provider catalogue for pagination defaults\n"
	      "  --json            one JSON object per function, and a last one with the sums\n",
		to);
}

/* One line per function. */

static void print_json(const struct test *t)
{
	static const char *const verdicts[] = { "waiting", "passed", "failed", "skipped" };
	own_in(buf_done) struct buf b = { 0 };
	struct jw w;

	buf_init(&b, 1 << 20);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kv_cstr(&w, "function", t->name);
	jw_kv_cstr(&w, "result", verdicts[t->verdict]);
	if (t->reason)
		jw_kv_cstr(&w, "reason", t->reason);
	if (t->started) {
		jw_kv_i64(&w, "records", (int64_t)local_record_count(&t->replay.local));
		jw_kv_i64(&w, "requests", t->replay.local.requests);
		jw_kv_i64(&w, "took_us", t->replay.local.took_us);
		jw_kv_i64(&w, "cpu_us", t->replay.local.cpu_us);
	}
	jw_end(&w);
	printf("%s\n", b.ptr);
}

static void print_text(const struct test *t)
{
	switch (t->verdict) {
	case TEST_PASSED:
		printf("ok    %s: %zu records, %u requests, %.1f ms\n", t->name,
			local_record_count(&t->replay.local), t->replay.local.requests,
			(double)t->replay.local.took_us / 1000);
		break;
	case TEST_FAILED: printf("FAIL  %s: %s\n", t->name, t->reason); break;
	case TEST_SKIPPED: printf("skip  %s: %s\n", t->name, t->reason); break;
	case TEST_WAITING: break;
	}
}

static void conclude(struct suite *s, struct test *t)
{
	s->passed += t->verdict == TEST_PASSED;
	s->failed += t->verdict == TEST_FAILED;
	s->skipped += t->verdict == TEST_SKIPPED;
	if (s->json)
		print_json(t);
	else
		print_text(t);
	fflush(stdout);
}

static void conclude_as(struct suite *s, struct test *t, int verdict, const char *reason)
{
	t->verdict = verdict;
	t->reason = arena_str(&s->arena, sv_str(reason));
	conclude(s, t);
}

/* Running. */

static void start_more(struct suite *s);

static void ended(struct replay *r)
{
	struct test *t = container_of(r, struct test, replay);
	struct suite *s = r->owner;

	t->verdict = r->local.problem.len ? TEST_FAILED : TEST_PASSED;
	t->reason = r->local.problem.len ? arena_str(&s->arena, buf_sv(&r->local.problem)) : NULL;
	conclude(s, t);
	replay_done(r);
	t->started = false;
	s->running--;
	start_more(s);
}

static int load(struct suite *s, struct test *t, struct err *err)
{
	own_in(arena_done) struct arena a = { 0 };
	struct recording rec;
	struct sv text;

	TRY(file_load(&a, t->path, RECORDING_MAX, &text, err));
	TRY(recording_parse(text, &rec, err));
	replay_init(
		&t->replay, t->fn, provider_find(s->providers, sv_str(t->fn->integration)), &rec);
	return 0;
}

static void start_one(struct suite *s, struct test *t)
{
	struct err err = { 0 };

	if (!t->path) {
		conclude_as(s, t, TEST_SKIPPED, "no recording (tidemark dryrun --save makes one)");
	} else if (!t->fn) {
		conclude_as(s, t, TEST_FAILED, "a recording without a function of that name");
	} else if (!t->fn->definition) {
		conclude_as(s, t, TEST_FAILED, t->fn->problem);
	} else if (load(s, t, &err) < 0) {
		conclude_as(s, t, TEST_FAILED, err.msg);
	} else {
		t->started = true;
		t->replay.ended = ended;
		t->replay.owner = s;
		s->running++;
		replay_start(&t->replay, s->pool);
	}
}

static void start_more(struct suite *s)
{
	while (s->next < s->count && s->running < AT_ONCE)
		start_one(s, &s->tests[s->next++]);
	if (s->running == 0 && s->next == s->count)
		loop_stop(s->loop);
}

/* Finding what to test. */

static bool selected(const struct suite *s, const char *name)
{
	return !s->filter || fnmatch(s->filter, name, 0) == 0;
}

static struct test *add_test(struct suite *s, const char *integration, struct sv name)
{
	char *full = arena_printf(&s->arena, "%s/%.*s", integration, SV(name));

	if (!selected(s, full))
		return NULL;
	if ((s->count & (s->count - 1)) == 0) {
		size_t cap = s->count ? 2 * s->count : 1;
		struct test *bigger = arena_array(&s->arena, cap, sizeof(*bigger));
		if (s->count)
			memcpy(bigger, s->tests, s->count * sizeof(*bigger));
		s->tests = bigger;
	}
	struct test *t = &s->tests[s->count++];
	*t = (struct test){ .name = full };
	return t;
}

static const char *tests_folder(struct suite *s, const char *integration)
{
	return s->project.one_integration
		       ? arena_printf(&s->arena, "%s/tests", s->project.dir)
		       : arena_printf(&s->arena, "%s/%s/tests", s->project.dir, integration);
}

/* The functions with their recordings. */
static void add_functions(struct suite *s)
{
	for (size_t i = 0; i < s->project.count; i++) {
		struct project_fn *f = &s->project.fns[i];
		struct test *t = add_test(s, f->integration, sv_str(f->name));
		f->wanted = false;
		if (!t)
			continue;
		const char *path = arena_printf(
			&s->arena, "%s/%s.test.json", tests_folder(s, f->integration), f->name);
		t->fn = f;
		if (access(path, R_OK) == 0) {
			t->path = path;
			f->wanted = true;
		}
	}
}

/* Recordings without a function: a renamed function must not lose its test in silence. */
static void add_orphans(struct suite *s, const char *integration)
{
	const char *folder = tests_folder(s, integration);

	DIR *d = opendir(folder);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		struct sv name = sv_str(e->d_name);
		if (!sv_ends(name, SV_LIT(".test.json")))
			continue;
		name.len -= strlen(".test.json");
		if (project_find(&s->project, sv_str(integration), name))
			continue;
		struct test *t = add_test(s, integration, name);
		if (t)
			t->path = arena_printf(&s->arena, "%s/%s", folder, e->d_name);
	}
	closedir(d);
}

static void add_all_orphans(struct suite *s)
{
	for (size_t i = 0; i < s->project.count; i++) {
		const char *integration = s->project.fns[i].integration;
		bool seen = false;
		for (size_t j = 0; j < i && !seen; j++)
			seen = strcmp(s->project.fns[j].integration, integration) == 0;
		if (!seen)
			add_orphans(s, integration);
	}
}

static int run_suite(struct suite *s, struct err *err)
{
	char exe[PATH_MAX];

	add_functions(s);
	add_all_orphans(s);
	if (s->count == 0)
		return err_set(err, ERR_NOT_FOUND, "no function matches '%s'", s->filter);
	TRY(project_compile(&s->project, err));
	TRY(project_inspect(&s->project, false, err));
	TRY(exe_path(exe, sizeof(exe), err));
	struct runner_pool_config cfg = { .exe = exe };
	own(loop_free) struct loop *loop = loop_new();
	own(runner_pool_free) struct runner_pool *pool = runner_pool_new(loop, &cfg);
	s->loop = loop;
	s->pool = pool;
	start_more(s);
	if (s->running)
		loop_run(loop);
	return 0;
}

static void print_sums(const struct suite *s)
{
	if (s->json)
		printf("{\"passed\":%u,\"failed\":%u,\"skipped\":%u}\n", s->passed, s->failed,
			s->skipped);
	else
		printf("%u passed, %u failed, %u skipped\n", s->passed, s->failed, s->skipped);
}

static void suite_done(struct suite *s)
{
	providers_close(s->providers);
	project_done(&s->project);
	arena_done(&s->arena);
}

static int test(struct suite *s, const char *dir, const char *const *providers, size_t count,
	struct err *err)
{
	TRY(providers_open(providers, count, &s->providers, err));
	TRY(project_open(dir, &s->project, err));
	TRY(run_suite(s, err));
	print_sums(s);
	return s->failed ? 1 : 0;
}

int cmd_test(int argc, char **argv)
{
	static const struct option options[] = { { "filter", required_argument, NULL, 'f' },
		{ "providers", required_argument, NULL, 'p' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	own_in(suite_done) struct suite s = { 0 };
	const char *providers[16];
	size_t count = 0;
	struct err err = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'f') {
			s.filter = optarg;
		} else if (c == 'j') {
			s.json = true;
		} else if (c == 'p' && count < ARRAY_LEN(providers)) {
			providers[count++] = optarg;
		} else {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (argc - optind > 1) {
		usage(stderr);
		return 2;
	}
	int rc = test(&s, optind < argc ? argv[optind] : ".", providers, count, &err);
	return rc < 0 ? cli_fail("test failed", &err) : rc;
}
