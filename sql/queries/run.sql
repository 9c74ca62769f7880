-- Runs (src/model/run*.c).

-- name: run_insert
INSERT INTO runs (environment_id, connection_id, sync_id, kind, name, variant, status, empty_cache,
	input, operation_id, due_ms, owner, lease_ms, created_ms, updated_ms, async_id, retries)
VALUES ($1, $2, $3, $4, $5, $6, 'QUEUED', $7, $8, $9, $10, $11, $12, $13, $13, $14, $15)
RETURNING id;

-- name: run_due_syncs
SELECT id, environment_id, connection_id, name, variant, next_run_ms FROM syncs
WHERE state = 'STARTED' AND run_id IS NULL AND deleted_ms IS NULL AND next_run_ms <= $1
ORDER BY next_run_ms LIMIT $2;

-- name: run_due_syncs (postgres)
SELECT id, environment_id, connection_id, name, variant, next_run_ms FROM syncs
WHERE state = 'STARTED' AND run_id IS NULL AND deleted_ms IS NULL AND next_run_ms <= $1
ORDER BY next_run_ms LIMIT $2
FOR UPDATE SKIP LOCKED;

-- name: run_waiting
SELECT id FROM runs
WHERE (status = 'QUEUED' OR status = 'RUNNING') AND owner IS NULL AND not_before_ms <= $1
ORDER BY id LIMIT $2;

-- name: run_waiting (postgres)
SELECT id FROM runs
WHERE (status = 'QUEUED' OR status = 'RUNNING') AND owner IS NULL AND not_before_ms <= $1
ORDER BY id LIMIT $2
FOR UPDATE SKIP LOCKED;

-- name: run_own
UPDATE runs SET owner = $2, lease_ms = $3 WHERE id = $1;

-- name: run_next_due
SELECT next_run_ms FROM syncs
WHERE state = 'STARTED' AND run_id IS NULL AND deleted_ms IS NULL
ORDER BY next_run_ms LIMIT 1;

-- name: run_next_waiting
SELECT MIN(not_before_ms) FROM runs
WHERE (status = 'QUEUED' OR status = 'RUNNING') AND owner IS NULL;

-- name: run_renew
UPDATE runs SET lease_ms = $2 WHERE owner = $1;

-- name: run_recover
UPDATE runs SET owner = NULL, unnoticed = 0
WHERE owner IS NOT NULL AND owner <> $1 AND (lease_ms < $2 OR substr(owner, 1, length($3)) = $3);

-- name: run_postpone
UPDATE runs SET owner = NULL, not_before_ms = $3 WHERE id = $1 AND owner = $2;

-- name: run_emptied
UPDATE runs SET empty_cache = 0 WHERE id = $1;

-- name: run_open_of_connection
SELECT id FROM runs WHERE (status = 'QUEUED' OR status = 'RUNNING') AND connection_id = $1;

-- name: run_oldest
SELECT COALESCE(MIN(id), 0) FROM runs
WHERE (status = 'QUEUED' OR status = 'RUNNING') AND connection_id = $1 AND id <> $2;

-- name: run_load
SELECT r.fence, r.attempt, r.status, r.owner, r.environment_id, r.connection_id, r.kind, r.name,
	r.variant, r.sync_id, r.operation_id, r.input, r.empty_cache, r.due_ms, r.started_ms,
	e.name, e.validation, e.log_level, c.connection_id, c.deleted_ms, i.id, i.unique_key,
	i.provider, s.last_sync_ms, f.id, f.file_hash, f.version, f.sync_type, f.models,
	f.json_schema, f.attributes, f.track_deletes, f.enabled, r.retries, f.event
FROM runs r
JOIN environments e ON e.id = r.environment_id
JOIN connections c ON c.id = r.connection_id
JOIN integrations i ON i.id = c.integration_id
LEFT JOIN syncs s ON s.id = r.sync_id
LEFT JOIN functions f ON f.integration_id = i.id
	AND f.type = CASE r.kind WHEN 'webhook' THEN 'sync' ELSE r.kind END
	AND f.name = r.name AND f.active = 1 AND f.deleted_ms IS NULL
WHERE r.id = $1;

-- name: run_load (postgres)
SELECT r.fence, r.attempt, r.status, r.owner, r.environment_id, r.connection_id, r.kind, r.name,
	r.variant, r.sync_id, r.operation_id, r.input, r.empty_cache, r.due_ms, r.started_ms,
	e.name, e.validation, e.log_level, c.connection_id, c.deleted_ms, i.id, i.unique_key,
	i.provider, s.last_sync_ms, f.id, f.file_hash, f.version, f.sync_type, f.models,
	f.json_schema, f.attributes, f.track_deletes, f.enabled, r.retries, f.event
FROM runs r
JOIN environments e ON e.id = r.environment_id
JOIN connections c ON c.id = r.connection_id
JOIN integrations i ON i.id = c.integration_id
LEFT JOIN syncs s ON s.id = r.sync_id
LEFT JOIN functions f ON f.integration_id = i.id
	AND f.type = CASE r.kind WHEN 'webhook' THEN 'sync' ELSE r.kind END
	AND f.name = r.name AND f.active = 1 AND f.deleted_ms IS NULL
WHERE r.id = $1
FOR UPDATE OF r;

-- name: run_start
UPDATE runs SET status = 'RUNNING', fence = fence + 1, started_ms = $2, function_id = $3, initial = $4,
	incremental = $5, updated_ms = $6
WHERE id = $1;

-- name: run_guard
SELECT fence, status, result, operation_id, kind FROM runs WHERE id = $1;

-- name: run_guard (postgres)
SELECT fence, status, result, operation_id, kind FROM runs WHERE id = $1 FOR UPDATE;

-- name: run_set_result
UPDATE runs SET result = $2, updated_ms = $3 WHERE id = $1;

-- name: run_end
UPDATE runs SET status = $2, output = $3, error = $4, checkpoint_from = $5, checkpoint_to = $6,
	finished_ms = $7, updated_ms = $7, owner = NULL
WHERE id = $1;

-- name: run_retry
UPDATE runs SET status = 'QUEUED', owner = NULL, attempt = attempt + 1, not_before_ms = $2, error = $3,
	updated_ms = $4
WHERE id = $1;

-- name: run_cancel
UPDATE runs SET status = 'CANCELLED', fence = fence + 1, error = $2, finished_ms = $3, updated_ms = $3,
	unnoticed = CASE WHEN status = 'RUNNING' AND owner IS NOT NULL THEN 1 ELSE 0 END,
	owner = CASE status WHEN 'RUNNING' THEN owner ELSE NULL END
WHERE id = $1;

-- name: run_cancelled
SELECT id FROM runs WHERE unnoticed = 1 AND owner = $1;

-- name: run_noticed
UPDATE runs SET unnoticed = 0, owner = NULL WHERE unnoticed = 1 AND owner = $1;

-- A run as its webhooks tell it.
-- name: run_story
SELECT r.environment_id, r.kind, r.name, r.variant, r.sync_id, r.status, r.initial, r.started_ms,
	r.finished_ms, r.result, r.error, r.checkpoint_from, r.checkpoint_to, c.connection_id,
	c.webhook_url_override, i.unique_key, f.models, e.on_sync_completion_always, e.on_sync_error,
	r.async_id, e.on_async_action_completion
FROM runs r
JOIN environments e ON e.id = r.environment_id
JOIN connections c ON c.id = r.connection_id
JOIN integrations i ON i.id = c.integration_id
LEFT JOIN functions f ON f.id = r.function_id
WHERE r.id = $1;

-- name: run_old
SELECT id FROM (SELECT id, finished_ms FROM runs ORDER BY id LIMIT $2) AS oldest WHERE finished_ms < $1;

-- name: run_delete
DELETE FROM runs WHERE id = $1;

-- name: run_of_async
SELECT status, output, error FROM runs WHERE environment_id = $1 AND async_id = $2;
