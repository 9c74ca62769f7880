-- Refreshes of tokens (src/model/token_refresh.c).

-- name: token_refresh_get
SELECT fence, lease_ms, failures, failed_days, failed_ms, retry_ms, exhausted, refreshed_ms, error
FROM token_refreshes WHERE connection_id = $1;

-- name: token_refresh_claim
INSERT INTO token_refreshes (connection_id, fence, lease_ms, owner) VALUES ($1, 1, $2, $4)
ON CONFLICT (connection_id) DO UPDATE
SET fence = token_refreshes.fence + 1, lease_ms = excluded.lease_ms, owner = excluded.owner
WHERE token_refreshes.lease_ms <= $3
RETURNING fence;

-- name: token_refresh_release
UPDATE token_refreshes SET lease_ms = 0 WHERE connection_id = $1 AND fence = $2;

-- name: token_refresh_succeeded
UPDATE token_refreshes
SET lease_ms = 0, failures = 0, failed_days = 0, failed_ms = 0, retry_ms = 0, exhausted = 0,
	refreshed_ms = $3, error = NULL
WHERE connection_id = $1 AND fence = $2;

-- name: token_refresh_failed
UPDATE token_refreshes
SET lease_ms = 0, failures = $3, failed_days = $4, failed_ms = $5, retry_ms = $6, exhausted = $7,
	error = $8
WHERE connection_id = $1 AND fence = $2;

-- name: token_refresh_forget
UPDATE token_refreshes
SET failures = 0, failed_days = 0, failed_ms = 0, retry_ms = 0, exhausted = 0, error = NULL
WHERE connection_id = $1;

-- name: token_refresh_give_up
INSERT INTO token_refreshes (connection_id, failures, failed_ms, exhausted, error) VALUES ($1, 1, $2, 1, $3)
ON CONFLICT (connection_id) DO UPDATE
SET failures = token_refreshes.failures + 1, failed_ms = excluded.failed_ms, exhausted = 1,
	error = excluded.error;

-- name: token_refresh_retry_now
UPDATE token_refreshes SET retry_ms = 0
WHERE connection_id IN (SELECT id FROM connections WHERE integration_id = $1);

-- name: token_refresh_recover
UPDATE token_refreshes SET lease_ms = 0
WHERE lease_ms > 0 AND owner <> $1 AND substr(owner, 1, length($2)) = $2;

-- name: token_refresh_idle
SELECT c.id FROM connections c LEFT JOIN token_refreshes t ON t.connection_id = c.id
WHERE c.id > $2 AND c.deleted_ms IS NULL
	AND COALESCE(c.last_fetched_ms, c.created_ms) < $1
	AND (t.connection_id IS NULL
		OR (t.refreshed_ms < $1 AND t.exhausted = 0 AND t.retry_ms < $3))
ORDER BY c.id LIMIT $4;
