/*
 * tidemark rotate-key: wraps the data keys for another master key, or makes new data keys; beside a
 * running server. docs/operations.md says what happens to servers meanwhile.
 *
 * The key file: the next key is on the disk before the database takes it, and takes the file's
 * place after. Killed in between, both are there, and whoever comes next (this command, a starting
 * server) sees which one is in force and finishes. With TIDEMARK_ENCRYPTION_KEY both keys are
 * settings, and there is nothing to write but the database.
 */
#include "cli/cli.h"
#include "cli/store.h"
#include "conf/settings.h"
#include "crypto/keyfile.h"
#include "db/db.h"
#include "model/sealed.h"
#include "os/file.h"

#include <stdio.h>
#include <unistd.h>

struct rotation {
	struct store store;
	struct master_key to;
	int64_t count; /* of data keys */
	int lock_fd;
};

static void rotation_done(struct rotation *r)
{
	store_close(&r->store);
	master_key_done(&r->to);
	if (r->lock_fd)
		close(r->lock_fd);
}

static int check_job(struct dbc *c, void *arg, struct err *err)
{
	struct rotation *r = arg;

	return sealed_check_master(c, r->store.keys, err);
}

static int rotate_job(struct dbc *c, void *arg, struct err *err)
{
	struct rotation *r = arg;

	return sealed_rotate(c, r->store.keys, &r->to, &r->count, err);
}

static int renew_job(struct dbc *c, void *arg, struct err *err)
{
	struct rotation *r = arg;

	return sealed_renew_keys(c, r->store.keys, &r->count, err);
}

/* Two at once would each put their key into the file. */
static int lock_key_file(struct rotation *r, struct err *err)
{
	char path[1040];

	snprintf(path, sizeof(path), "%s.lock", r->store.key_path);
	int rc = file_lock(path, &r->lock_fd, err);
	return rc == ERR_CONFLICT
		       ? err_set(err, rc, "another rotate-key is running (wait for its end)")
		       : rc;
}

static int rotate_file(struct rotation *r, struct err *err)
{
	TRY(lock_key_file(r, err));
	TRY(db_run(r->store.db, DB_READ, check_job, r, err));
	int finished = store_settle_key(&r->store, err);
	TRY(finished);
	if (finished) {
		printf("finished the rotation that was interrupted; to rotate again, run this "
		       "again\n");
		return 0;
	}
	char before[KEY_FINGERPRINT_SIZE];
	keyring_fingerprint(r->store.keys, before);
	TRY(keyfile_next(r->store.key_path, &r->to, err));
	TRY(db_run(r->store.db, DB_WRITE, rotate_job, r, err));
	/* The ring follows what is stored now. */
	TRY(db_run(r->store.db, DB_READ, check_job, r, err));
	TRY(store_settle_key(&r->store, err));
	printf("%lld data keys are wrapped by the new key in %s\n"
	       "the old one is %s.%s: backups made before now need it\n",
		(long long)r->count, r->store.key_path, r->store.key_path, before);
	return 0;
}

static int rotate_setting(struct rotation *r, const struct settings *conf, struct err *err)
{
	char in_force[KEY_FINGERPRINT_SIZE], wanted[KEY_FINGERPRINT_SIZE];

	if (!conf->encryption_key_new)
		return err_set(err, ERR_INVALID,
			"set TIDEMARK_ENCRYPTION_KEY_NEW to the key to change to, for the servers, "
			"too (`openssl rand -base64 32` makes one)");
	TRY(master_key_parse(sv_str(conf->encryption_key_new), &r->to, err));
	TRY(db_run(r->store.db, DB_READ, check_job, r, err));
	keyring_fingerprint(r->store.keys, in_force);
	master_key_fingerprint(&r->to, wanted);
	if (strcmp(in_force, wanted) == 0)
		printf("TIDEMARK_ENCRYPTION_KEY_NEW is in force already\n");
	else
		TRY(db_run(r->store.db, DB_WRITE, rotate_job, r, err));
	if (r->count)
		printf("%lld data keys are wrapped by TIDEMARK_ENCRYPTION_KEY_NEW\n",
			(long long)r->count);
	printf("now make it TIDEMARK_ENCRYPTION_KEY and drop _NEW wherever a server starts; keep "
	       "the old one for the\nbackups made before now\n");
	return 0;
}

static int rotate(const struct settings *conf, bool data_keys, struct err *err)
{
	own_in(rotation_done) struct rotation r = { 0 };

	TRY(store_open(conf, STORE_BESIDE, &r.store, err));
	if (!data_keys)
		return r.store.key_path[0] ? rotate_file(&r, err) : rotate_setting(&r, conf, err);
	TRY(db_run(r.store.db, DB_WRITE, renew_job, &r, err));
	printf("%lld environments have a new data key; servers seal with it within their "
	       "upkeep_period\n",
		(long long)r.count);
	return 0;
}

int cmd_rotate_key(int argc, char **argv)
{
	bool data_keys = argc > 1 && strcmp(argv[1], "--data-keys") == 0;
	int skip = data_keys ? 2 : 1;
	own(settings_free) struct settings *conf = NULL;
	struct err err = { 0 };

	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return cli_usage("rotate-key", 0);
	if (store_settings(argc - skip, argv + skip, &conf, &err) < 0)
		return cli_fail("rotate-key", &err) + 1;
	if (rotate(conf, data_keys, &err) < 0)
		return cli_fail("cannot rotate the key", &err);
	return 0;
}
