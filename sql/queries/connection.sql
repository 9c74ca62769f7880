-- Connections (src/model/connection.c). Every SELECT has the columns of read_row() there.

-- name: connection_find
SELECT c.id, c.environment_id, c.integration_id, c.connection_id, i.unique_key, i.provider,
	c.credentials_sealed, c.connection_config, c.metadata, c.tags, c.end_user, c.errors,
	c.webhook_url_override, c.created_ms, c.updated_ms, c.last_fetched_ms
FROM integrations i
	JOIN connections c ON c.environment_id = i.environment_id AND c.integration_id = i.id
WHERE i.environment_id = $1 AND i.unique_key = $2 AND i.deleted_ms IS NULL
	AND c.connection_id = $3 AND c.deleted_ms IS NULL;

-- name: connection_get
SELECT c.id, c.environment_id, c.integration_id, c.connection_id, i.unique_key, i.provider,
	c.credentials_sealed, c.connection_config, c.metadata, c.tags, c.end_user, c.errors,
	c.webhook_url_override, c.created_ms, c.updated_ms, c.last_fetched_ms
FROM connections c JOIN integrations i ON i.id = c.integration_id
WHERE c.id = $1 AND c.deleted_ms IS NULL;

-- name: connection_list
SELECT c.id, c.environment_id, c.integration_id, c.connection_id, i.unique_key, i.provider,
	c.credentials_sealed, c.connection_config, c.metadata, c.tags, c.end_user, c.errors,
	c.webhook_url_override, c.created_ms, c.updated_ms, c.last_fetched_ms
FROM connections c JOIN integrations i ON i.id = c.integration_id
WHERE c.environment_id = $1 AND c.deleted_ms IS NULL
ORDER BY c.id DESC LIMIT $2 OFFSET $3;

-- name: connection_list_by_id
SELECT c.id, c.environment_id, c.integration_id, c.connection_id, i.unique_key, i.provider,
	c.credentials_sealed, c.connection_config, c.metadata, c.tags, c.end_user, c.errors,
	c.webhook_url_override, c.created_ms, c.updated_ms, c.last_fetched_ms
FROM connections c JOIN integrations i ON i.id = c.integration_id
WHERE c.environment_id = $1 AND c.connection_id = $2 AND c.deleted_ms IS NULL
ORDER BY c.id DESC;

-- name: connection_list_of_integration
SELECT c.id, c.environment_id, c.integration_id, c.connection_id, i.unique_key, i.provider,
	c.credentials_sealed, c.connection_config, c.metadata, c.tags, c.end_user, c.errors,
	c.webhook_url_override, c.created_ms, c.updated_ms, c.last_fetched_ms
FROM integrations i
	JOIN connections c ON c.environment_id = i.environment_id AND c.integration_id = i.id
WHERE i.id = $1 AND c.deleted_ms IS NULL
ORDER BY c.id;

-- name: connection_insert
INSERT INTO connections (environment_id, integration_id, connection_id, credentials_sealed,
	connection_config, metadata, tags, end_user, webhook_url_override, created_ms, updated_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
RETURNING id;

-- name: connection_overwrite
UPDATE connections
SET credentials_sealed = $2, connection_config = $3, metadata = $4, tags = $5, end_user = $6,
	webhook_url_override = $7, errors = '[]', updated_ms = $8
WHERE id = $1;

-- name: connection_update
UPDATE connections SET tags = $2, end_user = $3, webhook_url_override = $4, updated_ms = $5
WHERE id = $1;

-- name: connection_set_metadata
UPDATE connections SET metadata = $2, updated_ms = $3 WHERE id = $1;

-- name: connection_set_errors
UPDATE connections SET errors = $2 WHERE id = $1;

-- name: connection_touch
UPDATE connections SET last_fetched_ms = $2 WHERE id = $1;

-- name: connection_delete
UPDATE connections SET deleted_ms = $2 WHERE id = $1 AND deleted_ms IS NULL;

-- The error that says "not validated yet" is not for a new token to clear.
-- name: connection_swap_credentials
UPDATE connections SET credentials_sealed = $2, connection_config = $3, updated_ms = $4,
	errors = CASE WHEN EXISTS (SELECT 1 FROM connection_validations v WHERE v.connection_id = connections.id)
		THEN errors ELSE '[]' END
WHERE id = $1 AND credentials_sealed = $5 AND deleted_ms IS NULL;
