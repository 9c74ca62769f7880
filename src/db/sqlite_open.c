#include "db/sqlite.h"

#include "base/buf.h"
#include "base/fault.h"
#include "db/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/* "Tide": so that somebody else's file is not migrated into ours. */
#define APPLICATION_ID 0x54696465

/*
 * synchronous=FULL: a commit that was acknowledged survives a power cut. Pages of 8 KiB keep
 * records up to 2 KB inside the tables without rowid that hold them; smaller ones would send each
 * to an overflow page of its own.
 */
#define PRAGMAS_SHARED                 \
	"PRAGMA busy_timeout = 10000;" \
	"PRAGMA foreign_keys = ON;"    \
	"PRAGMA temp_store = MEMORY;"  \
	"PRAGMA trusted_schema = OFF;"
#define PRAGMAS_WRITER                          \
	"PRAGMA page_size = 8192;"              \
	"PRAGMA journal_mode = WAL;"            \
	"PRAGMA synchronous = FULL;"            \
	"PRAGMA journal_size_limit = 67108864;" \
	"PRAGMA cache_size = -32768;"
#define PRAGMAS_READER            \
	"PRAGMA query_only = ON;" \
	"PRAGMA cache_size = -8192;"

struct meaning {
	int code; /* primary SQLite code */
	enum err_code ours;
	const char *text;
};

static const struct meaning meanings[] = {
	{ SQLITE_BUSY, ERR_TIMEOUT,
		"the database is locked by another program (close what has the file open)" },
	{ SQLITE_LOCKED, ERR_TIMEOUT, "the database is locked (try again)" },
	{ SQLITE_FULL, ERR_IO, "the disk is full (free space where the data directory is)" },
	{ SQLITE_READONLY, ERR_IO,
		"the database is read-only (check owner and permissions of the data directory)" },
	{ SQLITE_PERM, ERR_IO,
		"access denied (check owner and permissions of the data directory)" },
	{ SQLITE_CANTOPEN, ERR_IO,
		"the file cannot be opened (check that the data directory exists and is ours)" },
	{ SQLITE_CORRUPT, ERR_INTERNAL, "the database is damaged (restore a backup)" },
	{ SQLITE_NOTADB, ERR_INVALID, "the file is not a database (give another path)" },
	{ SQLITE_INTERRUPT, ERR_CANCELLED, "interrupted" },
	{ SQLITE_TOOBIG, ERR_LIMIT, "a value is larger than the database can hold" },
	{ SQLITE_IOERR, ERR_IO, "reading or writing the disk failed (check the disk)" },
	{ SQLITE_CONSTRAINT, ERR_CONFLICT, "it contradicts what is stored" },
};

int sqlite_fail(sqlite3 *db, const char *what, struct err *err)
{
	int code = sqlite3_extended_errcode(db);
	const char *detail = sqlite3_errmsg(db);

	if (code == SQLITE_CONSTRAINT_NOTNULL || code == SQLITE_CONSTRAINT_CHECK)
		return err_set(err, ERR_INTERNAL, "%s: %s", what, detail);
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
		if (meanings[i].code == (code & 0xff))
			return err_set(err, meanings[i].ours, "%s: %s: %s", what, meanings[i].text,
				detail);
	return err_set(err, ERR_INTERNAL, "%s: %s (SQLite error %d)", what, detail, code);
}

static int run_sql(sqlite3 *db, const char *what, const char *sql, struct err *err)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return sqlite_fail(db, what, err);
	return 0;
}

int sqlite_file_open(const char *path, enum db_mode mode, sqlite3 **ret, struct err *err)
{
	sqlite3 *db = NULL;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		    (mode == DB_WRITE ? SQLITE_OPEN_CREATE : 0);

	int rc = sqlite3_open_v2(path, &db, flags, NULL) == SQLITE_OK ? 0 : -1;
	if (rc < 0)
		rc = sqlite_fail(db, path, err);
	if (rc == 0)
		rc = run_sql(db, path, PRAGMAS_SHARED, err);
	if (rc == 0)
		rc = run_sql(db, path, mode == DB_WRITE ? PRAGMAS_WRITER : PRAGMAS_READER, err);
	if (rc < 0) {
		sqlite3_close_v2(db);
		return rc;
	}
	*ret = db;
	return 0;
}

/* Schema. */

static int pragma_read(sqlite3 *db, const char *sql, int64_t *ret, struct err *err)
{
	sqlite3_stmt *st = NULL;

	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : sqlite_fail(db, sql, err);
}

static int migrate_one(sqlite3 *db, const struct migration *m, struct err *err)
{
	char version[64];

	TRY(run_sql(db, m->name, "BEGIN IMMEDIATE", err));
	TRY(run_sql(db, m->name, m->sqlite, err));
	snprintf(version, sizeof(version), "PRAGMA user_version = %d", m->version);
	TRY(run_sql(db, m->name, version, err));
	TRY(FAULT("db.migrate", err));
	return run_sql(db, m->name, "COMMIT", err);
}

/* A file with tables but without our mark is not ours to change. */
static int ours_check(sqlite3 *db, const char *path, struct err *err)
{
	int64_t id, tables;

	TRY(pragma_read(db, "PRAGMA application_id", &id, err));
	TRY(pragma_read(db, "SELECT count(*) FROM sqlite_master", &tables, err));
	if (id != APPLICATION_ID && tables > 0)
		return err_set(err, ERR_CONFLICT,
			"%s is a database of another program (give another path)", path);
	return 0;
}

static int migrate(sqlite3 *db, const char *path, struct err *err)
{
	int64_t version;
	char mark[64];

	TRY(ours_check(db, path, err));
	TRY(pragma_read(db, "PRAGMA user_version", &version, err));
	if (version > migration_count)
		return err_set(err, ERR_CONFLICT,
			"%s has schema %lld, this program knows up to %d (use a newer tidemark)",
			path, (long long)version, migration_count);
	snprintf(mark, sizeof(mark), "PRAGMA application_id = %d", APPLICATION_ID);
	TRY(run_sql(db, path, mark, err));
	for (const struct migration *m = migrations; m->version; m++)
		if (m->version > version && migrate_one(db, m, err) < 0)
			return err_wrap(err, "%s: migration %d", path, m->version);
	return 0;
}

/* The lock. Held by the process through the descriptor, so that a crash releases it. */

static int lock_refused(int fd, const char *path, int errnum, struct err *err)
{
	char pid[32] = "";

	if (errnum != EWOULDBLOCK)
		return err_errno(err, errnum, "cannot lock %s.lock", path);
	if (pread(fd, pid, sizeof(pid) - 1, 0) < 0)
		pid[0] = 0;
	return err_set(err, ERR_CONFLICT,
		"%s is in use by another server, process %s (stop it, or give another data "
		"directory)",
		path, pid[0] ? pid : "unknown");
}

static int lock_take(struct sqlite_store *s, struct err *err)
{
	own_mem char *name = mem_alloc(strlen(s->path) + sizeof(".lock"));
	char pid[32];

	memcpy(name, s->path, strlen(s->path));
	memcpy(name + strlen(s->path), ".lock", sizeof(".lock"));
	s->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return err_errno(err, errno, "cannot open %s (check the data directory)", name);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return lock_refused(s->lock_fd, s->path, errno, err);
	int n = snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	/* Only a courtesy to who finds the lock taken. */
	if (ftruncate(s->lock_fd, 0) < 0 || pwrite(s->lock_fd, pid, (size_t)n, 0) < 0)
		return err_errno(err, errno, "cannot write %s", name);
	return 0;
}

void sqlite_store_close(void *store)
{
	struct sqlite_store *s = store;

	if (!s)
		return;
	wal_close(s->wal);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	mem_free(s->path);
	mem_free(s);
}

/* Not all of it is sealed: nobody else may read it. The log files get the mode of this one. */
static int file_make(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(err, errno, "cannot open %s (check the data directory)", path);
	close(fd);
	return 0;
}

static int open_owned(struct sqlite_store *s, sqlite3 **ret, struct err *err)
{
	TRY(lock_take(s, err));
	TRY(file_make(s->path, err));
	TRY(sqlite_file_open(s->path, DB_WRITE, ret, err));
	TRY(migrate(*ret, s->path, err));
	return wal_open(s->path, &s->wal, err);
}

/* Beside a server that may be running: nothing is locked, and nothing changed. */
static int open_shared(struct sqlite_store *s, sqlite3 **ret, struct err *err)
{
	int64_t version;

	s->lock_fd = -1;
	TRY(sqlite_file_open(s->path, DB_READ, ret, err));
	TRY(pragma_read(*ret, "PRAGMA user_version", &version, err));
	if (version != migration_count)
		return err_set(err, ERR_CONFLICT,
			"%s has schema %lld, this program needs %d (use the tidemark that serves "
			"it)",
			s->path, (long long)version, migration_count);
	return 0;
}

static void library_init(void)
{
	/* Its memory statistics, which nobody reads, take a lock at every allocation. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int sqlite_store_open(const struct db_config *cfg, void **ret_store, struct err *err)
{
	struct sqlite_store *s = NEW(struct sqlite_store);
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	sqlite3 *db = NULL;

	pthread_once(&once, library_init);
	s->path = mem_strdup(cfg->path);
	int rc = cfg->shared ? open_shared(s, &db, err) : open_owned(s, &db, err);
	sqlite3_close_v2(db);
	if (rc < 0)
		sqlite_store_close(s);
	else
		*ret_store = s;
	return rc;
}
