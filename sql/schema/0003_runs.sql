-- Who works on a run, when it may start, and what is left to do for one that was cancelled.
ALTER TABLE runs ADD COLUMN owner TEXT;		-- a server process; NULL = whoever claims it next
ALTER TABLE runs ADD COLUMN lease_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN not_before_ms BIGINT NOT NULL DEFAULT 0;	-- a retry waits
ALTER TABLE runs ADD COLUMN due_ms BIGINT NOT NULL DEFAULT 0;	-- the slot it runs for; 0 = by hand
ALTER TABLE runs ADD COLUMN initial BIGINT NOT NULL DEFAULT 0;	-- the sync had no success before it
ALTER TABLE runs ADD COLUMN incremental BIGINT NOT NULL DEFAULT 0;
-- 0 nothing, 1 cancelled while it ran: operation to close, 2 and the error webhook to send
ALTER TABLE runs ADD COLUMN settle BIGINT NOT NULL DEFAULT 0;
CREATE INDEX runs_owner ON runs (owner) WHERE owner IS NOT NULL;
CREATE INDEX runs_unsettled ON runs (id) WHERE settle > 0;
CREATE INDEX syncs_deleted ON syncs (connection_id, name, variant) WHERE deleted_ms IS NOT NULL;
