-- Locks of functions (src/model/lock.c).

-- name: lock_acquire
INSERT INTO locks (environment_id, key, owner, expires_ms) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, key) DO UPDATE SET owner = excluded.owner, expires_ms = excluded.expires_ms
WHERE locks.owner = excluded.owner OR locks.expires_ms <= $5;

-- name: lock_release
DELETE FROM locks WHERE environment_id = $1 AND key = $2 AND owner = $3;

-- name: lock_release_all
DELETE FROM locks WHERE environment_id = $1 AND owner = $2;
