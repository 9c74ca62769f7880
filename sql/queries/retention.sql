-- What is forgotten with time (src/sync/retention.c).

-- Models of the syncs of a connection and variant that were made, or succeeded, since $3.
-- name: retention_sync_models
SELECT f.models FROM syncs s
JOIN functions f ON f.integration_id = s.integration_id AND f.type = 'sync' AND f.name = s.name
	AND f.active = 1 AND f.deleted_ms IS NULL
WHERE s.connection_id = $1 AND s.variant = $2 AND s.deleted_ms IS NULL
	AND (s.created_ms >= $3 OR s.last_sync_ms >= $3);

-- name: retention_connection
SELECT id FROM connections WHERE deleted_ms < $1 ORDER BY deleted_ms LIMIT 1;

-- name: retention_dataset
SELECT model FROM datasets WHERE connection_id = $1 AND total > 0 ORDER BY id LIMIT 1;

-- name: retention_records
SELECT COUNT(*) FROM datasets WHERE connection_id = $1 AND total > 0;

-- name: retention_syncs
DELETE FROM syncs WHERE connection_id = $1;

-- name: retention_checkpoints
DELETE FROM checkpoints WHERE connection_id = $1;

-- name: retention_batches
DELETE FROM record_batches WHERE connection_id = $1;

-- name: retention_windows
DELETE FROM record_windows WHERE connection_id = $1;

-- name: retention_seen
DELETE FROM record_seen WHERE connection_id = $1;

-- Empty ones.
-- name: retention_datasets
DELETE FROM datasets WHERE connection_id = $1;

-- name: retention_connection_delete
DELETE FROM connections WHERE id = $1;
