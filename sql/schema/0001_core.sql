-- The model: everything but records. Written in the dialect SQLite and PostgreSQL share; tools/sql.py
-- translates the two words that differ (BLOB, INTEGER PRIMARY KEY AUTOINCREMENT).
-- Times are milliseconds since 1970 UTC (*_ms), booleans 0/1, JSON is TEXT. Columns named *_sealed
-- hold AES-256-GCM blobs (crypto/aead.h). Rows with deleted_ms set are gone for users and kept for
-- the retention period.

CREATE TABLE environments (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid TEXT NOT NULL UNIQUE,		-- in inbound webhook URLs
	name TEXT NOT NULL UNIQUE,
	is_production BIGINT NOT NULL DEFAULT 0,
	signing_key_sealed BLOB,		-- outbound webhooks
	primary_url TEXT,
	secondary_url TEXT,
	on_sync_completion_always BIGINT NOT NULL DEFAULT 1,
	on_sync_error BIGINT NOT NULL DEFAULT 1,
	on_auth_creation BIGINT NOT NULL DEFAULT 1,
	on_auth_refresh_error BIGINT NOT NULL DEFAULT 1,
	on_async_action_completion BIGINT NOT NULL DEFAULT 1,
	validation TEXT NOT NULL DEFAULT 'warn',	-- off | warn | fail
	log_level TEXT NOT NULL DEFAULT 'info',
	created_ms BIGINT NOT NULL
);

-- Data keys, wrapped by the master key; the newest of an environment seals, all of them open.
CREATE TABLE data_keys (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	environment_id BIGINT NOT NULL REFERENCES environments (id),
	wrapped BLOB NOT NULL,
	created_ms BIGINT NOT NULL
);
CREATE INDEX data_keys_environment ON data_keys (environment_id);

CREATE TABLE api_keys (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	environment_id BIGINT NOT NULL REFERENCES environments (id),
	display_name TEXT NOT NULL,
	hash BLOB NOT NULL UNIQUE,		-- SHA-256 of the lower-cased key
	key_sealed BLOB NOT NULL,		-- so that an operator can read it again
	scopes TEXT NOT NULL,			-- JSON array
	created_ms BIGINT NOT NULL
);
CREATE INDEX api_keys_environment ON api_keys (environment_id);

CREATE TABLE environment_variables (
	environment_id BIGINT NOT NULL REFERENCES environments (id),
	name TEXT NOT NULL,
	value_sealed BLOB NOT NULL,
	PRIMARY KEY (environment_id, name)
);

CREATE TABLE integrations (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	environment_id BIGINT NOT NULL REFERENCES environments (id),
	unique_key TEXT NOT NULL,		-- provider_config_key on the wire
	provider TEXT NOT NULL,
	display_name TEXT,
	credentials_sealed BLOB,		-- JSON: the app's client id, secret, scopes...
	config TEXT NOT NULL DEFAULT '{}',	-- integration_config
	custom_sealed BLOB,			-- JSON: webhookSecret and other free secrets
	forward_webhooks BIGINT NOT NULL DEFAULT 1,
	created_ms BIGINT NOT NULL,
	updated_ms BIGINT NOT NULL,
	deleted_ms BIGINT
);
CREATE UNIQUE INDEX integrations_live ON integrations (environment_id, unique_key)
	WHERE deleted_ms IS NULL;

CREATE TABLE connections (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	environment_id BIGINT NOT NULL REFERENCES environments (id),
	integration_id BIGINT NOT NULL REFERENCES integrations (id),
	connection_id TEXT NOT NULL,		-- the customer-visible id
	credentials_sealed BLOB NOT NULL,	-- JSON, with its "type"
	connection_config TEXT NOT NULL DEFAULT '{}',
	metadata TEXT,
	tags TEXT NOT NULL DEFAULT '{}',
	end_user TEXT,
	webhook_url_override TEXT,
	errors TEXT NOT NULL DEFAULT '[]',
	created_ms BIGINT NOT NULL,
	updated_ms BIGINT NOT NULL,
	last_fetched_ms BIGINT,
	deleted_ms BIGINT
);
CREATE UNIQUE INDEX connections_live ON connections (environment_id, integration_id, connection_id)
	WHERE deleted_ms IS NULL;
CREATE INDEX connections_by_id ON connections (environment_id, connection_id);

-- The compiled bundle and its source, once per content.
CREATE TABLE function_files (
	hash TEXT PRIMARY KEY,			-- hex SHA-256 of js and ts
	js TEXT NOT NULL,			-- CommonJS bundle, inline source map included
	ts TEXT NOT NULL
);

-- One row per deployed version; exactly one active per (integration, type, name).
CREATE TABLE functions (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	environment_id BIGINT NOT NULL REFERENCES environments (id),
	integration_id BIGINT NOT NULL REFERENCES integrations (id),
	name TEXT NOT NULL,
	type TEXT NOT NULL,			-- sync | action | on-event
	version TEXT NOT NULL,
	active BIGINT NOT NULL DEFAULT 1,
	enabled BIGINT NOT NULL DEFAULT 1,
	source TEXT NOT NULL DEFAULT 'repo',	-- repo | standalone | catalog
	file_hash TEXT NOT NULL REFERENCES function_files (hash),
	sdk_version TEXT,
	runs TEXT,				-- frequency as written
	interval_ms BIGINT,			-- frequency as understood
	auto_start BIGINT NOT NULL DEFAULT 0,
	track_deletes BIGINT NOT NULL DEFAULT 0,
	sync_type TEXT,				-- full | incremental
	models TEXT NOT NULL DEFAULT '[]',
	input TEXT,
	json_schema TEXT,			-- {"definitions": {...}}
	metadata TEXT NOT NULL DEFAULT '{}',	-- {description, scopes}
	attributes TEXT NOT NULL DEFAULT '{}',
	endpoints TEXT NOT NULL DEFAULT '[]',
	features TEXT NOT NULL DEFAULT '[]',
	webhook_subscriptions TEXT NOT NULL DEFAULT '[]',
	event TEXT,				-- on-event functions
	created_ms BIGINT NOT NULL,
	deleted_ms BIGINT
);
CREATE UNIQUE INDEX functions_active ON functions (integration_id, type, name)
	WHERE active = 1 AND deleted_ms IS NULL;
CREATE INDEX functions_environment ON functions (environment_id);

-- A sync: one (connection, sync function, variant), with its schedule.
CREATE TABLE syncs (
	id TEXT PRIMARY KEY,			-- uuid v4
	environment_id BIGINT NOT NULL REFERENCES environments (id),
	integration_id BIGINT NOT NULL,
	connection_id BIGINT NOT NULL REFERENCES connections (id),
	name TEXT NOT NULL,
	variant TEXT NOT NULL DEFAULT 'base',
	state TEXT NOT NULL,			-- STARTED | PAUSED: the schedule
	frequency TEXT,				-- override of this connection
	interval_ms BIGINT NOT NULL,		-- in force
	next_run_ms BIGINT NOT NULL,		-- meaningful while STARTED
	run_id BIGINT,				-- the queued or running run, if any: never two
	queued TEXT,				-- JSON: what to run right after that one (coalesced triggers)
	last_sync_ms BIGINT,			-- start of the last successful run; NULL = never or reset
	failures BIGINT NOT NULL DEFAULT 0,	-- failed runs in a row
	created_ms BIGINT NOT NULL,
	updated_ms BIGINT NOT NULL,
	deleted_ms BIGINT
);
CREATE UNIQUE INDEX syncs_live ON syncs (connection_id, name, variant) WHERE deleted_ms IS NULL;
CREATE INDEX syncs_due ON syncs (next_run_ms)
	WHERE state = 'STARTED' AND run_id IS NULL AND deleted_ms IS NULL;
CREATE INDEX syncs_function ON syncs (integration_id, name);

-- A run of a sync, webhook handler, action or on-event function. `id` is also the generation that
-- deletion detection compares.
CREATE TABLE runs (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	environment_id BIGINT NOT NULL,
	connection_id BIGINT NOT NULL,
	sync_id TEXT,
	function_id BIGINT,			-- version that runs, set at start
	kind TEXT NOT NULL,			-- sync | webhook | action | on-event
	name TEXT NOT NULL,
	variant TEXT NOT NULL DEFAULT 'base',
	status TEXT NOT NULL,			-- QUEUED | RUNNING | SUCCESS | FAILED | CANCELLED
	fence BIGINT NOT NULL DEFAULT 0,	-- raised at each start and cancel: a stale runner is refused
	attempt BIGINT NOT NULL DEFAULT 0,
	empty_cache BIGINT NOT NULL DEFAULT 0,
	input TEXT,				-- JSON: action input or webhook payload
	operation_id TEXT NOT NULL,		-- log_operations.id
	result TEXT NOT NULL DEFAULT '{}',	-- {model: {added, updated, deleted}}
	output TEXT,
	error TEXT,				-- {type, payload...}
	checkpoint_from TEXT,
	checkpoint_to TEXT,
	created_ms BIGINT NOT NULL,
	started_ms BIGINT,
	finished_ms BIGINT,
	updated_ms BIGINT NOT NULL
);
CREATE INDEX runs_sync ON runs (sync_id, id);
CREATE INDEX runs_unfinished ON runs (id) WHERE status = 'QUEUED' OR status = 'RUNNING';

CREATE TABLE checkpoints (
	environment_id BIGINT NOT NULL,
	connection_id BIGINT NOT NULL,
	key TEXT NOT NULL,			-- <kind>:<name>[:<variant>]
	value TEXT NOT NULL,
	version BIGINT NOT NULL,
	updated_ms BIGINT NOT NULL,
	deleted_ms BIGINT,
	PRIMARY KEY (connection_id, key)
);

-- Webhooks owed to the app. Ordered within a lane (connection and sync); lanes are independent.
CREATE TABLE outbox (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	environment_id BIGINT NOT NULL,
	lane TEXT NOT NULL,
	type TEXT NOT NULL,			-- sync | auth | forward | async_action
	url TEXT NOT NULL,
	uuid TEXT NOT NULL,			-- webhook-id header: the receiver's dedupe key
	body TEXT NOT NULL,			-- exactly the bytes that are signed
	headers TEXT NOT NULL DEFAULT '{}',
	state TEXT NOT NULL,			-- PENDING | DELIVERED | DEAD
	attempts BIGINT NOT NULL DEFAULT 0,
	next_ms BIGINT NOT NULL,
	last_status BIGINT,
	last_error TEXT,
	created_ms BIGINT NOT NULL,
	finished_ms BIGINT
);
CREATE INDEX outbox_due ON outbox (next_ms) WHERE state = 'PENDING';
CREATE INDEX outbox_lane ON outbox (lane, id) WHERE state = 'PENDING';

-- Provider webhooks, stored before they are acknowledged.
CREATE TABLE inbox (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	environment_id BIGINT NOT NULL,
	integration_id BIGINT NOT NULL,
	dedupe TEXT NOT NULL UNIQUE,		-- provider's event id, or a hash of the body and minute
	headers TEXT NOT NULL,
	body TEXT NOT NULL,
	state TEXT NOT NULL,			-- PENDING | ROUTED
	received_ms BIGINT NOT NULL
);
CREATE INDEX inbox_pending ON inbox (id) WHERE state = 'PENDING';

CREATE TABLE locks (
	environment_id BIGINT NOT NULL,
	key TEXT NOT NULL,
	owner TEXT NOT NULL,
	expires_ms BIGINT NOT NULL,
	PRIMARY KEY (environment_id, key)
);

-- What users see as logs: an operation (a run, a trigger, a delivery...) and its messages.
CREATE TABLE log_operations (
	id TEXT PRIMARY KEY,			-- <epoch ms>_<8 characters>
	environment_id BIGINT NOT NULL,
	type TEXT NOT NULL,
	action TEXT NOT NULL,
	state TEXT NOT NULL,			-- waiting | running | success | failed | timeout | cancelled
	message TEXT NOT NULL,
	integration TEXT,
	connection TEXT,
	function TEXT,
	variant TEXT,
	run_id BIGINT,
	meta TEXT,
	error TEXT,
	created_ms BIGINT NOT NULL,
	ended_ms BIGINT
);
CREATE INDEX log_operations_time ON log_operations (environment_id, created_ms);

CREATE TABLE log_messages (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	operation_id TEXT NOT NULL,
	level TEXT NOT NULL,
	type TEXT NOT NULL,			-- log | http
	source TEXT NOT NULL,			-- internal | user
	message TEXT NOT NULL,
	meta TEXT,
	created_ms BIGINT NOT NULL
);
CREATE INDEX log_messages_operation ON log_messages (operation_id, id);
CREATE INDEX log_messages_time ON log_messages (created_ms);
