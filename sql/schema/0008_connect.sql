-- How the app's customers connect: what a session token of the app's allows, and authorisations that
-- are under way at a provider.
CREATE TABLE connect_sessions (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	environment_id BIGINT NOT NULL REFERENCES environments (id),
	token_hash BLOB NOT NULL UNIQUE,	-- SHA-256 of the token
	spec TEXT NOT NULL,			-- JSON: as it was asked for
	created_ms BIGINT NOT NULL,
	expires_ms BIGINT NOT NULL
);
CREATE INDEX connect_sessions_expiry ON connect_sessions (expires_ms);

CREATE TABLE oauth_sessions (
	state TEXT PRIMARY KEY,			-- what comes back from the provider
	environment_id BIGINT NOT NULL REFERENCES environments (id),
	integration_id BIGINT NOT NULL,
	session_id BIGINT NOT NULL,		-- connect_sessions.id
	secret_sealed BLOB NOT NULL,		-- JSON: PKCE verifier, redirect URI, connection config
	expires_ms BIGINT NOT NULL
);
CREATE INDEX oauth_sessions_expiry ON oauth_sessions (expires_ms);
