-- Webhooks owed to the app (src/model/outbox.c adds them, src/webhook/outbox.c delivers them).
-- Only the first pending row of a lane has a time in next_ms; those behind it wait with the
-- largest number, so that a long queue costs nothing.

-- Two transactions that touch the same lane must not miss each other's rows.
-- name: outbox_lane_lock
SELECT 1 WHERE $1 <> '';

-- name: outbox_lane_lock (postgres)
SELECT 1 FROM (SELECT pg_advisory_xact_lock(7203511, hashtext($1))) l;

-- name: outbox_urls
SELECT primary_url, secondary_url FROM environments WHERE id = $1;

-- name: outbox_add
INSERT INTO outbox (environment_id, lane, type, url, uuid, body, headers, state, next_ms, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'PENDING', CASE WHEN EXISTS (
	SELECT 1 FROM outbox WHERE lane = $2 AND state = 'PENDING') THEN 9000000000000000 ELSE $8 END, $8);

-- name: outbox_resend
INSERT INTO outbox (environment_id, lane, type, url, uuid, body, headers, state, next_ms, created_ms)
SELECT environment_id, $3, type, url, uuid, body, headers, 'PENDING', $4, $4
FROM outbox WHERE environment_id = $1 AND uuid = $2 AND state <> 'PENDING'
ORDER BY id DESC LIMIT 1;

-- Among the oldest $2, so that nobody waits while a long table is read.
-- name: outbox_prune
DELETE FROM outbox WHERE id IN (
	SELECT id FROM (SELECT id, state, finished_ms FROM outbox ORDER BY id LIMIT $2) AS oldest
	WHERE state <> 'PENDING' AND finished_ms < $1);

-- The rows to deliver now. next_ms moves on: who dies while delivering leaves them due again then.
-- name: outbox_claim
UPDATE outbox SET next_ms = $2, attempts = attempts + 1, owner = $4
WHERE id IN (SELECT id FROM outbox WHERE state = 'PENDING' AND next_ms <= $1
	ORDER BY next_ms LIMIT $3)
RETURNING id, environment_id, lane, type, url, uuid, body, headers, attempts, created_ms;

-- name: outbox_claim (postgres)
UPDATE outbox SET next_ms = $2, attempts = attempts + 1, owner = $4
WHERE id IN (SELECT id FROM outbox WHERE state = 'PENDING' AND next_ms <= $1
	ORDER BY next_ms LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING id, environment_id, lane, type, url, uuid, body, headers, attempts, created_ms;

-- Claims of former processes of our place: none of them lasts longer than until $2.
-- name: outbox_recover
UPDATE outbox SET next_ms = $1, owner = NULL
WHERE state = 'PENDING' AND next_ms > $1 AND next_ms <= $2
	AND owner <> $3 AND substr(owner, 1, length($4)) = $4;

-- name: outbox_next
SELECT next_ms FROM outbox WHERE state = 'PENDING' ORDER BY next_ms LIMIT 1;

-- An attempt's end; attempts is the fence: nobody else has claimed the row since.
-- name: outbox_end
UPDATE outbox SET state = $3, last_status = $4, last_error = $5, finished_ms = $6,
	owner = NULL
WHERE id = $1 AND attempts = $2 AND state = 'PENDING';

-- name: outbox_retry
UPDATE outbox SET next_ms = $3, last_status = $4, last_error = $5, owner = NULL
WHERE id = $1 AND attempts = $2 AND state = 'PENDING';

-- Not delivered after all, as if it had not been claimed.
-- name: outbox_release
UPDATE outbox SET next_ms = $3, attempts = attempts - 1, owner = NULL
WHERE id = $1 AND attempts = $2 AND state = 'PENDING';

-- The first row that waits in a lane takes its turn.
-- name: outbox_promote
UPDATE outbox SET next_ms = $2 WHERE id = (
	SELECT id FROM outbox WHERE lane = $1 AND state = 'PENDING' ORDER BY id LIMIT 1);
