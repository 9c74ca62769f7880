-- Environments, their keys, signing keys and variables (src/model/env.c, api_key.c).

-- name: env_get
SELECT id, uuid, name, is_production, primary_url, secondary_url, on_sync_completion_always,
	on_sync_error, on_auth_creation, on_auth_refresh_error, on_async_action_completion, validation,
	log_level
FROM environments WHERE id = $1;

-- name: env_by_uuid
SELECT id, uuid, name, is_production, primary_url, secondary_url, on_sync_completion_always,
	on_sync_error, on_auth_creation, on_auth_refresh_error, on_async_action_completion, validation,
	log_level
FROM environments WHERE uuid = $1;

-- name: env_by_name
SELECT id, uuid, name, is_production, primary_url, secondary_url, on_sync_completion_always,
	on_sync_error, on_auth_creation, on_auth_refresh_error, on_async_action_completion, validation,
	log_level
FROM environments WHERE name = $1;

-- name: env_list
SELECT id, uuid, name, is_production, primary_url, secondary_url, on_sync_completion_always,
	on_sync_error, on_auth_creation, on_auth_refresh_error, on_async_action_completion, validation,
	log_level
FROM environments ORDER BY id;

-- name: env_insert
INSERT INTO environments (uuid, name, is_production, created_ms) VALUES ($1, $2, $3, $4)
RETURNING id;

-- name: env_set_signing_key
UPDATE environments SET signing_key_sealed = $2 WHERE id = $1;

-- name: env_signing_key
SELECT signing_key_sealed FROM environments WHERE id = $1;

-- name: env_set_webhooks
UPDATE environments
SET primary_url = $2, secondary_url = $3, on_sync_completion_always = $4, on_sync_error = $5,
	on_auth_creation = $6, on_auth_refresh_error = $7, on_async_action_completion = $8
WHERE id = $1;

-- name: env_set_settings
UPDATE environments SET validation = $2, log_level = $3 WHERE id = $1;

-- name: env_variables
SELECT name, value_sealed FROM environment_variables WHERE environment_id = $1 ORDER BY name;

-- name: env_variable_put
INSERT INTO environment_variables (environment_id, name, value_sealed) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, name) DO UPDATE SET value_sealed = excluded.value_sealed;

-- name: env_variable_delete
DELETE FROM environment_variables WHERE environment_id = $1 AND name = $2;

-- name: api_key_find
SELECT k.id, k.environment_id, e.name, k.display_name, k.scopes, k.created_ms
FROM api_keys k JOIN environments e ON e.id = k.environment_id
WHERE k.hash = $1;

-- name: api_key_insert
INSERT INTO api_keys (environment_id, display_name, hash, key_sealed, scopes, created_ms)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: api_key_list
SELECT k.id, k.environment_id, e.name, k.display_name, k.scopes, k.created_ms, k.key_sealed
FROM api_keys k JOIN environments e ON e.id = k.environment_id
WHERE k.environment_id = $1 ORDER BY k.id;

-- name: data_key_list
SELECT id, environment_id, wrapped FROM data_keys WHERE id > $1 ORDER BY id;

-- name: data_key_of_env
SELECT id, environment_id, wrapped FROM data_keys WHERE environment_id = $1 ORDER BY id;

-- name: data_key_last
SELECT environment_id, wrapped FROM data_keys ORDER BY id DESC LIMIT 1;

-- The first row is what everybody locks who makes or wraps keys.
-- name: data_key_lock (sqlite)
SELECT id FROM data_keys ORDER BY id LIMIT 1;
-- name: data_key_lock (postgres)
SELECT id FROM data_keys ORDER BY id LIMIT 1 FOR UPDATE;

-- name: data_key_rewrap (sqlite)
UPDATE data_keys SET wrapped = $2 WHERE id = $1;
-- name: data_key_rewrap (postgres)
UPDATE data_keys SET wrapped = w.wrapped
FROM unnest($1::bigint[], $2::bytea[]) AS w (id, wrapped) WHERE data_keys.id = w.id;

-- name: data_key_insert
INSERT INTO data_keys (environment_id, wrapped, created_ms) VALUES ($1, $2, $3) RETURNING id;
