-- What `tidemark doctor` asks (src/cli/doctor_db.c).

-- name: doctor_version (sqlite)
SELECT 'SQLite ' || sqlite_version();
-- name: doctor_version (postgres)
SELECT version();

-- Milliseconds.
-- name: doctor_clock (sqlite)
SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS BIGINT);
-- name: doctor_clock (postgres)
SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT);

-- The last thing written by a server.
-- name: doctor_newest
SELECT COALESCE(MAX(t), 0) FROM (SELECT created_ms AS t FROM log_messages ORDER BY id DESC LIMIT 1) AS m;

-- name: doctor_outbox
SELECT COUNT(*), MIN(created_ms) FROM outbox WHERE state = 'PENDING';
