#include "model/run_fixture.h"

#include "crypto/keyring.h"
#include "db/testdb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct world *world;

static struct testdb testdb;

/* Stands in for the table: webhooks are looked at, not sent. */
int outbox_add(struct dbc *c UNUSED, const struct outbox_message *m, struct err *err UNUSED)
{
	size_t at = world->owed++ % ARRAY_LEN(world->bodies);
	snprintf(world->bodies[at], sizeof(world->bodies[0]), "%.*s", SV(m->body));
	return 1;
}

int world_deploy(
	struct dbc *c, const char *runs, int64_t interval_ms, bool auto_start, struct err *err)
{
	struct function_code code = { sv_str(world->js ? world->js : "exports.default = {}"),
		SV_LIT("export default {}") };
	struct function f = {
		.environment_id = world->env,
		.integration_id = world->integration,
		.integration = SV_LIT("crm"),
		.name = SV_LIT("contacts"),
		.type = FUNCTION_SYNC,
		.version = SV_LIT("1"),
		.active = true,
		.enabled = true,
		.source = SV_LIT("repo"),
		.runs = sv_str(runs),
		.interval_ms = interval_ms,
		.auto_start = auto_start,
		.sync_type = SV_LIT("full"),
		.models = SV_LIT("[\"Contact\",\"Company\"]"),
		.json_schema = sv_str(world->schema),
		.metadata = SV_LIT("{}"),
		.attributes = SV_LIT("{}"),
		.endpoints = SV_LIT("[]"),
		.features = SV_LIT("[]"),
		.webhook_subscriptions = SV_LIT("[]"),
	};

	TRY(function_code_put(c, &code, db_arena(c), &f.file_hash, err));
	TRY(function_put(c, &f, err));
	world->function = f.id;
	return sync_ensure_for_function(c, f.id, err);
}

static int job_fill(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct integration in = {
		.unique_key = SV_LIT("crm"), .provider = SV_LIT("crm"), .config = SV_LIT("{}")
	};
	struct connection conn = {
		.connection_id = SV_LIT("c-1"),
		.connection_config = SV_LIT("{}"),
		.tags = SV_LIT("{}"),
		.errors = SV_LIT("[]"),
	};
	struct integration_secrets none = { 0 };
	bool created;

	TRY(env_create(c, w->keys, SV_LIT("dev"), false, &w->env, err));
	in.environment_id = w->env;
	TRY(integration_create(c, w->keys, &in, &none, err));
	w->integration = in.id;
	conn.environment_id = w->env;
	conn.integration_id = in.id;
	TRY(connection_upsert(c, w->keys, &conn, SV_LIT("{\"type\":\"NONE\"}"), &created, err));
	w->connection = conn.id;
	TRY(world_deploy(c, "every hour", 3600000, true, err));
	struct sync s;
	TRY(world_sync(c, &s, err));
	w->created_ms = s.created_ms;
	return 0;
}

void world_open(struct world *w)
{
	struct sv text = SV_LIT("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
	struct master_key master = { 0 };
	struct err err = { 0 };

	assert_int_equal(master_key_parse(text, &master, &err), 0);
	w->keys = keyring_new(&master);
	world = w;
	testdb_make(&testdb);
	struct db_config cfg = testdb_config(&testdb);
	if (db_open(&cfg, w->loop, &w->db, &err) < 0 ||
		db_run(w->db, DB_WRITE, job_fill, w, &err) < 0)
		fail_msg("%s", err.msg);
}

void world_close(struct world *w)
{
	db_close(w->db);
	keyring_free(w->keys);
	testdb_drop(&testdb);
}

void in_world(db_job_fn *job)
{
	struct world w = { 0 };
	struct err err = { 0 };

	world_open(&w);
	int rc = db_run(w.db, DB_WRITE, job, &w, &err);
	world_close(&w);
	if (rc < 0)
		fail_msg("%s", err.msg);
}

int world_sync(struct dbc *c, struct sync *ret, struct err *err)
{
	struct sync *syncs;
	size_t n;

	TRY(sync_select(c, 0, world->connection, NULL, 0, db_arena(c), &syncs, &n, err));
	CHECK(n == 1);
	*ret = syncs[0];
	return 0;
}
