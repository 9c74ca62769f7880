/* tidemark compile: bundles a project's functions into build/ and checks their definitions. */
#include "cli/cli.h"
#include "cli/package.h"
#include "cli/project.h"
#include "data/json.h"
#include "os/file.h"

#include <getopt.h>
#include <stdio.h>

static void usage(FILE *to)
{
	fputs("usage: tidemark compile [DIR]\n\n"
	      "Bundles every function of the project into DIR/build/ and checks what they "
	      "export.\n",
		to);
}

static int compile(const char *dir, struct err *err)
{
	own_in(project_done) struct project p = { 0 };
	own(json_unref) struct json_t *package = NULL;
	struct package_options o = { .mode = "all" };

	TRY(project_open(dir, &p, err));
	TRY(project_build(&p, true, err));
	TRY(package_build(&p, &o, &package, err));
	project_warn(&p);
	for (size_t i = 0; i < p.count; i++) {
		const struct project_fn *f = &p.fns[i];
		/* The public CLI's name for it, so that either tool finds the other's. */
		TRY(file_write(arena_printf(&p.arena, "%s/build/%s_%s_%s.cjs", p.dir,
				       f->integration, f->kind, f->name),
			f->js, err));
		printf("ok    %s (%zu KB)\n", f->path, f->js.len / 1024 + 1);
	}
	printf("%zu functions compiled into %s/build\n", p.count, p.dir);
	return 0;
}

int cmd_compile(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	struct err err = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		usage(c == 'h' ? stdout : stderr);
		return c == 'h' ? 0 : 2;
	}
	return compile(optind < argc ? argv[optind] : ".", &err) < 0
		       ? cli_fail("compile failed", &err)
		       : 0;
}
