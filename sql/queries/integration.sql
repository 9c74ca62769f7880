-- Integrations (src/model/integration.c).

-- name: integration_find
SELECT id, environment_id, unique_key, provider, display_name, credentials_sealed, custom_sealed,
	config, forward_webhooks, created_ms, updated_ms
FROM integrations WHERE environment_id = $1 AND unique_key = $2 AND deleted_ms IS NULL;

-- name: integration_get
SELECT id, environment_id, unique_key, provider, display_name, credentials_sealed, custom_sealed,
	config, forward_webhooks, created_ms, updated_ms
FROM integrations WHERE id = $1;

-- name: integration_list
SELECT id, environment_id, unique_key, provider, display_name, credentials_sealed, custom_sealed,
	config, forward_webhooks, created_ms, updated_ms
FROM integrations WHERE environment_id = $1 AND deleted_ms IS NULL ORDER BY unique_key;

-- name: integration_insert
INSERT INTO integrations (environment_id, unique_key, provider, display_name, credentials_sealed,
	config, custom_sealed, forward_webhooks, created_ms, updated_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
RETURNING id;

-- name: integration_update
UPDATE integrations
SET unique_key = $2, display_name = $3, credentials_sealed = $4, config = $5, custom_sealed = $6,
	forward_webhooks = $7, updated_ms = $8
WHERE id = $1;

-- name: integration_delete
UPDATE integrations SET deleted_ms = $2 WHERE id = $1 AND deleted_ms IS NULL;

-- name: integration_connection_count
SELECT COUNT(*) FROM connections WHERE integration_id = $1 AND deleted_ms IS NULL;
