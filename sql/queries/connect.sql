-- Connect sessions and authorisations under way (src/model/connect.c).

-- name: connect_session_insert
INSERT INTO connect_sessions (environment_id, token_hash, spec, created_ms, expires_ms)
VALUES ($1, $2, $3, $4, $5)
RETURNING id;

-- name: connect_session_find
SELECT id, environment_id, spec, expires_ms FROM connect_sessions
WHERE token_hash = $1 AND expires_ms > $2;

-- name: connect_session_get
SELECT id, environment_id, spec, expires_ms FROM connect_sessions WHERE id = $1 AND expires_ms > $2;

-- name: connect_session_delete
DELETE FROM connect_sessions WHERE id = $1;

-- name: connect_session_prune
DELETE FROM connect_sessions WHERE expires_ms <= $1;

-- name: oauth_session_insert
INSERT INTO oauth_sessions (state, environment_id, integration_id, session_id, secret_sealed, expires_ms)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: oauth_session_take
DELETE FROM oauth_sessions WHERE state = $1
RETURNING environment_id, integration_id, session_id, secret_sealed, expires_ms;

-- name: oauth_session_prune
DELETE FROM oauth_sessions WHERE expires_ms <= $1;
