/* tidemark dev: checks a project at every change of its files, types included. */
#include "base/sv.h"
#include "cli/cli.h"
#include "cli/package.h"
#include "cli/project.h"
#include "data/json.h"
#include "os/program.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH_MAX = 16 };
#define MESSAGES_MAX (4u << 20)
#define LOOK_NS 300000000L

static void usage(FILE *to)
{
	fputs("usage: tidemark dev [DIR] [--once]\n\n"
	      "Checks the project at every change: types (with the project's own typescript),\n"
	      "bundles, definitions, and what looks wrong. Every message has file:line:column.\n\n"
	      "  --once  check one time; exit code 1 when something is wrong\n",
		to);
}

/* Types. */

/* "a.ts(3,5): error TS2322: ..." as "a.ts:3:5: error TS2322: ...". */
static bool print_message(struct sv line)
{
	ptrdiff_t mark = sv_find(line, SV_LIT("): "));
	ptrdiff_t open = mark;

	while (open > 0 && line.ptr[open] != '(')
		open--;
	if (open <= 0) {
		fprintf(stderr, "%.*s\n", SV(line));
		return false;
	}
	struct sv place = sv_make(line.ptr + open + 1, (size_t)(mark - open - 1)), row = place;
	ptrdiff_t comma = sv_find_char(place, ',');
	struct sv column = comma < 0 ? SV_LIT("1") : sv_from(place, (size_t)comma + 1);
	row.len = comma < 0 ? place.len : (size_t)comma;
	fprintf(stderr, "%.*s:%.*s:%.*s: %.*s\n", (int)open, line.ptr, SV(row), SV(column),
		SV(sv_from(line, (size_t)mark + 3)));
	return true;
}

static int check_types(struct project *p, unsigned *errors, struct err *err)
{
	const char *dir = p->dir, *build = arena_printf(&p->arena, "%s/build", dir);
	const char *log = arena_printf(&p->arena, "%s/.types.txt", build);
	const char *tsc = project_tool(&p->arena, dir, "node_modules/.bin/tsc");
	const char *const argv[] = { tsc, "--noEmit", "--pretty", "false", "-p", ".", NULL };
	struct sv text = SV_NULL, line;
	int status;

	if (!tsc || access(arena_printf(&p->arena, "%s/tsconfig.json", dir), R_OK) < 0) {
		fprintf(stderr,
			"types are not checked: %s (tidemark init makes a project that "
			"has both)\n",
			tsc ? "there is no tsconfig.json" : "npm install typescript");
		return 0;
	}
	if (mkdir(build, 0777) < 0 && errno != EEXIST)
		return err_errno(err, errno, "cannot create %s", build);
	TRY(os_spawn_wait(argv, dir, log, &status, err));
	TRY(file_load(&p->arena, log, MESSAGES_MAX, &text, err));
	unlink(log);
	unsigned before = *errors;
	while (sv_split(&text, '\n', &line))
		if (line.len)
			*errors += print_message(line);
	/* Whatever it said, it said no. */
	*errors += status != 0 && *errors == before;
	return 0;
}

/* The rest. */

static unsigned print_problems(const struct project *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->count; i++) {
		if (p->fns[i].problem)
			fprintf(stderr, "%s\n", p->fns[i].problem);
		n += p->fns[i].problem != NULL;
	}
	return n;
}

static int check(const char *dir, unsigned *errors, struct err *err)
{
	own_in(project_done) struct project p = { 0 };
	own(json_unref) struct json_t *package = NULL;
	struct package_options o = { .mode = "all" };
	struct err why = { 0 };

	*errors = 0;
	TRY(project_open(dir, &p, err));
	TRY(check_types(&p, errors, err));
	TRY(project_build(&p, false, err));
	unsigned problems = print_problems(&p);
	if (problems == 0 && package_build(&p, &o, &package, &why) < 0) {
		fprintf(stderr, "%s\n", why.msg);
		problems++;
	}
	*errors += problems;
	unsigned warnings = project_warn(&p);
	printf("%zu functions, %u errors, %u warnings\n", p.count, *errors, warnings);
	fflush(stdout);
	return 0;
}

/* Watching: names, sizes and times of the files, as one number. */

static bool is_ours(const char *name)
{
	return name[0] != '.' && strcmp(name, "node_modules") != 0 && strcmp(name, "build") != 0;
}

static void mix(uint64_t *sum, uint64_t value)
{
	*sum = (*sum ^ value) * UINT64_C(0x100000001b3);
}

static void add_folder(struct arena *a, const char *path, unsigned depth, uint64_t *sum)
{
	struct stat st;

	DIR *d = depth < DEPTH_MAX ? opendir(path) : NULL;
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		char *kid = arena_printf(a, "%s/%s", path, e->d_name);
		if (!is_ours(e->d_name) || stat(kid, &st) < 0)
			continue;
		for (const char *c = e->d_name; *c; c++)
			mix(sum, (unsigned char)*c);
		if (S_ISDIR(st.st_mode)) {
			add_folder(a, kid, depth + 1, sum);
			continue;
		}
		mix(sum, (uint64_t)st.st_size);
		mix(sum, (uint64_t)st.st_mtim.tv_sec);
		mix(sum, (uint64_t)st.st_mtim.tv_nsec);
	}
	closedir(d);
}

static uint64_t fingerprint(const char *dir)
{
	own_in(arena_done) struct arena a = { 0 };
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	add_folder(&a, dir, 0, &sum);
	return sum;
}

/* One check, and then a wait for the next change. */
static void watch(const char *dir)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };

	/* Taken before: what changes during a check is checked again. */
	uint64_t seen = fingerprint(dir);
	struct err err = { 0 };
	unsigned errors;

	if (check(dir, &errors, &err) < 0)
		cli_fail("check failed", &err);
	while (fingerprint(dir) == seen)
		nanosleep(&pause, NULL);
	printf("\n");
}

int cmd_dev(int argc, char **argv)
{
	static const struct option options[] = { { "once", no_argument, NULL, '1' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	struct err err = { 0 };
	unsigned errors = 0;
	bool once = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c != '1') {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
		once = true;
	}
	const char *dir = optind < argc ? argv[optind] : ".";
	while (!once)
		watch(dir);
	if (check(dir, &errors, &err) < 0)
		return cli_fail("check failed", &err);
	return errors ? 1 : 0;
}
