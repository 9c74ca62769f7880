-- Webhooks of providers (src/webhook/inbox.c).

-- Nothing comes back when this event is there already.
-- name: inbox_store
INSERT INTO inbox (environment_id, integration_id, dedupe, headers, body, state, received_ms)
VALUES ($1, $2, $3, $4, $5, 'PENDING', $6)
ON CONFLICT (dedupe) DO NOTHING RETURNING id;

-- name: inbox_routed
UPDATE inbox SET state = 'ROUTED' WHERE id = $1;

-- name: inbox_pending
SELECT id, integration_id, headers, body, received_ms FROM inbox WHERE state = 'PENDING' ORDER BY id LIMIT $1;

-- What another node is routing at this moment is not routed twice.
-- name: inbox_pending (postgres)
SELECT id, integration_id, headers, body, received_ms FROM inbox WHERE state = 'PENDING' ORDER BY id LIMIT $1
FOR UPDATE SKIP LOCKED;

-- Could not be routed for days.
-- name: inbox_give_up
UPDATE inbox SET state = 'DEAD' WHERE id = $1;

-- Among the oldest $2, so that nobody waits while a long table is read.
-- name: inbox_prune
DELETE FROM inbox WHERE id IN (
	SELECT id FROM (SELECT id, state, received_ms FROM inbox ORDER BY id LIMIT $2) AS oldest
	WHERE state <> 'PENDING' AND received_ms < $1);
