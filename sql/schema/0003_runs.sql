-- Who works on a run, and when it may start.
ALTER TABLE runs ADD COLUMN owner TEXT;		-- a server process; NULL = whoever claims it next
ALTER TABLE runs ADD COLUMN lease_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN not_before_ms BIGINT NOT NULL DEFAULT 0;	-- a retry waits
ALTER TABLE runs ADD COLUMN due_ms BIGINT NOT NULL DEFAULT 0;	-- the slot it runs for; 0 = by hand
ALTER TABLE runs ADD COLUMN initial BIGINT NOT NULL DEFAULT 0;	-- the sync had no success before it
ALTER TABLE runs ADD COLUMN incremental BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN unnoticed BIGINT NOT NULL DEFAULT 0;	-- cancelled; its owner does not know yet
CREATE INDEX runs_owner ON runs (owner) WHERE owner IS NOT NULL;
CREATE INDEX runs_unnoticed ON runs (owner) WHERE unnoticed = 1;
CREATE INDEX syncs_deleted ON syncs (connection_id, name, variant) WHERE deleted_ms IS NOT NULL;
