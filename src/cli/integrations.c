/* tidemark integrations: list, get, create, delete. */
#include "cli/cli.h"
#include "cli/client.h"
#include "data/json.h"

static int list(struct client *c, struct err *err)
{
	static const struct column columns[] = { { "INTEGRATION", "unique_key" },
		{ "PROVIDER", "provider" }, { "NAME", "display_name" },
		{ "CREATED", "created_at" } };
	own(json_unref) struct json_t *all = NULL;
	own_in(buf_done) struct buf path = { 0 };

	path_part(&path, "integrations");
	TRY(client_send(c, "GET", &path, SV_NULL, &all, err));
	client_print(c, all, json_member(all, SV_LIT("data")), columns, ARRAY_LEN(columns));
	return 0;
}

static int get(struct client *c, struct err *err)
{
	own(json_unref) struct json_t *one = NULL;
	own_in(buf_done) struct buf path = { 0 };

	path_part(&path, "integrations");
	path_part(&path, c->args[0]);
	path_query(&path, "include", "webhook");
	TRY(client_send(c, "GET", &path, SV_NULL, &one, err));
	client_print_one(c, json_member(one, SV_LIT("data")));
	return 0;
}

/* Providers that need an app's credentials are told so by the server. */
static int create(struct client *c, struct err *err)
{
	own(json_unref) struct json_t *body = json_new_obj(), *one = NULL;
	own_in(buf_done) struct buf path = { 0 }, text = { 0 };

	json_set_str(body, "unique_key", sv_str(c->args[0]));
	json_set_str(body, "provider", sv_str(c->args[1]));
	buf_init(&text, SIZE_MAX);
	json_dump_compact(body, &text);
	path_part(&path, "integrations");
	TRY(client_send(c, "POST", &path, buf_sv(&text), &one, err));
	client_print_one(c, json_member(one, SV_LIT("data")));
	return 0;
}

static int delete (struct client *c, struct err *err)
{
	own_in(buf_done) struct buf path = { 0 };

	path_part(&path, "integrations");
	path_part(&path, c->args[0]);
	return client_send(c, "DELETE", &path, SV_NULL, NULL, err);
}

int cmd_integrations(int argc, char **argv)
{
	static const struct verb verbs[] = { { "list", 0, 0, list }, { "get", 1, 1, get },
		{ "create", 2, 2, create }, { "delete", 1, 1, delete }, { 0 } };

	return client_main(argc, argv, verbs);
}
