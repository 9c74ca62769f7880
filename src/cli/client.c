#include "cli/client.h"

#include "cli/cli.h"
#include "data/enc.h"
#include "data/json.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

enum { PATH_MAX_SIZE = 64 << 10 };

/* --- flags --- */

static const struct option options[] = {
	{ "environment", required_argument, NULL, 'e' },
	{ "integration", required_argument, NULL, 'i' },
	{ "connection", required_argument, NULL, 'c' },
	{ "function", required_argument, NULL, 'f' },
	{ "type", required_argument, NULL, 't' },
	{ "state", required_argument, NULL, 's' },
	{ "search", required_argument, NULL, 'q' },
	{ "variant", required_argument, NULL, 'v' },
	{ "cursor", required_argument, NULL, 'u' },
	{ "filter", required_argument, NULL, 'F' },
	{ "limit", required_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ "all", no_argument, NULL, 'a' },
	{ "reset", no_argument, NULL, 'R' },
	{ "empty-cache", no_argument, NULL, 'E' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static bool set_flag(struct client *c, int flag, const char *value)
{
	switch (flag) {
	case 'e': c->environment = value; return true;
	case 'i': c->integration = value; return true;
	case 'c': c->connection = value; return true;
	case 'f': c->function = value; return true;
	case 't': c->type = value; return true;
	case 's': c->state = value; return true;
	case 'q': c->search = value; return true;
	case 'v': c->variant = value; return true;
	case 'u': c->cursor = value; return true;
	case 'F': c->filter = value; return true;
	case 'n': c->limit = value; return true;
	case 'j': c->json = true; return true;
	case 'a': c->all = true; return true;
	case 'R': c->reset = true; return true;
	case 'E': c->empty_cache = true; return true;
	default: return false;
	}
}

/* The verb that the first argument names, else the first of the table. */
static const struct verb *choose(struct client *c, const struct verb *verbs)
{
	for (const struct verb *v = verbs; c->count && v->name; v++) {
		if (strcmp(v->name, c->args[0]) != 0)
			continue;
		c->args++;
		c->count--;
		return v;
	}
	return verbs;
}

int client_main(int argc, char **argv, const struct verb *verbs)
{
	struct client c = { .environment = "dev" };
	struct err err = { 0 };
	int flag;

	while ((flag = getopt_long(argc, argv, "e:i:c:f:hj", options, NULL)) != -1) {
		if (!set_flag(&c, flag, optarg))
			return cli_usage(argv[0], flag == 'h' ? 0 : 2);
	}
	c.args = argv + optind;
	c.count = argc - optind;
	const struct verb *v = choose(&c, verbs);
	if (c.count < v->least || c.count > v->most)
		return cli_usage(argv[0], 2);
	int rc = rest_open(c.environment, &c.rest, &err);
	if (rc >= 0) {
		rc = v->run(&c, &err);
		rest_done(&c.rest);
	}
	if (rc >= 0)
		return 0;
	char what[80];
	snprintf(what, sizeof(what), "%s %s", argv[0], v->name);
	return cli_fail(what, &err);
}

int client_need(const char *value, const char *flag, struct err *err)
{
	return value ? 0 : err_set(err, ERR_INVALID, "--%s is needed", flag);
}

/* --- requests --- */

static void path_room(struct buf *path)
{
	if (!path->max)
		buf_init(path, PATH_MAX_SIZE);
}

void path_part(struct buf *path, const char *part)
{
	path_room(path);
	buf_char(path, '/');
	enc_percent(path, sv_str(part), ENC_COMPONENT);
}

void path_query(struct buf *path, const char *key, const char *value)
{
	if (!value)
		return;
	path_room(path);
	buf_printf(path, "%c%s=", memchr(path->ptr, '?', path->len) ? '&' : '?', key);
	enc_percent(path, sv_str(value), ENC_COMPONENT);
}

int client_send(struct client *c, const char *method, const struct buf *path, struct sv body,
	struct json_t **ret, struct err *err)
{
	struct rest_header headers[2];
	struct rest_request req = {
		.method = method, .path = path->ptr, .body = body, .headers = headers
	};

	/* Records take the names in headers; elsewhere they do no harm. */
	if (c->connection)
		headers[req.header_count++] =
			(struct rest_header){ "Connection-Id", sv_str(c->connection) };
	if (c->integration)
		headers[req.header_count++] =
			(struct rest_header){ "Provider-Config-Key", sv_str(c->integration) };
	return rest_call(&c->rest, &req, ret, err);
}

/* --- output --- */

static bool on_terminal(FILE *f)
{
	return isatty(fileno(f));
}

/* A cell's text: strings as they are, the rest as JSON, nothing for null. */
static void cell(const struct json_t *v, struct buf *out)
{
	buf_clear(out);
	if (json_kind(v) == JSON_KIND_STRING)
		buf_sv_add(out, json_sv(v));
	else if (json_kind(v) != JSON_KIND_ABSENT && json_kind(v) != JSON_KIND_NULL)
		json_dump_compact(v, out);
	/* What a provider or function wrote must not command the terminal. */
	for (size_t i = 0; i < out->len; i++) {
		if ((unsigned char)out->ptr[i] < ' ' || out->ptr[i] == 0x7f)
			out->ptr[i] = ' ';
	}
}

/* Columns of text: bytes that begin a character. */
static size_t width(struct sv s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
	return n;
}

static const char *colour(struct sv state)
{
	static const struct {
		const char *state, *code;
	} colours[] = { { "success", "\033[32m" }, { "failed", "\033[31m" },
		{ "ERROR", "\033[31m" }, { "SUCCESS", "\033[32m" }, { "RUNNING", "\033[36m" },
		{ "running", "\033[36m" }, { "PAUSED", "\033[33m" }, { "error", "\033[31m" },
		{ "warn", "\033[33m" }, { "DELETED", "\033[31m" }, { "ADDED", "\033[32m" } };

	for (size_t i = 0; i < ARRAY_LEN(colours); i++) {
		if (sv_eq_str(state, colours[i].state))
			return colours[i].code;
	}
	return "";
}

static void put(struct sv text, size_t wide, const char *code, bool last)
{
	size_t n = width(text);

	printf("%s%.*s%s", code, SV(text), *code ? "\033[0m" : "");
	if (!last)
		printf("%*s", (int)(wide > n ? wide - n : 0) + 2, "");
}

static void put_row(const struct json_t *row, const struct column *columns, size_t count,
	const size_t *wide, struct buf *text)
{
	bool colours = on_terminal(stdout);

	for (size_t i = 0; i < count; i++) {
		cell(json_find(row, sv_str(columns[i].path)), text);
		put(buf_sv(text), wide[i], colours && columns[i].state ? colour(buf_sv(text)) : "",
			i + 1 == count);
	}
	putchar('\n');
}

static void print_json(const struct json_t *v)
{
	own_in(buf_done) struct buf text = { 0 };

	buf_init(&text, SIZE_MAX);
	json_dump_compact(v, &text);
	printf("%.*s\n", SV(buf_sv(&text)));
}

void client_print(const struct client *c, const struct json_t *whole, const struct json_t *rows,
	const struct column *columns, size_t count)
{
	own_in(buf_done) struct buf text = { 0 };
	size_t wide[16];

	assert(count <= ARRAY_LEN(wide));
	if (c->json) {
		print_json(whole);
		return;
	}
	buf_init(&text, SIZE_MAX);
	for (size_t i = 0; i < count; i++) {
		wide[i] = width(sv_str(columns[i].title));
		for (size_t k = 0; k < json_len(rows); k++) {
			cell(json_find(json_item(rows, k), sv_str(columns[i].path)), &text);
			size_t n = width(buf_sv(&text));
			wide[i] = n > wide[i] ? n : wide[i];
		}
	}
	for (size_t i = 0; i < count; i++)
		put(sv_str(columns[i].title), wide[i], on_terminal(stdout) ? "\033[1m" : "",
			i + 1 == count);
	putchar('\n');
	for (size_t k = 0; k < json_len(rows); k++)
		put_row(json_item(rows, k), columns, count, wide, &text);
}

void client_print_one(const struct client *c, const struct json_t *v)
{
	own_in(buf_done) struct buf text = { 0 };
	void *it = NULL;
	struct sv key;
	struct json_t *value;

	if (c->json || json_kind(v) != JSON_KIND_OBJECT) {
		print_json(v);
		return;
	}
	buf_init(&text, SIZE_MAX);
	while (json_next(v, &it, &key, &value)) {
		cell(value, &text);
		printf("%-22.*s %.*s\n", SV(key), SV(buf_sv(&text)));
	}
}

void client_print_next(const struct client *c, const struct json_t *cursor)
{
	struct sv text = json_sv(cursor);

	if (text.len && !c->json && !c->all)
		fprintf(stderr, "more: --cursor %.*s, or --all\n", SV(text));
}
