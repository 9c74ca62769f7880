-- The users' log (src/model/oplog.c).

-- name: oplog_open
INSERT INTO log_operations (id, environment_id, type, action, state, message, integration, connection,
	function, variant, run_id, meta, error, created_ms, ended_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (id) DO NOTHING;

-- name: oplog_close
UPDATE log_operations SET state = $2, meta = COALESCE($3, meta), error = COALESCE($4, error),
	ended_ms = $5
WHERE id = $1 AND ended_ms IS NULL;

-- name: oplog_write
INSERT INTO log_messages (operation_id, level, type, source, message, meta, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- Ids begin with their time, in as many digits.
-- name: oplog_old
SELECT id FROM log_operations WHERE id < $1 ORDER BY id LIMIT $2;

-- name: oplog_delete_messages
DELETE FROM log_messages WHERE operation_id = $1;
-- name: oplog_delete_messages (postgres)
DELETE FROM log_messages WHERE operation_id = ANY($1::text[]);

-- name: oplog_delete
DELETE FROM log_operations WHERE id = $1;
-- name: oplog_delete (postgres)
DELETE FROM log_operations WHERE id = ANY($1::text[]);
