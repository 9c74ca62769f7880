/* tidemark logs: operations, newest first; the messages of one. */
#include "cli/cli.h"
#include "cli/client.h"
#include "data/json.h"

static int print_pages(struct client *c, const struct buf *base, const struct column *columns,
	size_t count, struct err *err)
{
	for (;;) {
		own(json_unref) struct json_t *whole = NULL;
		own_in(buf_done) struct buf path = { 0 };
		buf_init(&path, 1 << 16);
		buf_sv_add(&path, buf_sv(base));
		path_query(&path, "limit", c->limit);
		path_query(&path, "cursor", c->cursor);
		TRY(client_send(c, "GET", &path, SV_NULL, &whole, err));
		const struct json_t *next = json_member(whole, SV_LIT("next_cursor"));
		client_print(c, whole, json_member(whole, SV_LIT("data")), columns, count);
		client_print_next(c, next);
		if (!c->all || !json_sv(next).len)
			return 0;
		c->cursor = arena_str(&c->rest.arena, json_sv(next));
	}
}

static int operations(struct client *c, struct err *err)
{
	static const struct column columns[] = { { "OPERATION", "id" }, { "TIME", "created_at" },
		{ "TYPE", "type" }, { "ACTION", "action" }, { "STATE", "state", .state = true },
		{ "INTEGRATION", "integration" }, { "CONNECTION", "connection" },
		{ "FUNCTION", "function" }, { "MESSAGE", "message" } };
	own_in(buf_done) struct buf path = { 0 };

	path_part(&path, "logs");
	path_part(&path, "operations");
	path_query(&path, "type", c->type);
	path_query(&path, "state", c->state);
	path_query(&path, "integration", c->integration);
	path_query(&path, "connection", c->connection);
	path_query(&path, "function", c->function);
	return print_pages(c, &path, columns, ARRAY_LEN(columns), err);
}

static int messages(struct client *c, struct err *err)
{
	static const struct column columns[] = { { "TIME", "created_at" },
		{ "LEVEL", "level", .state = true }, { "SOURCE", "source" },
		{ "MESSAGE", "message" } };
	own_in(buf_done) struct buf path = { 0 };

	path_part(&path, "logs");
	path_part(&path, "operations");
	path_part(&path, c->args[0]);
	path_part(&path, "messages");
	return print_pages(c, &path, columns, ARRAY_LEN(columns), err);
}

int cmd_logs(int argc, char **argv)
{
	static const struct verb verbs[] = { { "list", 0, 0, operations },
		{ "get", 1, 1, messages }, { 0 } };

	return client_main(argc, argv, verbs);
}
