/* tidemark syncs: what they are doing; start, pause, trigger. */
#include "cli/cli.h"
#include "cli/client.h"
#include "data/json.h"

/* A name per argument, or all. */
static int status(struct client *c, struct err *err)
{
	static const struct column columns[] = { { "SYNC", "name" }, { "VARIANT", "variant" },
		{ "CONNECTION", "connection_id" }, { "STATUS", "status", .state = true },
		{ "FREQUENCY", "frequency" }, { "FINISHED", "finishedAt" },
		{ "NEXT", "nextScheduledSyncAt" }, { "RECORDS", "recordCount" } };
	own(json_unref) struct json_t *all = NULL;
	own_in(buf_done) struct buf path = { 0 }, names = { 0 };

	TRY(client_need(c->integration, "integration", err));
	buf_init(&names, 1 << 16);
	for (int i = 0; i < c->count; i++)
		buf_printf(&names, "%s%s", i ? "," : "", c->args[i]);
	path_part(&path, "sync");
	path_part(&path, "status");
	path_query(&path, "syncs", names.len ? names.ptr : "*");
	path_query(&path, "provider_config_key", c->integration);
	path_query(&path, "connection_id", c->connection);
	TRY(client_send(c, "GET", &path, SV_NULL, &all, err));
	client_print(c, all, json_member(all, SV_LIT("syncs")), columns, ARRAY_LEN(columns));
	return 0;
}

static int control(struct client *c, const char *verb, struct json_t *opts, struct err *err)
{
	own(json_unref) struct json_t *body = json_new_obj();
	own_in(buf_done) struct buf path = { 0 }, text = { 0 };
	struct json_t *names = json_new_arr();

	for (int i = 0; i < c->count; i++)
		json_push(names, json_new_str(sv_str(c->args[i])));
	json_set(body, SV_LIT("syncs"), names);
	if (opts)
		json_set(body, SV_LIT("opts"), opts);
	TRY(client_need(c->integration, "integration", err));
	json_set_str(body, "provider_config_key", sv_str(c->integration));
	if (c->connection)
		json_set_str(body, "connection_id", sv_str(c->connection));
	buf_init(&text, SIZE_MAX);
	json_dump_compact(body, &text);
	path_part(&path, "sync");
	path_part(&path, verb);
	return client_send(c, "POST", &path, buf_sv(&text), NULL, err);
}

static int start(struct client *c, struct err *err)
{
	return control(c, "start", NULL, err);
}

static int pause_syncs(struct client *c, struct err *err)
{
	return control(c, "pause", NULL, err);
}

static int trigger(struct client *c, struct err *err)
{
	struct json_t *opts = json_new_obj();

	json_set_bool(opts, "reset", c->reset);
	json_set_bool(opts, "emptyCache", c->empty_cache);
	return control(c, "trigger", opts, err);
}

enum { NAMES_MAX = 256 };

int cmd_syncs(int argc, char **argv)
{
	static const struct verb verbs[] = { { "status", 0, NAMES_MAX, status },
		{ "start", 1, NAMES_MAX, start }, { "pause", 1, NAMES_MAX, pause_syncs },
		{ "trigger", 1, NAMES_MAX, trigger }, { 0 } };

	return client_main(argc, argv, verbs);
}
