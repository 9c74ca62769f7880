/* tidemark keys: the API keys in a data folder, for whoever may read its master key. */
#include "base/buf.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/store.h"
#include "conf/settings.h"
#include "db/db.h"
#include "model/api_key.h"
#include "model/env.h"
#include "model/sealed.h"

#include <stdio.h>
#include <unistd.h>

struct listing {
	struct keyring *keys;
	const char *only; /* NULL: every environment */
	bool found;
	struct buf out; /* printed at the end: a job may run twice */
};

static int print_environment(
	struct dbc *c, struct listing *l, const struct environment *env, struct err *err)
{
	struct arena *a = db_arena(c);
	struct api_key *keys;
	struct sv signing;
	size_t count;

	TRY(api_key_list(c, l->keys, env->id, a, &keys, &count, err));
	for (size_t i = 0; i < count; i++)
		buf_printf(&l->out, "%-8.*s  secret   %.*s  %.*s\n", SV(env->name),
			SV(keys[i].secret), SV(keys[i].display_name));
	TRY(env_signing_key(c, l->keys, env->id, a, &signing, err));
	buf_printf(&l->out, "%-8.*s  signing  %.*s  of outbound webhooks\n", SV(env->name),
		SV(signing));
	return 0;
}

static int list_job(struct dbc *c, void *arg, struct err *err)
{
	struct listing *l = arg;
	struct environment *all;
	size_t count;

	buf_clear(&l->out);
	TRY(sealed_check_master(c, l->keys, err));
	TRY(env_list(c, db_arena(c), &all, &count, err));
	for (size_t i = 0; i < count; i++) {
		if (l->only && !sv_eq_str(all[i].name, l->only))
			continue;
		l->found = true;
		TRY(print_environment(c, l, &all[i], err));
	}
	return 0;
}

static int list(int argc, char **argv, const char *only, struct err *err)
{
	own(settings_free) struct settings *conf = NULL;
	own_in(store_close) struct store store = { 0 };

	TRY(store_settings(argc, argv, &conf, err));
	TRY(store_open(conf, STORE_BESIDE, &store, err));
	struct listing l = { .keys = store.keys, .only = only };
	buf_init(&l.out, 1 << 24);
	int rc = db_run(store.db, DB_READ, list_job, &l, err);
	if (rc == 0 && !l.found)
		rc = err_set(err, ERR_NOT_FOUND, "there is no environment '%s'", only);
	if (rc == 0)
		printf("%s", l.out.ptr);
	buf_done(&l.out);
	return rc;
}

int cmd_keys(int argc, char **argv)
{
	struct err err = { 0 };
	bool named = argc > 1 && argv[1][0] != '-';
	int skip = named ? 2 : 1;

	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return cli_usage("keys", 0);
	if (list(argc - skip, argv + skip, named ? argv[1] : NULL, &err) < 0)
		return cli_fail("cannot show the keys", &err);
	return 0;
}
