-- Functions and their code (src/model/function.c). Every SELECT has the columns of read_row().

-- name: function_get
SELECT f.id, f.environment_id, f.integration_id, i.unique_key, f.name, f.type, f.version, f.active,
	f.enabled, f.source, f.file_hash, f.sdk_version, f.runs, f.interval_ms, f.auto_start,
	f.track_deletes, f.sync_type, f.models, f.input, f.json_schema, f.metadata, f.attributes,
	f.endpoints, f.features, f.webhook_subscriptions, f.event, f.created_ms
FROM functions f JOIN integrations i ON i.id = f.integration_id
WHERE f.id = $1;

-- name: function_find
SELECT f.id, f.environment_id, f.integration_id, i.unique_key, f.name, f.type, f.version, f.active,
	f.enabled, f.source, f.file_hash, f.sdk_version, f.runs, f.interval_ms, f.auto_start,
	f.track_deletes, f.sync_type, f.models, f.input, f.json_schema, f.metadata, f.attributes,
	f.endpoints, f.features, f.webhook_subscriptions, f.event, f.created_ms
FROM functions f JOIN integrations i ON i.id = f.integration_id
WHERE f.integration_id = $1 AND f.type = $2 AND f.name = $3 AND f.active = 1
	AND f.deleted_ms IS NULL;

-- name: function_list
SELECT f.id, f.environment_id, f.integration_id, i.unique_key, f.name, f.type, f.version, f.active,
	f.enabled, f.source, f.file_hash, f.sdk_version, f.runs, f.interval_ms, f.auto_start,
	f.track_deletes, f.sync_type, f.models, f.input, f.json_schema, f.metadata, f.attributes,
	f.endpoints, f.features, f.webhook_subscriptions, f.event, f.created_ms
FROM functions f JOIN integrations i ON i.id = f.integration_id
WHERE f.environment_id = $1 AND f.active = 1 AND f.deleted_ms IS NULL
ORDER BY i.unique_key, f.type DESC, f.name;

-- name: function_list_of_integration
SELECT f.id, f.environment_id, f.integration_id, i.unique_key, f.name, f.type, f.version, f.active,
	f.enabled, f.source, f.file_hash, f.sdk_version, f.runs, f.interval_ms, f.auto_start,
	f.track_deletes, f.sync_type, f.models, f.input, f.json_schema, f.metadata, f.attributes,
	f.endpoints, f.features, f.webhook_subscriptions, f.event, f.created_ms
FROM functions f JOIN integrations i ON i.id = f.integration_id
WHERE f.integration_id = $1 AND f.active = 1 AND f.deleted_ms IS NULL
ORDER BY f.type DESC, f.name;

-- name: function_code
SELECT js, ts FROM function_files WHERE hash = $1;

-- name: function_code_put
INSERT INTO function_files (hash, js, ts) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING;

-- name: function_retire
UPDATE functions SET active = 0
WHERE integration_id = $1 AND type = $2 AND name = $3 AND active = 1 AND deleted_ms IS NULL;

-- name: function_insert
INSERT INTO functions (environment_id, integration_id, name, type, version, enabled, source,
	file_hash, sdk_version, runs, interval_ms, auto_start, track_deletes, sync_type, models, input,
	json_schema, metadata, attributes, endpoints, features, webhook_subscriptions, event, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
	$21, $22, $23, $24)
RETURNING id;

-- name: function_delete
UPDATE functions SET deleted_ms = $4
WHERE integration_id = $1 AND type = $2 AND name = $3 AND deleted_ms IS NULL;

-- name: function_set_enabled
UPDATE functions SET enabled = $2 WHERE id = $1;

-- name: function_sync_exists
SELECT COUNT(*) FROM syncs
WHERE integration_id = $1 AND name = $2 AND deleted_ms IS NULL;

-- One deployment of an environment at a time; SQLite has one writer anyway.

-- name: deploy_lock
SELECT id FROM environments WHERE id = $1;

-- name: deploy_lock (postgres)
SELECT id FROM environments WHERE id = $1 FOR UPDATE;
