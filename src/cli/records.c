/* tidemark records: the change feed of one model of one connection. */
#include "cli/cli.h"
#include "cli/client.h"
#include "data/json.h"

static int page(struct client *c, struct json_t **ret, struct err *err)
{
	own_in(buf_done) struct buf path = { 0 };

	path_part(&path, "records");
	path_query(&path, "model", c->args[0]);
	path_query(&path, "variant", c->variant);
	path_query(&path, "cursor", c->cursor);
	path_query(&path, "limit", c->limit ? c->limit : c->all ? "1000" : NULL);
	path_query(&path, "filter", c->filter);
	return client_send(c, "GET", &path, SV_NULL, ret, err);
}

/* The payload without what the other columns show. */
static struct json_t *row_of(const struct json_t *record)
{
	struct json_t *row = json_new_obj(), *payload = json_clone(record);
	struct json_t *meta = json_member(record, SV_LIT("_nango_metadata"));

	json_set(row, SV_LIT("meta"), json_ref(meta));
	json_set(row, SV_LIT("id"), json_ref(json_member(record, SV_LIT("id"))));
	json_del(payload, SV_LIT("id"));
	json_del(payload, SV_LIT("_nango_metadata"));
	json_set(row, SV_LIT("payload"), payload);
	return row;
}

static void print(const struct client *c, const struct json_t *whole)
{
	static const struct column columns[] = { { "ID", "id" },
		{ "ACTION", "meta.last_action", .state = true },
		{ "MODIFIED", "meta.last_modified_at" }, { "RECORD", "payload" } };
	own(json_unref) struct json_t *rows = json_new_arr();
	const struct json_t *records = json_member(whole, SV_LIT("records"));

	for (size_t i = 0; i < json_len(records); i++)
		json_push(rows, row_of(json_item(records, i)));
	client_print(c, whole, rows, columns, ARRAY_LEN(columns));
}

/* With --all every page is printed as it comes: one JSON line each, or one table each. */
static int list(struct client *c, struct err *err)
{
	TRY(client_need(c->integration, "integration", err));
	TRY(client_need(c->connection, "connection", err));
	for (;;) {
		own(json_unref) struct json_t *whole = NULL;
		TRY(page(c, &whole, err));
		const struct json_t *next = json_member(whole, SV_LIT("next_cursor"));
		print(c, whole);
		client_print_next(c, next);
		if (!c->all || !json_sv(next).len)
			return 0;
		c->cursor = arena_str(&c->rest.arena, json_sv(next));
	}
}

int cmd_records(int argc, char **argv)
{
	static const struct verb verbs[] = { { "list", 1, 1, list }, { 0 } };

	return client_main(argc, argv, verbs);
}
