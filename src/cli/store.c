#include "cli/store.h"

#include "conf/settings.h"
#include "crypto/keyring.h"
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

static int open_keys(const struct settings *conf, struct store *s, struct err *err)
{
	struct master_key master;
	char path[1024];
	int rc;

	if (conf->encryption_key) {
		rc = master_key_parse(sv_str(conf->encryption_key), &master, err);
		if (rc < 0)
			return err_wrap(err, "TIDEMARK_ENCRYPTION_KEY");
	} else {
		TRY(make_path(conf, "master.key", path, sizeof(path), err));
		/* A new key for an old database would only make it unreadable. */
		if (!s->is_new && access(path, F_OK) < 0)
			return err_set(err, ERR_NOT_FOUND,
				"%s is missing (put it back, or set TIDEMARK_ENCRYPTION_KEY)",
				path);
		TRY(master_key_file(path, &master, err));
	}
	s->keys = keyring_new(&master);
	master_key_done(&master);
	return 0;
}

static int open_all(const struct settings *conf, bool exclusive, struct store *s, struct err *err)
{
	if (conf->database)
		return err_set(err, ERR_INVALID,
			"--database: this version keeps its data in a SQLite file; PostgreSQL "
			"comes "
			"with a later one (leave the setting out)");
	TRY(make_path(conf, "tidemark.db", s->path, sizeof(s->path), err));
	s->is_new = access(s->path, F_OK) < 0;
	if (s->is_new && !exclusive)
		return err_set(err, ERR_NOT_FOUND,
			"there is no data in %s (`tidemark serve` makes it, --data names another)",
			conf->data);
	TRY(dir_ensure(conf->data, err));
	if (exclusive)
		TRY(lock(conf, s, err));
	TRY(open_keys(conf, s, err));
	s->loop = loop_new();
	struct db_config cfg = {
		.path = s->path, .readers = (unsigned)conf->db_readers, .shared = !exclusive
	};
	return db_open(&cfg, s->loop, &s->db, err);
}

int store_open(const struct settings *conf, bool exclusive, struct store *ret, struct err *err)
{
	*ret = (struct store){ 0 };
	int rc = open_all(conf, exclusive, ret, err);
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
