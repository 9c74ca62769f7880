-- Actions whose caller does not wait: found by this id, tried again so often.
ALTER TABLE runs ADD COLUMN async_id TEXT;
ALTER TABLE runs ADD COLUMN retries BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX runs_async ON runs (async_id) WHERE async_id IS NOT NULL;
