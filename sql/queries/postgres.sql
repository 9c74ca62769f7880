-- What the PostgreSQL back end asks for itself (src/db/postgres_open.c, postgres_tx.c).

-- Where a pooler dropped what was asked for at the start, each transaction asks again.
-- name: pg_settings (postgres only)
SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('jit', 'off', true),
	set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
	set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
	set_config('lock_timeout', '60s', true);

-- name: pg_settings_held (postgres only)
SELECT 1 WHERE current_setting('plan_cache_mode') = 'force_generic_plan';

-- name: pg_transaction (postgres only)
SELECT pg_current_xact_id()::text;

-- A server that has crashed loses the ids of transactions that had not reached its disk, and gives them
-- out again. It also loses its statistics, which note when they began: that is how a crash, or another
-- server in the place of this one, is told from a connection that broke.
-- name: pg_era (postgres only)
SELECT stats_reset::text FROM pg_stat_archiver;

-- What became of transaction $2 of era $1: "committed", "aborted", "in progress"; "" when the server does
-- not know. In another era its id may be another's: one that was committed proves nothing then. But any
-- other state proves that ours was not, as the id of what was committed is never given out again.
-- name: pg_outcome (postgres only)
SELECT CASE WHEN (SELECT stats_reset::text FROM pg_stat_archiver) = $1::text
		THEN COALESCE(pg_xact_status(t.id), '')
	WHEN t.id >= pg_snapshot_xmax(pg_current_snapshot()) THEN 'aborted'
	WHEN pg_xact_status(t.id) IN ('aborted', 'in progress') THEN 'aborted'
	ELSE '' END
FROM (SELECT $2::text::xid8 AS id) AS t;

-- "Tide": one server migrates at a time.
-- name: pg_migration_lock (postgres only)
SELECT pg_advisory_xact_lock(1416193125);

-- The schema. SQLite has application_id and user_version for it.

-- name: schema_is_there (postgres only)
SELECT 1 FROM pg_class WHERE oid = to_regclass('tidemark_schema');

-- Those of extensions do not count: many providers install some in every database.
-- name: schema_tables (postgres only)
SELECT CASE WHEN current_schema() IS NOT NULL THEN (SELECT COUNT(*) FROM pg_class c
	WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
	AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
		AND d.objid = c.oid AND d.deptype = 'e')) END;

-- name: schema_create (postgres only)
CREATE TABLE tidemark_schema (
	version BIGINT PRIMARY KEY,
	name TEXT NOT NULL,
	migrated TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- name: schema_version (postgres only)
SELECT COALESCE(MAX(version), 0) FROM tidemark_schema;

-- name: schema_migrated (postgres only)
INSERT INTO tidemark_schema (version, name) VALUES
