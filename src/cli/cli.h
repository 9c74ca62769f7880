/*
 * The command line: one row per command in commands.def, one file per command. A command gets its
 * own name as argv[0] (so getopt works) and returns the exit code: 0, 1 failure, 2 usage. Errors
 * go to stderr as `tidemark: what failed: why (what to do)`.
 */
#pragma once

#include "base/err.h"

#define COMMAND(name, usage, help) int cmd_##name(int argc, char **argv);
#define COMMAND_HIDDEN(name) int cmd_##name(int argc, char **argv);
#include "cli/commands.def"
#undef COMMAND
#undef COMMAND_HIDDEN

/* Runs the command that argv[1] names; the exit code of the process. */
int cli_main(int argc, char **argv);

/* Prints "tidemark: what: why" on stderr; returns the exit code 1. */
int cli_fail(const char *what, const struct err *err);

/* Prints "usage: tidemark ..." of a command of the table; returns `code`. */
int cli_usage(const char *command, int code);
