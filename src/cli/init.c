/* tidemark init: a function project that type-checks, passes its test and deploys as it stands. */
#include "cli/init.h"

#include "base/mem.h"
#include "base/sv.h"
#include "cli/cli.h"
#include "os/file.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void usage(FILE *to)
{
	fputs("usage: tidemark init DIR\n\n"
	      "Makes a function project in DIR: a sync with a recorded test, and the settings to\n"
	      "check its types. Files that are there already stay as they are, but for the type\n"
	      "declarations in DIR/.tidemark/, which become those of this release.\n",
		to);
}

/* Creates the folders above the last '/' of the path. */
static int make_folders(const char *path, struct err *err)
{
	own_in(arena_done) struct arena a = { 0 };
	char *copy = arena_str(&a, sv_str(path));

	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(copy, 0777) < 0 && errno != EEXIST)
			return err_errno(err, errno, "cannot create %s", copy);
		*slash = '/';
	}
	return 0;
}

static int write_one(const char *dir, const struct init_file *f, struct err *err)
{
	own_in(arena_done) struct arena a = { 0 };
	const char *path = arena_printf(&a, "%s/%s", dir, f->name);
	bool ours = sv_starts(sv_str(f->name), SV_LIT(".tidemark/"));

	if (access(path, F_OK) == 0 && !ours) {
		printf("kept     %s\n", path);
		return 0;
	}
	TRY(make_folders(path, err));
	TRY(file_write(path, sv_make(f->text, f->len), err));
	if (!ours)
		printf("written  %s\n", path);
	return 0;
}

static int init(const char *dir, struct err *err)
{
	for (const struct init_file *f = init_files; f->name; f++)
		TRY(write_one(dir, f, err));
	printf("\nNext:\n"
	       "  cd %s && npm install\n"
	       "  tidemark test                                  replay the recorded test, "
	       "offline\n"
	       "  tidemark dev                                   check at every change\n"
	       "  tidemark integrations create github github-pat\n"
	       "  tidemark deploy dev                            (see .env.example for the key)\n",
		dir);
	return 0;
}

int cmd_init(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	struct err err = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		usage(c == 'h' ? stdout : stderr);
		return c == 'h' ? 0 : 2;
	}
	if (argc - optind != 1) {
		usage(stderr);
		return 2;
	}
	return init(argv[optind], &err) < 0 ? cli_fail("init failed", &err) : 0;
}
