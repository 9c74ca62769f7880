/* tidemark connections: list, get, delete. */
#include "cli/cli.h"
#include "cli/client.h"
#include "data/json.h"

static int list(struct client *c, struct err *err)
{
	static const struct column columns[] = { { "CONNECTION", "connection_id" },
		{ "INTEGRATION", "provider_config_key" }, { "PROVIDER", "provider" },
		{ "CREATED", "created" }, { "ERRORS", "errors[0].type", .state = true } };
	own(json_unref) struct json_t *all = NULL;
	own_in(buf_done) struct buf path = { 0 };

	path_part(&path, "connections");
	path_query(&path, "integrationId", c->integration);
	path_query(&path, "search", c->search);
	path_query(&path, "limit", c->limit);
	path_query(&path, "page", c->cursor);
	TRY(client_send(c, "GET", &path, SV_NULL, &all, err));
	client_print(c, all, json_member(all, SV_LIT("connections")), columns, ARRAY_LEN(columns));
	return 0;
}

static int path_of(struct client *c, struct buf *path, struct err *err)
{
	TRY(client_need(c->integration, "integration", err));
	path_part(path, "connections");
	path_part(path, c->args[0]);
	path_query(path, "provider_config_key", c->integration);
	return 0;
}

static int get(struct client *c, struct err *err)
{
	own(json_unref) struct json_t *one = NULL;
	own_in(buf_done) struct buf path = { 0 };

	TRY(path_of(c, &path, err));
	TRY(client_send(c, "GET", &path, SV_NULL, &one, err));
	/* A terminal is no place for secrets; the API gives them to who asks it. */
	json_del(one, SV_LIT("credentials"));
	client_print_one(c, one);
	return 0;
}

static int delete (struct client *c, struct err *err)
{
	own_in(buf_done) struct buf path = { 0 };

	TRY(path_of(c, &path, err));
	return client_send(c, "DELETE", &path, SV_NULL, NULL, err);
}

int cmd_connections(int argc, char **argv)
{
	static const struct verb verbs[] = { { "list", 0, 0, list }, { "get", 1, 1, get },
		{ "delete", 1, 1, delete }, { 0 } };

	return client_main(argc, argv, verbs);
}
