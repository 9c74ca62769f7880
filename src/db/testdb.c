#include "db/testdb.h"

#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The cluster, the database that new ones copy, and who made it (a fork must not drop it). */
static const char *cluster;
static char template[64];
static pid_t maker;
static unsigned made;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "testdb: %s: %s\n", what, why);
	exit(1);
}

static void quiet(void *ctx, const char *message)
{
	(void)ctx;
	(void)message;
}

static void run(const char *sql)
{
	PGconn *pg = PQconnectdb(cluster);

	PQsetNoticeProcessor(pg, quiet, NULL);
	PGresult *res = PQexec(pg, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		die(sql, PQerrorMessage(pg));
	PQclear(res);
	PQfinish(pg);
}

static void drop(const char *name)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
	run(sql);
}

static void create(const char *name, const char *like)
{
	char sql[192];

	snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE %s", name, like);
	run(sql);
}

static void drop_template(void)
{
	if (getpid() == maker)
		drop(template);
}

/* postgres://user@host:port/postgres?options -> the same with another database. */
static void url_of(const char *name, char *out, size_t size)
{
	const char *rest = strstr(cluster, "://");
	const char *slash = rest ? strchr(rest + 3, '/') : NULL;
	const char *query = strchr(cluster, '?');

	if (!slash || snprintf(out, size, "%.*s/%s%s", (int)(slash - cluster), cluster, name,
			      query ? query : "") >= (int)size)
		die("TIDEMARK_TEST_POSTGRES", "expected postgres://user@host:port/postgres");
}

/* Migrating once and copying is faster than migrating each. */
static void make_template(void)
{
	struct err err = { 0 };
	char url[512];
	struct db *db;

	maker = getpid();
	snprintf(template, sizeof(template), "tidemark_template_%ld", (long)maker);
	drop(template);
	create(template, "template0");
	atexit(drop_template);
	url_of(template, url, sizeof(url));
	if (db_open(&(struct db_config){ .url = url }, NULL, &db, &err) < 0)
		die("template", err.msg);
	db_close(db);
}

static void make_file(struct testdb *t)
{
	/* In memory where there is such a place: waiting for a disk is most of the time. */
	snprintf(t->dir, sizeof(t->dir), "%s/tidemark-test-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(t->dir))
		die("mkdtemp", t->dir);
	snprintf(t->path, sizeof(t->path), "%s/t.db", t->dir);
}

void testdb_make(struct testdb *t)
{
	*t = (struct testdb){ 0 };
	cluster = getenv("TIDEMARK_TEST_POSTGRES");
	if (!cluster) {
		make_file(t);
		return;
	}
	if (!template[0])
		make_template();
	snprintf(t->name, sizeof(t->name), "tidemark_test_%ld_%u", (long)getpid(), made++);
	drop(t->name);
	create(t->name, template);
	url_of(t->name, t->url, sizeof(t->url));
}

void testdb_drop(struct testdb *t)
{
	char command[128];

	if (testdb_is_postgres(t)) {
		drop(t->name);
		return;
	}
	snprintf(command, sizeof(command), "rm -rf %s", t->dir);
	if (system(command) != 0)
		die("rm", t->dir);
}

static char answer[4000];

static void answer_add(const char *value)
{
	size_t at = strlen(answer);

	snprintf(answer + at, sizeof(answer) - at, "%s ", value ? value : "(null)");
}

static void ask_postgres(const struct testdb *t, const char *sql)
{
	PGconn *pg = PQconnectdb(t->url);
	PGresult *res = PQexec(pg, sql);

	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
		die(sql, PQerrorMessage(pg));
	for (int i = 0; i < PQntuples(res); i++)
		answer_add(PQgetisnull(res, i, 0) ? NULL : PQgetvalue(res, i, 0));
	PQclear(res);
	PQfinish(pg);
}

static void ask_file(const struct testdb *t, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;

	if (sqlite3_open(t->path, &db) != SQLITE_OK ||
		sqlite3_busy_timeout(db, 10000) != SQLITE_OK ||
		sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		die(sql, sqlite3_errmsg(db));
	while (sqlite3_step(stmt) == SQLITE_ROW)
		answer_add((const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

const char *testdb_ask(const struct testdb *t, const char *sql)
{
	answer[0] = 0;
	if (testdb_is_postgres(t))
		ask_postgres(t, sql);
	else
		ask_file(t, sql);
	return answer;
}
