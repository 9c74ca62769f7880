#include "cli/store.h"

#include "base/log.h"
#include "conf/environ.h"
#include "conf/settings.h"
#include "crypto/keyfile.h"
#include "db/db.h"
#include "io/loop.h"
#include "os/file.h"

#include <stdio.h>
#include <unistd.h>

static int make_path(
	const struct settings *conf, const char *name, char *out, size_t size, struct err *err)
{
	if ((size_t)snprintf(out, size, "%s/%s", conf->data, name) >= size)
		return err_set(err, ERR_INVALID, "the path of the data folder is too long");
	return 0;
}

static int lock(const struct settings *conf, struct store *s, struct err *err)
{
	char path[1024];

	TRY(make_path(conf, "lock", path, sizeof(path), err));
	int rc = file_lock(path, &s->lock_fd, err);
	if (rc == ERR_CONFLICT)
		return err_set(err, ERR_CONFLICT,
			"another server uses the data folder %s (stop it, or choose another with "
			"--data)",
			conf->data);
	return rc;
}

/* The ring met a key that none of its masters wraps: the file may have been replaced meanwhile. */
static void read_again(void *path, struct keyring *keys)
{
	keyfile_load(path, keys);
}

static int open_key_file(
	const struct settings *conf, enum store_mode mode, struct store *s, struct err *err)
{
	struct master_key master;

	TRY(make_path(conf, "master.key", s->key_path, sizeof(s->key_path), err));
	bool may_make = mode == STORE_SERVE && s->is_new;
	/* A new key for an old database would only make it unreadable. */
	if (!may_make && access(s->key_path, F_OK) < 0)
		return err_set(err, ERR_NOT_FOUND,
			"%s is missing (%s, or set TIDEMARK_ENCRYPTION_KEY)", s->key_path,
			mode == STORE_FILL ? "copy the exporting installation's key there"
					   : "put it back");
	TRY(keyfile_ensure(s->key_path, &master, err));
	s->keys = keyring_new(&master);
	master_key_done(&master);
	keyfile_load(s->key_path, s->keys);
	keyring_on_unknown(s->keys, read_again, s->key_path);
	return 0;
}

static int open_key_setting(const struct settings *conf, struct store *s, struct err *err)
{
	struct master_key master;

	if (master_key_parse(sv_str(conf->encryption_key), &master, err) < 0)
		return err_wrap(err, "TIDEMARK_ENCRYPTION_KEY");
	s->keys = keyring_new(&master);
	master_key_done(&master);
	if (!conf->encryption_key_new)
		return 0;
	if (master_key_parse(sv_str(conf->encryption_key_new), &master, err) < 0)
		return err_wrap(err, "TIDEMARK_ENCRYPTION_KEY_NEW");
	keyring_add_master(s->keys, &master);
	master_key_done(&master);
	return 0;
}

static int open_keys(
	const struct settings *conf, enum store_mode mode, struct store *s, struct err *err)
{
	if (conf->encryption_key)
		return open_key_setting(conf, s, err);
	if (conf->encryption_key_new)
		return err_set(err, ERR_INVALID,
			"TIDEMARK_ENCRYPTION_KEY_NEW is of use only together with "
			"TIDEMARK_ENCRYPTION_KEY (a key file is rotated without it)");
	return open_key_file(conf, mode, s, err);
}

int store_settings(int argc, char **argv, struct settings **ret, struct err *err)
{
	own_in(environ_done) struct environ_vars vars = { 0 };

	TRY(environ_load(environ, ".env", &vars, err));
	return settings_load(argc, argv, &vars, ret, err);
}

int store_settle_key(struct store *s, struct err *err)
{
	return s->key_path[0] ? keyfile_settle(s->key_path, s->keys, err) : 0;
}

/* The file of the data folder; nobody else may serve it at the same time. */
static int find_file(
	const struct settings *conf, enum store_mode mode, struct store *s, struct err *err)
{
	TRY(make_path(conf, "tidemark.db", s->path, sizeof(s->path), err));
	s->is_new = access(s->path, F_OK) < 0;
	if (s->is_new && mode == STORE_BESIDE)
		return err_set(err, ERR_NOT_FOUND,
			"there is no data in %s (`tidemark serve` makes it, --data names another)",
			conf->data);
	TRY(dir_ensure(conf->data, err));
	return mode == STORE_BESIDE ? 0 : lock(conf, s, err);
}

/*
 * A node of a shared database knows what it was at before a crash by the place it holds: a file of
 * its data folder. That is a matter of seconds only, so a server works without it, too.
 */
static int hold_place(
	const struct settings *conf, struct store *s, char ret[FILE_PLACE_SIZE], struct err *err)
{
	char path[1024];

	TRY(make_path(conf, "node.lock", path, sizeof(path), err));
	TRY(dir_ensure(conf->data, err));
	TRY(file_lock(path, &s->lock_fd, err));
	return file_place(s->lock_fd, ret, err);
}

static void find_place(const struct settings *conf, struct store *s)
{
	char place[FILE_PLACE_SIZE];
	struct err err = { 0 };

	if (hold_place(conf, s, place, &err) == 0) {
		node_init(&s->node, place);
		return;
	}
	node_init(&s->node, NULL);
	log_warn(NULL, "what this server is at will wait for the leases to run out if it crashes",
		LOG_ERR(&err));
}

/* Nodes share a database; what they must also share, the key, is no file of one of them. */
static int check_shared_key(const struct settings *conf, struct err *err)
{
	char path[1024];

	if (conf->encryption_key)
		return 0;
	TRY(make_path(conf, "master.key", path, sizeof(path), err));
	if (access(path, F_OK) == 0)
		return 0;
	return err_set(err, ERR_INVALID,
		"a database needs the key that all its servers share: set TIDEMARK_ENCRYPTION_KEY "
		"(make one with: openssl rand -base64 32)");
}

static int open_all(
	const struct settings *conf, enum store_mode mode, struct store *s, struct err *err)
{
	if (conf->database) {
		TRY(check_shared_key(conf, err));
		if (mode == STORE_SERVE)
			find_place(conf, s);
	} else {
		TRY(find_file(conf, mode, s, err));
		node_init(&s->node, ""); /* of use to who serves: alone with the file */
	}
	TRY(open_keys(conf, mode, s, err));
	s->loop = loop_new();
	struct db_config cfg = {
		.path = s->path,
		.url = conf->database,
		.readers = (unsigned)conf->db_readers,
		.shared = mode == STORE_BESIDE,
	};
	return db_open(&cfg, s->loop, &s->db, err);
}

int store_open(
	const struct settings *conf, enum store_mode mode, struct store *ret, struct err *err)
{
	*ret = (struct store){ 0 };
	int rc = open_all(conf, mode, ret, err);
	if (rc < 0)
		store_close(ret);
	return rc;
}

void store_close(struct store *s)
{
	db_close(s->db);
	keyring_free(s->keys);
	if (s->loop)
		loop_free(s->loop);
	if (s->lock_fd)
		close(s->lock_fd);
	*s = (struct store){ 0 };
}
