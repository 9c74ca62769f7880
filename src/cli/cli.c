#include "cli/cli.h"

#include <stdio.h>

struct command {
	const char *name, *usage, *help; /* usage NULL: hidden */
	int (*run)(int argc, char **argv);
};

#define COMMAND(name, usage, help) { #name, usage, help, cmd_##name },
#define COMMAND_HIDDEN(name) { #name, NULL, NULL, cmd_##name },
static const struct command commands[] = {
#include "cli/commands.def"
};

int cli_fail(const char *what, const struct err *err)
{
	fprintf(stderr, "tidemark: %s: %s\n", what, err->msg[0] ? err->msg : err_label(err->code));
	return 1;
}

static bool names(const struct command *c, const char *text)
{
	const char *name = c->name;

	while (*name && (*name == *text || (*name == '_' && *text == '-')))
		name++, text++;
	return !*name && !*text;
}

static const struct command *find(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (names(&commands[i], text))
			return &commands[i];
	}
	return NULL;
}

static void print_name(FILE *to, const struct command *c, int width)
{
	int n = 0;

	for (const char *p = c->name; *p; p++, n++)
		fputc(*p == '_' ? '-' : *p, to);
	fprintf(to, "%*s", width > n ? width - n : 0, "");
}

int cli_usage(const char *command, int code)
{
	FILE *to = code ? stderr : stdout;
	const struct command *c = find(command);

	fprintf(to, "usage: tidemark ");
	print_name(to, c, 0);
	fprintf(to, " %s\n\n%s\n", c->usage, c->help);
	return code;
}

static int help(FILE *to, int code)
{
	fprintf(to, "tidemark keeps a fresh, change-tracked copy of external API data.\n\n"
		    "usage: tidemark COMMAND [ARGUMENTS]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (!commands[i].usage)
			continue;
		fprintf(to, "  ");
		print_name(to, &commands[i], 14);
		fprintf(to, "%s\n", commands[i].help);
	}
	fprintf(to, "\n`tidemark COMMAND --help` says more about one.\n");
	return code;
}

/* How many letters differ when both are read from the left and from the right. */
static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), head = 0, tail = 0;

	while (head < la && head < lb && a[head] == b[head])
		head++;
	while (tail < la - head && tail < lb - head && a[la - 1 - tail] == b[lb - 1 - tail])
		tail++;
	return (la > lb ? la : lb) - head - tail;
}

static int unknown(const char *text)
{
	const struct command *best = NULL;
	size_t least = 3;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		size_t d = distance(commands[i].name, text);
		if (commands[i].usage && d < least) {
			least = d;
			best = &commands[i];
		}
	}
	fprintf(stderr, "tidemark: unknown command '%s' (", text);
	if (best)
		fprintf(stderr, "did you mean `tidemark %s`?", best->name);
	else
		fprintf(stderr, "`tidemark --help` lists them");
	fprintf(stderr, ")\n");
	return 2;
}

int cli_main(int argc, char **argv)
{
	if (argc < 2)
		return help(stderr, 2);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0 ||
		strcmp(argv[1], "-h") == 0)
		return help(stdout, 0);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		printf("tidemark %s\n", TIDEMARK_VERSION);
		return 0;
	}
	const struct command *c = find(argv[1]);
	return c ? c->run(argc - 1, argv + 1) : unknown(argv[1]);
}
