-- What the REST API reads of the users' log (src/api/logs.c). Newest operation first; NULL filters
-- nothing.

-- name: logs_operations
SELECT id, type, action, state, message, integration, connection, function, variant, run_id, meta,
	error, created_ms, ended_ms
FROM log_operations
WHERE environment_id = $1 AND created_ms <= $7 AND (created_ms < $7 OR id < $9)
	AND (CAST($2 AS TEXT) IS NULL OR type = $2) AND (CAST($3 AS TEXT) IS NULL OR state = $3)
	AND (CAST($4 AS TEXT) IS NULL OR integration = $4)
	AND (CAST($5 AS TEXT) IS NULL OR connection = $5)
	AND (CAST($6 AS TEXT) IS NULL OR function = $6)
ORDER BY created_ms DESC, id DESC LIMIT $8;

-- name: logs_operation_exists
SELECT COUNT(*) FROM log_operations WHERE id = $1 AND environment_id = $2;

-- name: logs_messages
SELECT id, level, type, source, message, meta, created_ms FROM log_messages
WHERE operation_id = $1 AND id > $2 ORDER BY id LIMIT $3;
