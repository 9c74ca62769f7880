-- Checkpoints of functions (src/model/checkpoint.c).

-- name: checkpoint_get
SELECT value, version, deleted_ms FROM checkpoints WHERE connection_id = $1 AND key = $2;

-- name: checkpoint_lock
SELECT version, deleted_ms FROM checkpoints WHERE connection_id = $1 AND key = $2;

-- name: checkpoint_lock (postgres)
SELECT version, deleted_ms FROM checkpoints WHERE connection_id = $1 AND key = $2 FOR UPDATE;

-- name: checkpoint_insert
INSERT INTO checkpoints (environment_id, connection_id, key, value, version, updated_ms)
VALUES ($1, $2, $3, $4, 1, $5);

-- name: checkpoint_update
UPDATE checkpoints SET value = $3, version = version + 1, updated_ms = $4, deleted_ms = NULL
WHERE connection_id = $1 AND key = $2;

-- name: checkpoint_clear
UPDATE checkpoints SET version = version + 1, updated_ms = $3, deleted_ms = $3
WHERE connection_id = $1 AND key = $2;

-- name: checkpoint_wipe
DELETE FROM checkpoints WHERE connection_id = $1 AND (key = $2 OR (key >= $3 AND key < $4));
