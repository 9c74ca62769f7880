-- What the PostgreSQL back end notes about its schema (src/db/postgres_open.c). SQLite has
-- application_id and user_version for it.

-- name: schema_is_there (postgres only)
SELECT 1 FROM pg_class WHERE oid = to_regclass('tidemark_schema');

-- name: schema_tables (postgres only)
SELECT CASE WHEN current_schema() IS NOT NULL THEN (SELECT COUNT(*) FROM pg_class
	WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm')) END;

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
