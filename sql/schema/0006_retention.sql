-- Deleted connections are erased after a while (src/sync/retention.c).
CREATE INDEX connections_deleted ON connections (deleted_ms) WHERE deleted_ms IS NOT NULL;
