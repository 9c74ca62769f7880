-- Connections under validation (src/model/validation.c).

-- One that was never accepted stays new, however often it is given other credentials.
-- name: validation_begin
INSERT INTO connection_validations (connection_id, operation_id, is_new, until_ms) VALUES ($1, $2, $3, $4)
ON CONFLICT (connection_id) DO UPDATE
SET operation_id = excluded.operation_id, until_ms = excluded.until_ms;

-- name: validation_end
DELETE FROM connection_validations WHERE connection_id = $1 AND operation_id = $2 RETURNING is_new;

-- name: validation_forget
DELETE FROM connection_validations WHERE connection_id = $1 RETURNING is_new;

-- name: validation_expire_all
UPDATE connection_validations SET until_ms = 0;

-- name: validation_expired
SELECT connection_id, operation_id FROM connection_validations WHERE until_ms <= $1
ORDER BY until_ms LIMIT $2;

-- Runs that were to judge a connection and have not ended.
-- name: validation_open_runs
SELECT r.id FROM runs r
JOIN connections c ON c.id = r.connection_id
JOIN functions f ON f.integration_id = c.integration_id AND f.name = r.name AND f.type = 'on-event'
	AND f.event = 'validate-connection' AND f.active = 1
WHERE r.connection_id = $1 AND r.kind = 'on-event' AND (r.status = 'QUEUED' OR r.status = 'RUNNING');
