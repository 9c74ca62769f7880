-- What refreshing a connection's token has come to: who is at it (a lease, so that no two processes
-- use the same refresh token), and how it went.
CREATE TABLE token_refreshes (
	connection_id BIGINT PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
	fence BIGINT NOT NULL DEFAULT 0,	-- raised by each claim: only the last one may end it
	lease_ms BIGINT NOT NULL DEFAULT 0,	-- held until then; 0 = free
	failures BIGINT NOT NULL DEFAULT 0,	-- in a row
	failed_days BIGINT NOT NULL DEFAULT 0,	-- different days (UTC) among them
	failed_ms BIGINT NOT NULL DEFAULT 0,	-- the last one
	retry_ms BIGINT NOT NULL DEFAULT 0,	-- not again before
	exhausted BIGINT NOT NULL DEFAULT 0,	-- not again until the credentials change
	refreshed_ms BIGINT NOT NULL DEFAULT 0,	-- the last success
	error TEXT				-- of the last failure, fit to be shown
);
