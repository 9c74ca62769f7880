/* A copy of the file while others write it: pages of one snapshot, checked, then put in place. */
#include "db/sqlite.h"

#include "base/fault.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { PAGES_AT_ONCE = 1024 };

struct copy {
	sqlite3 *from, *to;
	sqlite3_backup *backup;
	char part[4096];
};

static void copy_done(struct copy *c)
{
	if (c->backup)
		sqlite3_backup_finish(c->backup);
	sqlite3_close_v2(c->to);
	sqlite3_close_v2(c->from);
	if (c->part[0])
		unlink(c->part);
}

static int run(sqlite3 *db, const char *sql, struct err *err)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sqlite_fail(db, sql, err);
}

/* The part file is ours alone: what an interrupted backup left is begun anew. */
static int open_target(struct copy *c, const char *path, struct err *err)
{
	if (access(path, F_OK) == 0)
		return err_set(err, ERR_CONFLICT, "%s exists (give another name)", path);
	if ((size_t)snprintf(c->part, sizeof(c->part), "%s.part", path) >= sizeof(c->part))
		return err_set(err, ERR_INVALID, "path too long: %.100s", path);
	int fd = open(c->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_errno(err, errno, "cannot write %s", c->part);
		c->part[0] = 0;
		return err->code;
	}
	close(fd);
	if (sqlite3_open_v2(c->part, &c->to, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		return sqlite_fail(c->to, c->part, err);
	/* What fails is thrown away as a whole, so nothing needs to be rolled back. */
	return run(c->to, "PRAGMA journal_mode = OFF", err);
}

static int open_source(struct copy *c, const char *path, struct err *err)
{
	TRY(sqlite_file_open(path, DB_READ, &c->from, err));
	/* An open snapshot: else every write of the server would begin the copy anew. */
	TRY(run(c->from, "BEGIN", err));
	return run(c->from, "SELECT COUNT(*) FROM sqlite_master", err);
}

static int copy_pages(struct copy *c, struct db_backup *b, struct err *err)
{
	int rc;

	c->backup = sqlite3_backup_init(c->to, "main", c->from, "main");
	if (!c->backup)
		return sqlite_fail(c->to, "backup", err);
	do {
		TRY(FAULT("backup.pages", err));
		rc = sqlite3_backup_step(c->backup, PAGES_AT_ONCE);
		int total = sqlite3_backup_pagecount(c->backup);
		if (b->tell)
			b->tell(b->ctx, "copying", total - sqlite3_backup_remaining(c->backup),
				total);
	} while (rc == SQLITE_OK);
	sqlite3_backup_finish(take(c->backup));
	return rc == SQLITE_DONE ? 0 : sqlite_fail(c->to, c->part, err);
}

static int check_row(void *ctx, int n, char **values, char **names)
{
	struct err *err = ctx;

	(void)names;
	if (n > 0 && values[0] && strcmp(values[0], "ok") != 0)
		err_set(err, ERR_INTERNAL, "the copy is damaged, and so may be the database: %s",
			values[0]);
	return err->code != ERR_OK;
}

/* As a file of its own, without a log beside it; every page and index looked at. */
static int verify(struct copy *c, struct db_backup *b, struct err *err)
{
	struct err found = { 0 };

	if (b->tell)
		b->tell(b->ctx, "checking the copy", 0, 0);
	TRY(run(c->to, "PRAGMA journal_mode = DELETE", err));
	int rc = sqlite3_exec(c->to, "PRAGMA integrity_check(1)", check_row, &found, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(c->to, "PRAGMA foreign_key_check", check_row, &found, NULL);
	if (found.code != ERR_OK) {
		*err = found;
		return err->code;
	}
	return rc == SQLITE_OK ? 0 : sqlite_fail(c->to, "checking the copy", err);
}

int sqlite_store_backup(void *store, struct db_backup *b, struct err *err)
{
	const struct sqlite_store *s = store;
	own_in(copy_done) struct copy c = { 0 };

	TRY(open_target(&c, b->path, err));
	TRY(open_source(&c, s->path, err));
	TRY(copy_pages(&c, b, err));
	TRY(verify(&c, b, err));
	sqlite3_close_v2(take(c.to));
	TRY(file_rename(c.part, b->path, err));
	c.part[0] = 0;
	return 0;
}
