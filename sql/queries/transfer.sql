-- Export and import (src/transfer/). What moves the tables is made by tools/sql_tables.py.

-- The highest id ever given out in a table, which may be higher than any that is there.
-- name: sequence_get (sqlite)
SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = $1), 0);
-- name: sequence_get (postgres)
SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence($1, 'id')::regclass), 0);

-- Before sequence_set, where that would only add.
-- name: sequence_clear (sqlite)
DELETE FROM sqlite_sequence WHERE name = $1;
-- name: sequence_clear (postgres)
SELECT $1::text;

-- name: sequence_set (sqlite)
INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2);
-- name: sequence_set (postgres)
SELECT setval(pg_get_serial_sequence($1, 'id')::regclass, GREATEST($2::bigint, 1), $2::bigint > 0);

-- name: import_find
SELECT export_id, position, digest FROM imports LIMIT 1;

-- name: import_begin
INSERT INTO imports (export_id, position, digest, started_ms) VALUES ($1, $2, $3, $4);

-- name: import_progress
UPDATE imports SET position = $2, digest = $3 WHERE export_id = $1;

-- name: import_end
DELETE FROM imports WHERE export_id = $1;
