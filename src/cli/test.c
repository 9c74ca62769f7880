/* tidemark test: replays the recordings of a function project in the real runtime, offline. */
#include "base/clock.h"
#include "base/sv.h"
#include "cli/cli.h"
#include "cli/mocks.h"
#include "cli/project.h"
#include "cli/replay.h"
#include "cli/usage.h"
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

enum kind { KIND_SYNC, KIND_ACTION, KIND_ON_EVENT, KIND_OTHER, KINDS };
static const char *const kind_names[] = { "sync", "action", "on-event", "other" };

enum verdict { TEST_WAITING, TEST_PASSED, TEST_FAILED, TEST_SKIPPED, VERDICTS };
static const char *const verdict_names[] = { "waiting", "passed", "failed", "skipped" };

struct test {
	const char *name; /* "github/issues", or "github/issues-empty": a case of issues */
	const char *path; /* of the recording, or of a folder mocks/; NULL when there is none */
	bool mocks;
	struct project_fn *fn;
	enum verdict verdict;
	struct replay replay;
	bool started;
	bool earlier; /* on its second try */
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
	bool json, diagnostics;
	struct usage usage;
	unsigned sums[KINDS][VERDICTS];
};

static void usage(FILE *to)
{
	fputs("usage: tidemark test [DIR] [--filter GLOB] [--providers FILE]... [options]\n\n"
	      "Replays every tests/*.test.json of a function project, of one integration folder\n"
	      "of it, or of a folder of those, in the real runtime, offline. <name>.test.json and\n"
	      "<name>-<case>.test.json are recordings of the function <name>. Exit code 1 when "
	      "one\n"
	      "fails.\n\n"
	      "  --filter GLOB     only functions whose <integration>/<name> matches\n"
	      "  --providers FILE  provider catalogue for pagination defaults\n"
	      "  --json            one JSON object per function, and a last one with the sums\n"
	      "  --diagnostics     time, average and peak memory and CPU, on stderr\n",
		to);
}

/* One line per function. */

static enum kind kind_of(const struct test *t)
{
	struct sv folder = sv_str(t->fn ? t->fn->kind : "");

	return sv_eq_str(folder, "syncs")	? KIND_SYNC
	       : sv_eq_str(folder, "actions")	? KIND_ACTION
	       : sv_eq_str(folder, "on-events") ? KIND_ON_EVENT
						: KIND_OTHER;
}

static void print_json(const struct test *t)
{
	own_in(buf_done) struct buf b = { 0 };
	struct jw w;

	buf_init(&b, 1 << 20);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kv_cstr(&w, "function", t->name);
	jw_kv_cstr(&w, "type", kind_names[kind_of(t)]);
	jw_kv_cstr(&w, "result", verdict_names[t->verdict]);
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
	case TEST_WAITING:
	case VERDICTS: break;
	}
}

static void conclude(struct suite *s, struct test *t)
{
	s->sums[kind_of(t)][t->verdict]++;
	if (s->json)
		print_json(t);
	else
		print_text(t);
	fflush(stdout);
}

static void conclude_as(struct suite *s, struct test *t, enum verdict verdict, const char *reason)
{
	t->verdict = verdict;
	t->reason = arena_str(&s->arena, sv_str(reason));
	conclude(s, t);
}

/* Running. */

static void start_one(struct suite *s, struct test *t);
static void start_more(struct suite *s);

/*
 * A Date header says when the answer was made, to the second: the function may have looked at its
 * clock before that second began. Where a request does not fit, the run is tried a second earlier.
 */
static bool try_earlier(struct suite *s, struct test *t)
{
	struct replay *r = &t->replay;

	if (!r->unmatched || t->earlier || r->local.now_ms == 0 || recording_has_now(&r->rec))
		return false;
	replay_done(r);
	t->started = false;
	t->earlier = true;
	s->running--;
	start_one(s, t);
	return true;
}

static void ended(struct replay *r)
{
	struct test *t = container_of(r, struct test, replay);
	struct suite *s = r->owner;

	if (try_earlier(s, t))
		return;
	usage_add(&s->usage, &r->local, t->name);
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
	struct json_t *root;
	struct sv text;

	if (t->mocks) {
		TRY(mocks_load(&a, t->path, t->fn->name, &root, err));
		TRY(recording_from(root, &rec, err));
	} else {
		TRY(file_load(&a, t->path, RECORDING_MAX, &text, err));
		TRY(recording_parse(text, &rec, err));
	}
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
		t->replay.local.now_ms -= t->earlier ? 1000 : 0;
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

static const char *folder_of(struct suite *s, const char *integration, const char *name)
{
	return s->project.one_integration
		       ? arena_printf(&s->arena, "%s/%s", s->project.dir, name)
		       : arena_printf(&s->arena, "%s/%s/%s", s->project.dir, integration, name);
}

/* A sync and an action may share a name: the recording says whose it is. */
static bool is_of_kind(struct suite *s, const char *path, const struct project_fn *f)
{
	own_in(arena_done) struct arena a = { 0 };
	own(json_unref) struct json_t *root = NULL;
	bool twins = false;
	struct sv text;

	for (size_t i = 0; i < s->project.count && !twins; i++)
		twins = &s->project.fns[i] != f &&
			strcmp(s->project.fns[i].integration, f->integration) == 0 &&
			strcmp(s->project.fns[i].name, f->name) == 0;
	if (!twins || file_load(&a, path, RECORDING_MAX, &text, NULL) < 0 ||
		json_parse(text, &root, NULL) < 0)
		return true;
	return (strcmp(f->kind, "actions") == 0) == (json_member(root, SV_LIT("output")) != NULL);
}

/* Finds the function's recording, in either layout. */
static bool find_recording(struct suite *s, struct test *t)
{
	const struct project_fn *f = t->fn;
	const char *tests = folder_of(s, f->integration, "tests");
	const char *mocks = folder_of(s, f->integration, "mocks");
	const char *path = arena_printf(&s->arena, "%s/%s.test.json", tests, f->name);

	if (access(path, R_OK) == 0) {
		if (is_of_kind(s, path, f))
			t->path = path;
	} else if (access(arena_printf(&s->arena, "%s/%s", mocks, f->name), R_OK) == 0) {
		t->path = mocks;
		t->mocks = true;
	}
	return t->path;
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
		t->fn = f;
		f->wanted = find_recording(s, t);
	}
}

/* `users-empty.test.json` is another case of the function `users`: the longest name that fits. */
static struct project_fn *case_of(struct suite *s, const char *integration, struct sv name)
{
	struct project_fn *best = NULL;

	for (size_t i = 0; i < s->project.count; i++) {
		struct project_fn *f = &s->project.fns[i];
		size_t len = strlen(f->name);
		if (strcmp(f->integration, integration) == 0 && name.len > len + 1 &&
			sv_starts(name, sv_str(f->name)) && name.ptr[len] == '-' &&
			(!best || len > strlen(best->name)))
			best = f;
	}
	return best;
}

/*
 * Recordings under another name than a function's: cases of one, or without a function at all, as
 * a renamed function must not lose its test in silence.
 */
static void add_orphans(struct suite *s, const char *integration)
{
	const char *folder = folder_of(s, integration, "tests");

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
		if (!t)
			continue;
		t->path = arena_printf(&s->arena, "%s/%s", folder, e->d_name);
		t->fn = case_of(s, integration, name);
		if (t->fn)
			t->fn->wanted = true;
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
	TRY(project_build(&s->project, false, err));
	usage_begin(&s->usage);
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

static unsigned total(const struct suite *s, enum verdict v)
{
	unsigned n = 0;

	for (size_t k = 0; k < KINDS; k++)
		n += s->sums[k][v];
	return n;
}

static void write_sums(struct jw *w, unsigned passed, unsigned failed, unsigned skipped)
{
	jw_kv_i64(w, "passed", passed);
	jw_kv_i64(w, "failed", failed);
	jw_kv_i64(w, "skipped", skipped);
}

static void print_sums_json(const struct suite *s)
{
	own_in(buf_done) struct buf b = { 0 };
	struct jw w;

	buf_init(&b, 1 << 16);
	jw_init(&w, &b);
	jw_obj(&w);
	write_sums(&w, total(s, TEST_PASSED), total(s, TEST_FAILED), total(s, TEST_SKIPPED));
	jw_kv_obj(&w, "types");
	for (size_t k = 0; k < KINDS; k++) {
		const unsigned *n = s->sums[k];
		if (n[TEST_PASSED] + n[TEST_FAILED] + n[TEST_SKIPPED] == 0)
			continue;
		jw_kv_obj(&w, kind_names[k]);
		write_sums(&w, n[TEST_PASSED], n[TEST_FAILED], n[TEST_SKIPPED]);
		jw_end(&w);
	}
	jw_end(&w);
	jw_end(&w);
	printf("%s\n", b.ptr);
}

static void print_sums(const struct suite *s)
{
	if (s->json) {
		print_sums_json(s);
		return;
	}
	for (size_t k = 0; k < KINDS; k++) {
		unsigned passed = s->sums[k][TEST_PASSED], ran = passed + s->sums[k][TEST_FAILED];
		if (ran)
			printf("%s: %u of %u passed (%.2f %%)\n", kind_names[k], passed, ran,
				100.0 * passed / ran);
	}
	printf("%u passed, %u failed, %u skipped\n", total(s, TEST_PASSED), total(s, TEST_FAILED),
		total(s, TEST_SKIPPED));
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
	if (s->diagnostics)
		usage_print(&s->usage);
	return total(s, TEST_FAILED) ? 1 : 0;
}

int cmd_test(int argc, char **argv)
{
	static const struct option options[] = { { "filter", required_argument, NULL, 'f' },
		{ "providers", required_argument, NULL, 'p' }, { "json", no_argument, NULL, 'j' },
		{ "diagnostics", no_argument, NULL, 'd' }, { "help", no_argument, NULL, 'h' },
		{ 0 } };
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
		} else if (c == 'd') {
			s.diagnostics = true;
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
