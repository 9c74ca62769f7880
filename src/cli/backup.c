/* tidemark backup: a checked copy of the database file, beside the server that uses it. */
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/store.h"
#include "conf/settings.h"
#include "db/db.h"

#include <stdio.h>
#include <sys/stat.h>

static void tell(void *ctx, const char *what, int64_t done, int64_t total)
{
	progress_tell(ctx, what, done, "pages", done, total);
}

static int backup(const struct settings *conf, const char *path, struct err *err)
{
	own_in(store_close) struct store store = { 0 };
	struct progress progress;
	struct stat st = { 0 };

	TRY(store_open(conf, STORE_BESIDE, &store, err));
	progress_init(&progress);
	struct db_backup b = { .path = path, .tell = tell, .ctx = &progress };
	int rc = db_backup(store.db, &b, err);
	progress_done(&progress);
	TRY(rc);
	stat(path, &st);
	printf("%s: %.1f MB in %.1f s, checked\n"
	       "the master key is not in it, and without the key it is worth nothing: keep a copy "
	       "of the key, apart\n",
		path, (double)st.st_size / 1e6, progress_seconds(&progress));
	return 0;
}

int cmd_backup(int argc, char **argv)
{
	own(settings_free) struct settings *conf = NULL;
	struct err err = { 0 };

	if (argc < 2 || strcmp(argv[1], "--help") == 0)
		return cli_usage("backup", argc < 2 ? 2 : 0);
	if (store_settings(argc - 2, argv + 2, &conf, &err) < 0)
		return cli_fail("backup", &err) + 1;
	if (conf->database) {
		err_set(&err, ERR_INVALID,
			"it copies the SQLite file; PostgreSQL has its own tools (pg_dump, or a "
			"base backup with archived logs: docs/operations.md)");
		return cli_fail("backup", &err) + 1;
	}
	if (backup(conf, argv[1], &err) < 0)
		return cli_fail("cannot back up", &err);
	return 0;
}
