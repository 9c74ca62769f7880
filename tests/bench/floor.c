#include "floor.h"

#include "base/clock.h"
#include "base/mem.h"

#include <endian.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void die(const char *what, const char *why)
{
	fprintf(stderr, "records_bench: %s: %s\n", what, why);
	exit(1);
}

/* Differs from row to row and does not compress, as ciphertext. */
static void fill(char *blob, size_t bytes, int row)
{
	uint64_t x = (uint64_t)row * 0x9e3779b97f4a7c15u + 1;

	for (size_t i = 0; i + sizeof(x) <= bytes; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(blob + i, &x, sizeof(x));
	}
}

static double rate(struct floor *f, int64_t since_us, int64_t cpu_us)
{
	f->cpu_us = clock_cpu_us() - cpu_us;
	return (double)f->records / (double)(clock_mono_us() - since_us) * 1e6;
}

/* SQLite. */

static void sqlite_run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sql, sqlite3_errmsg(db));
}

static void sqlite_insert(sqlite3 *db, const struct floor *f, char *blob)
{
	sqlite3_stmt *st;

	sqlite3_prepare_v2(db, "INSERT INTO raw (bytes) VALUES (?1)", -1, &st, NULL);
	for (int i = 0; i < f->records; i++) {
		if (i % f->batch == 0)
			sqlite_run(db, "BEGIN IMMEDIATE");
		fill(blob, f->bytes, i);
		sqlite3_bind_blob(st, 1, blob, (int)f->bytes, SQLITE_STATIC);
		if (sqlite3_step(st) != SQLITE_DONE)
			die("INSERT", sqlite3_errmsg(db));
		sqlite3_reset(st);
		if (i % f->batch == f->batch - 1 || i == f->records - 1)
			sqlite_run(db, "COMMIT");
	}
	sqlite3_finalize(st);
}

/* With the store's own settings (db/sqlite_open.c). */
static sqlite3 *sqlite_new(const char *path)
{
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK)
		die(path, sqlite3_errmsg(db));
	sqlite_run(db,
		"PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		"PRAGMA wal_autocheckpoint = 4096; PRAGMA cache_size = -32768;"
		"CREATE TABLE raw (id INTEGER PRIMARY KEY, bytes BLOB)");
	return db;
}

double floor_sqlite(const char *folder, struct floor *f)
{
	own_mem char *blob = mem_zalloc(f->bytes);
	char path[256];

	snprintf(path, sizeof(path), "%s/floor.db", folder);
	sqlite3 *db = sqlite_new(path);
	int64_t since = clock_mono_us(), cpu = clock_cpu_us();
	sqlite_insert(db, f, blob);
	double result = rate(f, since, cpu);
	sqlite3_close(db);
	unlink(path);
	return result;
}

/* SQLite, with keys. */

struct floor_keyed {
	sqlite3 *db;
	sqlite3_stmt *find, *key, *row;
	char path[256];
	int count;
};

static sqlite3_stmt *prepared(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		die(sql, sqlite3_errmsg(db));
	return st;
}

struct floor_keyed *floor_keyed_open(const char *folder)
{
	struct floor_keyed *k = NEW(struct floor_keyed);

	snprintf(k->path, sizeof(k->path), "%s/floor.db", folder);
	k->db = sqlite_new(k->path);
	sqlite_run(k->db, "CREATE TABLE keys (hash INTEGER PRIMARY KEY, id INTEGER)");
	k->find = prepared(k->db, "SELECT id FROM keys WHERE hash = ?1");
	k->key = prepared(k->db, "INSERT INTO keys VALUES (?1, ?2)");
	k->row = prepared(k->db, "INSERT INTO raw VALUES (?1, ?2)");
	return k;
}

static void step(struct floor_keyed *k, sqlite3_stmt *st)
{
	if (sqlite3_step(st) != SQLITE_DONE)
		die("floor", sqlite3_errmsg(k->db));
	sqlite3_reset(st);
}

double floor_keyed_add(struct floor_keyed *k, struct floor *f)
{
	own_mem char *blob = mem_zalloc(f->bytes);
	int64_t since = clock_mono_us(), cpu = clock_cpu_us();

	for (int i = 0; i < f->records; i++) {
		if (i % f->batch == 0)
			sqlite_run(k->db, "BEGIN IMMEDIATE");
		int64_t hash = (int64_t)((uint64_t)++k->count * 0x9e3779b97f4a7c15u >> 16);
		sqlite3_bind_int64(k->find, 1, hash);
		step(k, k->find);
		sqlite3_bind_int64(k->key, 1, hash);
		sqlite3_bind_int64(k->key, 2, k->count);
		step(k, k->key);
		fill(blob, f->bytes, k->count);
		sqlite3_bind_int64(k->row, 1, k->count);
		sqlite3_bind_blob(k->row, 2, blob, (int)f->bytes, SQLITE_STATIC);
		step(k, k->row);
		if (i % f->batch == f->batch - 1 || i == f->records - 1)
			sqlite_run(k->db, "COMMIT");
	}
	return rate(f, since, cpu);
}

void floor_keyed_close(struct floor_keyed *k)
{
	sqlite3_finalize(k->find);
	sqlite3_finalize(k->key);
	sqlite3_finalize(k->row);
	sqlite3_close(k->db);
	unlink(k->path);
	mem_free(k);
}

/* PostgreSQL. */

static void pg_run(PGconn *pg, const char *sql, ExecStatusType want)
{
	PGresult *res = PQexec(pg, sql);

	if (PQresultStatus(res) != want)
		die(sql, PQerrorMessage(pg));
	PQclear(res);
}

/* A batch as a binary COPY (documentation: COPY, "Binary Format"): one column a row. */
static void pg_copy(PGconn *pg, const struct floor *f, int first, char *blob)
{
	static const char header[19] = "PGCOPY\n\377\r\n";
	uint16_t columns = htobe16(1), end = 0xffff;
	uint32_t len = htobe32((uint32_t)f->bytes);

	pg_run(pg, "COPY raw FROM STDIN (FORMAT binary)", PGRES_COPY_IN);
	PQputCopyData(pg, header, sizeof(header));
	for (int i = first; i < first + f->batch && i < f->records; i++) {
		fill(blob, f->bytes, i);
		PQputCopyData(pg, (char *)&columns, sizeof(columns));
		PQputCopyData(pg, (char *)&len, sizeof(len));
		PQputCopyData(pg, blob, (int)f->bytes);
	}
	PQputCopyData(pg, (char *)&end, sizeof(end));
	if (PQputCopyEnd(pg, NULL) != 1)
		die("COPY", PQerrorMessage(pg));
	for (PGresult *res; (res = PQgetResult(pg)); PQclear(res))
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			die("COPY", PQerrorMessage(pg));
}

double floor_postgres(const char *url, struct floor *f)
{
	own_mem char *blob = mem_zalloc(f->bytes);
	PGconn *pg = PQconnectdb(url);

	if (PQstatus(pg) != CONNECTION_OK)
		die(url, PQerrorMessage(pg));
	pg_run(pg, "CREATE TABLE raw (bytes BYTEA)", PGRES_COMMAND_OK);
	pg_run(pg, "ALTER TABLE raw ALTER bytes SET STORAGE EXTERNAL", PGRES_COMMAND_OK);
	int64_t since = clock_mono_us(), cpu = clock_cpu_us();
	for (int i = 0; i < f->records; i += f->batch)
		pg_copy(pg, f, i, blob);
	double result = rate(f, since, cpu);
	pg_run(pg, "DROP TABLE raw", PGRES_COMMAND_OK);
	PQfinish(pg);
	return result;
}
