-- Syncs and their schedules (src/model/sync*.c). Every SELECT of read_sync() has the same columns.

-- name: sync_list_of_connection
SELECT s.id, s.environment_id, s.integration_id, s.connection_id, c.connection_id, i.unique_key,
	s.name, s.variant, s.state, s.frequency, s.interval_ms, s.next_run_ms, s.run_id,
	s.last_sync_ms, s.created_ms
FROM syncs s JOIN connections c ON c.id = s.connection_id JOIN integrations i ON i.id = s.integration_id
WHERE s.connection_id = $1 AND s.deleted_ms IS NULL
ORDER BY s.name, s.variant;

-- name: sync_list_of_integration
SELECT s.id, s.environment_id, s.integration_id, s.connection_id, c.connection_id, i.unique_key,
	s.name, s.variant, s.state, s.frequency, s.interval_ms, s.next_run_ms, s.run_id,
	s.last_sync_ms, s.created_ms
FROM syncs s JOIN connections c ON c.id = s.connection_id JOIN integrations i ON i.id = s.integration_id
WHERE s.integration_id = $1 AND s.deleted_ms IS NULL
ORDER BY s.connection_id, s.name, s.variant;

-- name: sync_list_of_function
SELECT s.id, s.environment_id, s.integration_id, s.connection_id, c.connection_id, i.unique_key,
	s.name, s.variant, s.state, s.frequency, s.interval_ms, s.next_run_ms, s.run_id,
	s.last_sync_ms, s.created_ms
FROM syncs s JOIN connections c ON c.id = s.connection_id JOIN integrations i ON i.id = s.integration_id
WHERE s.integration_id = $1 AND s.name = $2 AND s.deleted_ms IS NULL
ORDER BY s.connection_id, s.variant;

-- name: sync_get
SELECT s.id, s.environment_id, s.integration_id, s.connection_id, c.connection_id, i.unique_key,
	s.name, s.variant, s.state, s.frequency, s.interval_ms, s.next_run_ms, s.run_id,
	s.last_sync_ms, s.created_ms
FROM syncs s JOIN connections c ON c.id = s.connection_id JOIN integrations i ON i.id = s.integration_id
WHERE s.id = $1;

-- The pairs (connection, sync function) that have no live base sync.
-- name: sync_missing_of_connection
SELECT c.environment_id, c.integration_id, c.id, f.name, f.interval_ms, f.auto_start
FROM connections c JOIN functions f ON f.integration_id = c.integration_id
WHERE c.id = $1 AND c.deleted_ms IS NULL AND f.type = 'sync' AND f.active = 1 AND f.enabled = 1
	AND f.deleted_ms IS NULL AND NOT EXISTS (SELECT 1 FROM syncs s WHERE s.connection_id = c.id
		AND s.name = f.name AND s.variant = 'base' AND s.deleted_ms IS NULL);

-- A connection that is not accepted yet gets its syncs when it is.
-- name: sync_missing_of_function
SELECT c.environment_id, c.integration_id, c.id, f.name, f.interval_ms, f.auto_start
FROM functions f JOIN connections c ON c.integration_id = f.integration_id
	AND c.environment_id = f.environment_id
WHERE f.id = $1 AND c.deleted_ms IS NULL AND f.type = 'sync' AND f.enabled = 1
	AND NOT EXISTS (SELECT 1 FROM syncs s WHERE s.connection_id = c.id
		AND s.name = f.name AND s.variant = 'base' AND s.deleted_ms IS NULL)
	AND NOT EXISTS (SELECT 1 FROM connection_validations v
		WHERE v.connection_id = c.id AND v.is_new = 1);

-- name: sync_insert
INSERT INTO syncs (id, environment_id, integration_id, connection_id, name, variant, state, interval_ms,
	next_run_ms, created_ms, updated_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $9);

-- name: sync_deleted_find
SELECT id, state, frequency, interval_ms FROM syncs
WHERE connection_id = $1 AND name = $2 AND variant = $3 AND deleted_ms IS NOT NULL
	AND deleted_ms > $4
ORDER BY deleted_ms DESC LIMIT 1;

-- name: sync_undelete
UPDATE syncs SET deleted_ms = NULL, state = $2, interval_ms = $3, next_run_ms = $4, updated_ms = $4
WHERE id = $1;

-- name: sync_delete
UPDATE syncs SET deleted_ms = $2, updated_ms = $2, run_id = NULL, queued = NULL WHERE id = $1;

-- name: sync_set_state
UPDATE syncs SET state = $2, next_run_ms = $3, updated_ms = $4 WHERE id = $1;

-- name: sync_set_frequency
UPDATE syncs SET frequency = $2, interval_ms = $3, next_run_ms = $4, updated_ms = $5 WHERE id = $1;

-- name: sync_set_run
UPDATE syncs SET run_id = $2, updated_ms = $3 WHERE id = $1;

-- name: sync_set_queued
UPDATE syncs SET queued = $2, updated_ms = $3 WHERE id = $1;

-- name: sync_reset
UPDATE syncs SET run_id = NULL, queued = NULL, last_sync_ms = NULL, failures = 0, updated_ms = $2
WHERE id = $1;

-- name: sync_lock
SELECT state, interval_ms, next_run_ms, run_id, queued, last_sync_ms, created_ms, deleted_ms, failures
FROM syncs WHERE id = $1;

-- name: sync_lock (postgres)
SELECT state, interval_ms, next_run_ms, run_id, queued, last_sync_ms, created_ms, deleted_ms, failures
FROM syncs WHERE id = $1 FOR UPDATE;

-- name: sync_run_over
UPDATE syncs SET run_id = NULL, queued = NULL, last_sync_ms = $2, next_run_ms = $3, failures = $4,
	updated_ms = $5
WHERE id = $1;

-- name: sync_run_cancelled
UPDATE syncs SET run_id = NULL, queued = NULL, next_run_ms = $2, updated_ms = $3 WHERE id = $1;

-- name: sync_count_variants
SELECT COUNT(*) FROM syncs WHERE connection_id = $1 AND name = $2 AND deleted_ms IS NULL;

-- Its run that started last, its function, its checkpoint.
-- name: sync_status
SELECT r.status, r.incremental, r.result, r.updated_ms, r.finished_ms, f.models, f.runs, k.value,
	k.deleted_ms
FROM syncs s
LEFT JOIN runs r ON r.id = (SELECT MAX(l.id) FROM runs l WHERE l.sync_id = s.id AND l.kind = 'sync'
	AND l.started_ms IS NOT NULL)
LEFT JOIN functions f ON f.integration_id = s.integration_id AND f.type = 'sync' AND f.name = s.name
	AND f.active = 1 AND f.deleted_ms IS NULL
LEFT JOIN checkpoints k ON k.connection_id = s.connection_id
	AND k.key = 'sync:' || s.name || ':' || s.variant
WHERE s.id = $1;

-- name: sync_record_counts
SELECT model, live FROM datasets WHERE connection_id = $1;

-- name: sync_function
SELECT runs, interval_ms, auto_start FROM functions
WHERE integration_id = $1 AND type = 'sync' AND name = $2 AND active = 1 AND enabled = 1
	AND deleted_ms IS NULL;

-- name: sync_function_by_id
SELECT integration_id, name, interval_ms, auto_start FROM functions WHERE id = $1;
