-- Who has a delivery or a refresh in work (src/model/node.h), so that a process which is started
-- again knows what it was at. As in runs.
ALTER TABLE outbox ADD COLUMN owner TEXT;		-- NULL = nobody
ALTER TABLE token_refreshes ADD COLUMN owner TEXT;	-- of the last lease
CREATE INDEX token_refreshes_leased ON token_refreshes (connection_id) WHERE lease_ms > 0;
