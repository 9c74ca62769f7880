-- The record store. A dataset is what one connection keeps of one model. Its rows live in three
-- tables: record_ids finds the row of an id; record_keys, small, decides what changed; record_feed, in
-- the order of stamps, holds the payloads and is what readers scan. A save of an unchanged record
-- reads the first two and writes none. Every table leads with the connection, so that it can be spread
-- by it.
--
-- record_keys and record_feed grow at their ends, and what a sync brings in the same order again
-- changes them in that order. Only record_ids is hit at random, and only by new ids, which therefore
-- gather in record_recent first. One table keyed by the id cost three times the bytes written, as
-- every batch rewrote most of its pages.

CREATE TABLE datasets (
	connection_id BIGINT NOT NULL,
	id BIGINT NOT NULL,			-- 1, 2, 3... within the connection
	model TEXT NOT NULL,			-- with its variant: Model::variant
	last_stamp BIGINT NOT NULL DEFAULT 0,	-- highest ever given out; survives emptying
	version BIGINT NOT NULL DEFAULT 0,	-- raised by every write to record_keys
	next_row BIGINT NOT NULL DEFAULT 0,	-- next record_keys.row_no
	indexed BIGINT NOT NULL DEFAULT 0,	-- ids of rows from here on are in record_recent
	live BIGINT NOT NULL DEFAULT 0,		-- rows that are not deleted
	total BIGINT NOT NULL DEFAULT 0,	-- rows
	size BIGINT NOT NULL DEFAULT 0,		-- bytes of their sealed payloads
	pruned_to BIGINT NOT NULL DEFAULT 0,	-- every row up to this stamp is pruned
	updated_ms BIGINT NOT NULL,		-- last write call, also one that changed nothing
	checked_ms BIGINT,			-- last look of the automatic deletion
	PRIMARY KEY (connection_id, id),
	UNIQUE (connection_id, model)
) WITHOUT ROWID;
CREATE INDEX datasets_idle ON datasets (updated_ms);

CREATE TABLE record_keys (
	connection_id BIGINT NOT NULL,
	dataset_id BIGINT NOT NULL,
	row_no BIGINT NOT NULL,			-- in order of first saves; its bit in record_seen
	external_id TEXT NOT NULL,
	hash BLOB NOT NULL,			-- of the canonical payload, 128 bits
	stamp BIGINT NOT NULL,			-- where the row is in record_feed
	flags BIGINT NOT NULL,			-- 1 deleted, 2 pruned
	size BIGINT NOT NULL,			-- bytes of the sealed payload, 0 when pruned
	writer BIGINT NOT NULL,			-- the run that changed it last
	PRIMARY KEY (connection_id, dataset_id, row_no)
) WITHOUT ROWID;

CREATE TABLE record_ids (
	connection_id BIGINT NOT NULL,
	dataset_id BIGINT NOT NULL,
	id_hash BIGINT NOT NULL,		-- 47 bits of the id; two ids may share it
	row_no BIGINT NOT NULL,
	PRIMARY KEY (connection_id, dataset_id, id_hash, row_no)
) WITHOUT ROWID;

-- The ids of the newest rows, until they move, many at a time and in order, to record_ids.
CREATE TABLE record_recent (
	connection_id BIGINT NOT NULL,
	dataset_id BIGINT NOT NULL,
	chunk BIGINT NOT NULL,			-- row_no / 1024
	hashes BLOB NOT NULL,			-- id_hash of each row, 8 bytes; 0 = no row
	PRIMARY KEY (connection_id, dataset_id, chunk)
) WITHOUT ROWID;

CREATE TABLE record_feed (
	connection_id BIGINT NOT NULL,
	dataset_id BIGINT NOT NULL,
	stamp BIGINT NOT NULL,			-- microseconds, strictly increasing in a dataset
	row_no BIGINT NOT NULL,
	external_id TEXT NOT NULL,
	created_us BIGINT NOT NULL,		-- stamp of the insert or the last undelete
	deleted_us BIGINT,
	pruned_us BIGINT,
	sealed BLOB,				-- NULL when pruned
	PRIMARY KEY (connection_id, dataset_id, stamp)
) WITHOUT ROWID;

-- Which rows a run (its id is the generation) saved: one bit per row_no, 8192 to a chunk.
CREATE TABLE record_seen (
	connection_id BIGINT NOT NULL,
	dataset_id BIGINT NOT NULL,
	generation BIGINT NOT NULL,
	chunk BIGINT NOT NULL,
	bits BLOB NOT NULL,
	PRIMARY KEY (connection_id, dataset_id, generation, chunk)
) WITHOUT ROWID;

-- Open trackDeletes windows. They stay open across failed runs, for any time.
CREATE TABLE record_windows (
	connection_id BIGINT NOT NULL,
	dataset_id BIGINT NOT NULL,
	owner TEXT NOT NULL,			-- <kind>:<sync>:<variant>
	generation BIGINT NOT NULL,		-- the run that opened it
	opened_ms BIGINT NOT NULL,
	PRIMARY KEY (connection_id, dataset_id, owner)
) WITHOUT ROWID;

-- What each batch of a run came to, so that one sent again counts once.
CREATE TABLE record_batches (
	connection_id BIGINT NOT NULL,
	run_id BIGINT NOT NULL,
	batch BIGINT NOT NULL,
	digest BIGINT NOT NULL,			-- of what was sent
	added BIGINT NOT NULL,
	updated BIGINT NOT NULL,
	deleted BIGINT NOT NULL,
	unchanged BIGINT NOT NULL,
	last_stamp BIGINT NOT NULL,
	PRIMARY KEY (connection_id, run_id, batch)
) WITHOUT ROWID;
