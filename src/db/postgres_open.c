#include "base/fault.h"
#include "base/log.h"
#include "db/postgres.h"
#include "db/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/*
 * Plans must not depend on what the planner believes about tables it has never analysed: every
 * query is written for one plan (nested loops over the primary keys), and with these settings that
 * is the only one left. A generic plan is made once per connection. Sessions that hang do not keep
 * datasets locked.
 */
#define OPTIONS                                                                    \
	"-c plan_cache_mode=force_generic_plan -c jit=off -c enable_seqscan=off"   \
	" -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off" \
	" -c max_parallel_workers_per_gather=0 -c lock_timeout=60s"                \
	" -c statement_timeout=10min -c idle_in_transaction_session_timeout=60s"

/* More than libpq has. */
#define PG_SETTINGS_MAX 100

/* Certificates of the system, for connections whose URL says nothing of TLS. */
static const char *const system_roots[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine */
	"/etc/pki/tls/certs/ca-bundle.crt", /* Fedora */
	"/etc/ssl/cert.pem", /* macOS */
};

/* Errors. */

struct meaning {
	const char *state; /* the start of a SQLSTATE (documentation: appendix A) */
	enum err_code ours;
	enum pg_trouble trouble;
	const char *text;
};

static const struct meaning meanings[] = {
	{ "23502", ERR_INTERNAL, PG_NO_TROUBLE, "a value is missing" },
	{ "23514", ERR_INTERNAL, PG_NO_TROUBLE, "a value is not allowed" },
	{ "23", ERR_CONFLICT, PG_NO_TROUBLE, "it contradicts what is stored" },
	{ "25006", ERR_IO, PG_LOST,
		"the database is read-only (give the address of the primary server)" },
	{ "26000", ERR_IO, PG_POOLER, "the pooler keeps no prepared statements" },
	{ "42P05", ERR_IO, PG_POOLER, "the pooler mixes prepared statements" },
	{ "0A000", ERR_IO, PG_POOLER, "a prepared statement is out of date" },
	{ "40", ERR_IO, PG_DEADLOCK, "it lost to another transaction (try again)" },
	{ "53100", ERR_IO, PG_NO_TROUBLE,
		"the disk of the database server is full (free space there)" },
	{ "53300", ERR_IO, PG_LOST,
		"the database server has no connection left (raise max_connections there, or "
		"lower db_connections)" },
	{ "53", ERR_IO, PG_NO_TROUBLE, "the database server lacks resources" },
	{ "54", ERR_LIMIT, PG_NO_TROUBLE, "a value is larger than the database can hold" },
	{ "55P03", ERR_TIMEOUT, PG_NO_TROUBLE,
		"another operation holds a lock for too long (try again)" },
	{ "57014", ERR_TIMEOUT, PG_NO_TROUBLE, "the statement took too long" },
	{ "57P", ERR_IO, PG_LOST, "the database server ended the connection" },
	{ "25P03", ERR_IO, PG_LOST, "the database server ended the connection" },
	{ "08", ERR_IO, PG_LOST, "the connection to the database is lost" },
	{ "28", ERR_INVALID, PG_NO_TROUBLE,
		"the database refuses us (check user and password of the database URL)" },
	{ "3D000", ERR_NOT_FOUND, PG_NO_TROUBLE,
		"there is no such database (create it, or check the URL)" },
	{ "42501", ERR_INVALID, PG_NO_TROUBLE,
		"access denied (our user must own the schema it works in)" },
	{ "58", ERR_IO, PG_NO_TROUBLE, "the database server cannot read or write its disk" },
	{ "XX001", ERR_INTERNAL, PG_NO_TROUBLE, "the database is damaged (restore a backup)" },
};

/* The first line of libpq's text, without what the settings already say. */
static struct sv first_line(const char *text)
{
	return sv_make(text, strcspn(text, "\n"));
}

int pg_fail(struct pg_conn *p, const PGresult *res, const char *what, struct err *err)
{
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
	const char *text = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	struct sv detail = first_line(text ? text : PQerrorMessage(p->pg));

	for (size_t i = 0; state && i < ARRAY_LEN(meanings); i++) {
		const struct meaning *m = &meanings[i];
		if (strncmp(state, m->state, strlen(m->state)) != 0)
			continue;
		/* A read that tries to write is not the server's fault. */
		bool ours = p->mode == DB_READ && strcmp(m->state, "25006") == 0;
		p->trouble = ours ? PG_NO_TROUBLE : m->trouble;
		return err_set(err, m->ours, "%s: %s: %.*s", what, m->text, SV(detail));
	}
	if (!state) { /* it comes from libpq, which is through with the connection */
		p->trouble = PG_LOST;
		return err_set(err, ERR_IO, "%s: the connection to the database is lost: %.*s",
			what, SV(detail));
	}
	return err_set(err, ERR_INTERNAL, "%s: %.*s (SQLSTATE %s)", what, SV(detail), state);
}

/* Connecting. */

static void quiet(void *ctx, const char *message)
{
	(void)ctx;
	log_debug(NULL, "PostgreSQL says", LOG_SV("notice", first_line(message)));
}

static int connect_error(PGconn *pg, struct err *err)
{
	static const char *const refusals[] = { "password", "authentication", "no pg_hba.conf" };
	struct sv why = first_line(PQerrorMessage(pg));

	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (strstr(PQerrorMessage(pg), refusals[i]))
			return err_set(err, ERR_INVALID, "the database refuses us: %.*s", SV(why));
	if (strstr(PQerrorMessage(pg), "certificate"))
		return err_set(err, ERR_INVALID,
			"the database's certificate cannot be verified: %.*s (put "
			"sslrootcert=FILE in the URL; sslmode=require would trust anybody)",
			SV(why));
	return err_set(err, ERR_IO, "the database cannot be reached: %.*s", SV(why));
}

static PGconn *connect_with(const struct pg_store *s, bool options)
{
	const char *names[PG_SETTINGS_MAX + 1] = { NULL };
	size_t n = 0;

	for (; s->names[n]; n++)
		names[n] = s->names[n];
	if (!options)
		names[n - 1] = NULL; /* they are the last */
	return PQconnectdbParams(names, (const char *const *)s->values, 0);
}

/* A pooler may refuse `options`, or take them and drop them. */
static PGconn *try_connect(struct pg_store *s)
{
	PGconn *pg = connect_with(s, !s->unset);

	if (PQstatus(pg) == CONNECTION_OK || !strstr(PQerrorMessage(pg), "startup parameter"))
		return pg;
	PQfinish(pg);
	s->unset = true;
	return connect_with(s, false);
}

/* The only value of a query of our own, as text; "" when there is none. */
static void read_value(struct pg_conn *p, enum query q, char *out, size_t size)
{
	PGresult *res = PQexec(p->pg, query_texts[q].postgres);

	out[0] = 0;
	if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1)
		snprintf(out, size, "%s", PQgetvalue(res, 0, 0));
	PQclear(res);
}

static bool settings_hold(struct pg_conn *p)
{
	char held[4];

	read_value(p, Q_PG_SETTINGS_HELD, held, sizeof(held));
	return held[0] != 0;
}

int pg_connect(struct pg_conn *p, struct err *err)
{
	struct pg_store *s = p->store;

	pg_disconnect(p);
	p->pg = try_connect(s);
	if (PQstatus(p->pg) != CONNECTION_OK) {
		int rc = connect_error(p->pg, err);
		p->trouble = rc == ERR_IO ? PG_LOST : PG_NO_TROUBLE;
		pg_disconnect(p);
		return rc;
	}
	PQsetNoticeProcessor(p->pg, quiet, NULL);
	if (!s->unset && !settings_hold(p))
		s->unset = true;
	read_value(p, Q_PG_ERA, p->era, sizeof(p->era));
	PQenterPipelineMode(p->pg);
	s->reachable = true;
	return 0;
}

void pg_disconnect(struct pg_conn *p)
{
	if (p->pg)
		PQfinish(p->pg);
	p->pg = NULL;
	p->tx = TX_NONE;
	p->queued = 0;
	p->id_at = -1;
	p->ends_unread = 0;
	p->store->reachable = false;
	memset(p->prepared, 0, sizeof(p->prepared));
}

/* Settings of libpq. */

static bool is_local(const char *host)
{
	return !host || !*host || host[0] == '/' || strcmp(host, "localhost") == 0 ||
	       strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static void set(struct pg_store *s, size_t *n, const char *name, const char *value)
{
	s->names[*n] = mem_strdup(name);
	s->values[(*n)++] = mem_strdup(value);
}

static const char *system_root(void)
{
	for (size_t i = 0; i < ARRAY_LEN(system_roots); i++)
		if (access(system_roots[i], R_OK) == 0)
			return system_roots[i];
	return NULL;
}

/* What the URL leaves open. Over a network only a verified certificate will do. */
static void set_defaults(struct pg_store *s, const PQconninfoOption *given, size_t *n)
{
	const char *host = NULL, *mode = NULL, *root = NULL, *options = "";
	char all[1024];

	for (const PQconninfoOption *o = given; o->keyword; o++) {
		if (!o->val)
			continue;
		if (strcmp(o->keyword, "host") == 0)
			host = o->val;
		else if (strcmp(o->keyword, "sslmode") == 0)
			mode = o->val;
		else if (strcmp(o->keyword, "sslrootcert") == 0)
			root = o->val;
		else if (strcmp(o->keyword, "options") == 0)
			options = o->val;
	}
	if (!mode && !is_local(host)) {
		set(s, n, "sslmode", "verify-full");
		if (!root && system_root())
			set(s, n, "sslrootcert", system_root());
	}
	snprintf(all, sizeof(all), "%s %s", OPTIONS, options); /* the user's win */
	set(s, n, "options", all);
}

static int read_url(struct pg_store *s, const char *url, struct err *err)
{
	static const char *const ours[][2] = { { "client_encoding", "UTF8" },
		{ "application_name", "tidemark" }, { "connect_timeout", "10" },
		{ "keepalives_idle", "30" }, { "tcp_user_timeout", "30000" },
		{ "target_session_attrs", "read-write" } };
	char *why = NULL;
	size_t n = 0, count = 0;

	PQconninfoOption *given = PQconninfoParse(url, &why);
	if (!given) {
		err_set(err, ERR_INVALID, "the database URL is wrong: %.*s",
			SV(first_line(why ? why : "out of memory")));
		PQfreemem(why);
		return ERR_INVALID;
	}
	while (given[count].keyword)
		count++;
	assert(count + ARRAY_LEN(ours) + 3 <= PG_SETTINGS_MAX);
	s->names = mem_array(PG_SETTINGS_MAX + 1, sizeof(char *));
	s->values = mem_array(PG_SETTINGS_MAX + 1, sizeof(char *));
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		set(s, &n, ours[i][0], ours[i][1]);
	for (size_t i = 0; i < count; i++) /* later ones win */
		if (given[i].val && strcmp(given[i].keyword, "options") != 0)
			set(s, &n, given[i].keyword, given[i].val);
	set_defaults(s, given, &n);
	PQconninfoFree(given);
	return 0;
}

/* Schema. A plain connection: scripts of many statements do not go through a pipeline. */

static int run(
	struct pg_conn *p, const char *what, const char *sql, PGresult **ret, struct err *err)
{
	PGresult *res = PQexec(p->pg, sql);
	ExecStatusType status = PQresultStatus(res);
	int rc = 0;

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		rc = pg_fail(p, res, what, err);
	if (rc == 0 && ret)
		*ret = res;
	else
		PQclear(res);
	return rc;
}

/* The first column of the first row; -1 for NULL. */
static int run_i64(
	struct pg_conn *p, const char *what, const char *sql, int64_t *ret, struct err *err)
{
	PGresult *res = NULL;

	TRY(run(p, what, sql, &res, err));
	bool there = PQntuples(res) > 0 && !PQgetisnull(res, 0, 0);
	*ret = there ? strtoll(PQgetvalue(res, 0, 0), NULL, 10) : -1;
	PQclear(res);
	return 0;
}

/* -1: there is no schema of ours. */
static int read_version(struct pg_conn *p, int64_t *ret, struct err *err)
{
	int64_t there;

	*ret = -1;
	TRY(run_i64(p, "schema", query_texts[Q_SCHEMA_IS_THERE].postgres, &there, err));
	if (there < 0)
		return 0;
	return run_i64(p, "schema", query_texts[Q_SCHEMA_VERSION].postgres, ret, err);
}

static int schema_begin(struct pg_conn *p, int64_t *ret_version, struct err *err)
{
	int64_t tables;

	TRY(run(p, "schema", "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0",
		NULL, err));
	TRY(run(p, "schema", query_texts[Q_PG_MIGRATION_LOCK].postgres, NULL, err));
	TRY(read_version(p, ret_version, err));
	if (*ret_version >= 0)
		return 0;
	TRY(run_i64(p, "schema", query_texts[Q_SCHEMA_TABLES].postgres, &tables, err));
	if (tables < 0)
		return err_set(err, ERR_INVALID,
			"the database has no schema to work in (create one, or set search_path)");
	if (tables > 0)
		return err_set(err, ERR_CONFLICT,
			"the database holds tables of another program (give an empty database or "
			"schema)");
	*ret_version = 0;
	return run(p, "schema", query_texts[Q_SCHEMA_CREATE].postgres, NULL, err);
}

static int migrate_one(struct pg_conn *p, const struct migration *m, struct err *err)
{
	char sql[256];

	TRY(run(p, m->name, m->postgres, NULL, err));
	TRY(FAULT("db.migrate", err));
	snprintf(sql, sizeof(sql), "%s (%d, '%s')", query_texts[Q_SCHEMA_MIGRATED].postgres,
		m->version, m->name);
	return run(p, m->name, sql, NULL, err);
}

static int check_newer(int64_t version, struct err *err)
{
	if (version <= migration_count)
		return 0;
	return err_set(err, ERR_CONFLICT,
		"the database has schema %lld, this program knows up to %d (use a newer tidemark)",
		(long long)version, migration_count);
}

/* All of it in one transaction; several nodes that start at once wait for the first. */
static int migrate(struct pg_conn *p, struct err *err)
{
	int64_t version;

	TRY(read_version(p, &version, err));
	if (version == migration_count)
		return 0;
	TRY(check_newer(version, err));
	TRY(schema_begin(p, &version, err));
	TRY(check_newer(version, err));
	for (const struct migration *m = migrations; m->version; m++)
		if (m->version > version && migrate_one(p, m, err) < 0)
			return err_wrap(err, "migration %d", m->version);
	return run(p, "schema", "COMMIT", NULL, err);
}

/* Beside the servers that own it: nothing is changed. */
static int check_version(struct pg_conn *p, struct err *err)
{
	int64_t version;

	TRY(read_version(p, &version, err));
	if (version < 0)
		return err_set(err, ERR_NOT_FOUND,
			"there is no data in this database (`tidemark serve` makes it)");
	if (version != migration_count)
		return err_set(err, ERR_CONFLICT,
			"the database has schema %lld, this program needs %d (use the tidemark "
			"that serves it)",
			(long long)version, migration_count);
	return 0;
}

static int set_up(struct pg_store *s, bool shared, struct err *err)
{
	struct pg_conn p = { .store = s };

	int rc = pg_connect(&p, err);
	if (rc == 0) {
		PQexitPipelineMode(p.pg);
		if (PQserverVersion(p.pg) < 150000)
			rc = err_set(err, ERR_INVALID,
				"the database server is older than PostgreSQL 15 (upgrade it)");
		else
			rc = shared ? check_version(&p, err) : migrate(&p, err);
	}
	pg_disconnect(&p);
	return rc;
}

/* A name says which text it stands for: poolers share statements between programs. */
static void name_statements(struct pg_store *s)
{
	s->statements = mem_array(Q_COUNT + 1, sizeof(*s->statements));
	for (size_t q = 0; q < Q_COUNT; q++) {
		const char *sql = query_texts[q].postgres;
		snprintf(s->statements[q], sizeof(s->statements[q]), "t%016llx",
			(unsigned long long)XXH3_64bits(sql, strlen(sql)));
	}
}

int pg_store_open(const struct db_config *cfg, void **ret_store, struct err *err)
{
	struct pg_store *s = NEW(struct pg_store);

	pthread_mutex_init(&s->lock, NULL);
	name_statements(s);
	int rc = read_url(s, cfg->url, err);
	if (rc == 0)
		rc = set_up(s, cfg->shared, err);
	if (rc < 0)
		pg_store_close(s);
	else
		*ret_store = s;
	return rc;
}

void pg_store_close(void *store)
{
	struct pg_store *s = store;

	if (!s)
		return;
	pg_ear_free(s->ear);
	for (size_t i = 0; s->names && s->names[i]; i++) {
		mem_free(s->names[i]);
		mem_free(s->values[i]);
	}
	mem_free(s->names);
	mem_free(s->values);
	for (size_t q = 0; q < Q_COUNT; q++) {
		if (s->types[q])
			mem_free(s->types[q]->oids);
		mem_free(s->types[q]);
	}
	mem_free(s->statements);
	pthread_mutex_destroy(&s->lock);
	mem_free(s);
}
