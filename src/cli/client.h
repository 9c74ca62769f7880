/*
 * What the thin clients of the REST API share: flags, requests, output as a table or as JSON. A
 * client command is a table of verbs, `tidemark syncs pause NAME`; the first one is the default.
 */
#pragma once

#include "base/buf.h"
#include "cli/rest.h"

struct json_t;

struct client {
	struct rest rest;
	/* Flags; NULL where they were not given. */
	const char *environment, *integration, *connection, *function, *type, *state, *search;
	const char *variant, *cursor, *filter, *limit;
	bool json, all, reset, empty_cache;
	char **args; /* behind the verb */
	int count;
};

struct verb {
	const char *name;
	int least, most; /* arguments */
	int (*run)(struct client *c, struct err *err);
};

/* Parses, runs one of the verbs (ends with one without a name); the exit code. */
int client_main(int argc, char **argv, const struct verb *verbs);

/* Paths: begin, append "/<encoded>" or "?key=<encoded>" (NULL values are left out). */
void path_part(struct buf *path, const char *part);
void path_query(struct buf *path, const char *key, const char *value);

/* One request; body may be absent, ret NULL. */
int client_send(struct client *c, const char *method, const struct buf *path, struct sv body,
	struct json_t **ret, struct err *err);

/* ERR_INVALID that says which flag is missing. */
int client_need(const char *value, const char *flag, struct err *err);

struct column {
	const char *title, *path; /* of json_find */
	bool state; /* coloured on a terminal: success green, failed red */
};
/* Rows as a table, or `whole` as JSON with --json. */
void client_print(const struct client *c, const struct json_t *whole, const struct json_t *rows,
	const struct column *columns, size_t count);
/* One object: a line per member, or JSON. */
void client_print_one(const struct client *c, const struct json_t *v);
/* "next: --cursor X" on stderr, when there is a next page and a person looks. */
void client_print_next(const struct client *c, const struct json_t *cursor);
