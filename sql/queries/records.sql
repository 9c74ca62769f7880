-- A statement that is run for many rows (db_exec_many, db_query_each) has a text of its own for
-- PostgreSQL, which takes all rows at once: columns as arrays, and plain what all rows share. A
-- subquery that names the key of each row, and that OFFSET 0 keeps from being merged into the rest,
-- leaves the planner one way to run it, whatever it believes about the tables: look up each row
-- by the primary key. Rows that are changed are then taken by their place (ctid), which cannot move, as
-- the dataset is locked.

-- Datasets.

-- The last column tells servers apart, and what one was before a crash (pg_era); 0 = unknown.
-- name: dataset_find (sqlite)
SELECT id, last_stamp, version, next_row, indexed, live, total, size, pruned_to, numbering, moving, moved, 1
FROM datasets WHERE connection_id = $1 AND model = $2;
-- name: dataset_find (postgres)
SELECT id, last_stamp, version, next_row, indexed, live, total, size, pruned_to, numbering, moving, moved,
	(SELECT COALESCE(CAST(EXTRACT(EPOCH FROM stats_reset) * 1000000 AS BIGINT), 0)
	FROM pg_stat_archiver)
FROM datasets WHERE connection_id = $1 AND model = $2;

-- The lock of the dataset: it is taken before anything of the dataset is read for a write.
-- name: dataset_lock
UPDATE datasets SET updated_ms = COALESCE($3, updated_ms) WHERE connection_id = $1 AND model = $2
RETURNING id, last_stamp, version, next_row, indexed, live, total, size, pruned_to, numbering, moving, moved;

-- Versions start at the time, so that a dataset made anew never repeats those of its predecessor.
-- name: dataset_create
INSERT INTO datasets (connection_id, id, model, updated_ms, version, numbering)
SELECT $1, COALESCE(MAX(id), 0) + 1, $2, $3, CAST($3 AS BIGINT) * 1000, CAST($3 AS BIGINT) * 1000
FROM datasets WHERE connection_id = $1
ON CONFLICT DO NOTHING;

-- name: dataset_store
UPDATE datasets SET last_stamp = $3, version = $4, next_row = $5, indexed = $6, live = $7, total = $8,
	size = $9, pruned_to = $10, numbering = $11, moving = $12, moved = $13
WHERE connection_id = $1 AND id = $2;

-- name: dataset_remove
DELETE FROM datasets WHERE connection_id = $1 AND id = $2;

-- name: dataset_list
SELECT model, live, size, updated_ms FROM datasets
WHERE connection_id = $1 AND total > 0 ORDER BY model;

-- Datasets that have rows to prune that are older than $1.
-- name: dataset_prunable
SELECT connection_id, model FROM datasets d
WHERE EXISTS (SELECT 1 FROM record_feed f WHERE f.connection_id = d.connection_id
	AND f.dataset_id = d.id AND f.stamp > d.pruned_to AND f.stamp <= $1)
LIMIT $2;

-- The dataset nobody has written to since $1 that was looked at longest ago.
-- name: dataset_idle
UPDATE datasets SET checked_ms = $2 WHERE (connection_id, id) = (
	SELECT connection_id, id FROM datasets WHERE updated_ms < $1
	ORDER BY COALESCE(checked_ms, 0) LIMIT 1)
RETURNING connection_id, model;

-- Ids. Those that share a hash are told apart by who asks.

-- name: record_find (sqlite)
SELECT k.hash, k.stamp, k.row_no, k.flags, k.size, k.writer, k.external_id
FROM record_ids i CROSS JOIN record_keys k
WHERE i.connection_id = $1 AND i.dataset_id = $2 AND i.id_hash = $3
	AND k.connection_id = i.connection_id AND k.dataset_id = i.dataset_id
	AND k.row_no = i.row_no;
-- name: record_find (postgres)
SELECT k.hash, k.stamp, k.row_no, k.flags, k.size, k.writer, k.external_id, w.ord - 1
FROM unnest($3::bigint[]) WITH ORDINALITY AS w (id_hash, ord)
CROSS JOIN LATERAL (SELECT row_no FROM record_ids
	WHERE connection_id = $1 AND dataset_id = $2 AND id_hash = w.id_hash OFFSET 0) AS i
CROSS JOIN LATERAL (SELECT * FROM record_keys
	WHERE connection_id = $1 AND dataset_id = $2 AND row_no = i.row_no OFFSET 0) AS k;

-- name: record_id_insert
INSERT INTO record_ids (connection_id, dataset_id, id_hash, row_no) VALUES ($1, $2, $3, $4);
-- name: record_id_insert (postgres)
INSERT INTO record_ids (connection_id, dataset_id, id_hash, row_no)
SELECT $1, $2, w.id_hash, w.row_no FROM unnest($3::bigint[], $4::bigint[]) AS w (id_hash, row_no);

-- name: record_id_remove
DELETE FROM record_ids
WHERE connection_id = $1 AND dataset_id = $2 AND id_hash = $3 AND row_no = $4;
-- name: record_id_remove (postgres)
DELETE FROM record_ids i USING (
	SELECT t.ctid AS at FROM unnest($3::bigint[], $4::bigint[]) AS w (id_hash, row_no)
	CROSS JOIN LATERAL (SELECT r.ctid FROM record_ids r WHERE r.connection_id = $1
		AND r.dataset_id = $2 AND r.id_hash = w.id_hash AND r.row_no = w.row_no OFFSET 0) AS t) AS s
WHERE i.ctid = s.at;

-- name: record_id_clear
DELETE FROM record_ids WHERE connection_id = $1 AND dataset_id = $2;

-- name: record_recent_list
SELECT chunk, hashes FROM record_recent WHERE connection_id = $1 AND dataset_id = $2;

-- name: record_recent_chunk
SELECT hashes FROM record_recent WHERE connection_id = $1 AND dataset_id = $2 AND chunk = $3;

-- name: record_recent_store
INSERT INTO record_recent (connection_id, dataset_id, chunk, hashes) VALUES ($1, $2, $3, $4)
ON CONFLICT (connection_id, dataset_id, chunk) DO UPDATE SET hashes = excluded.hashes;

-- name: record_recent_forget
DELETE FROM record_recent WHERE connection_id = $1 AND dataset_id = $2 AND chunk < $3;

-- name: record_recent_clear
DELETE FROM record_recent WHERE connection_id = $1 AND dataset_id = $2;

-- Keys.

-- name: record_key_find (sqlite)
SELECT hash, stamp, row_no, flags, size, writer, external_id FROM record_keys
WHERE connection_id = $1 AND dataset_id = $2 AND row_no = $3;
-- name: record_key_find (postgres)
SELECT k.hash, k.stamp, k.row_no, k.flags, k.size, k.writer, k.external_id, w.ord - 1
FROM unnest($3::bigint[]) WITH ORDINALITY AS w (row_no, ord)
CROSS JOIN LATERAL (SELECT * FROM record_keys
	WHERE connection_id = $1 AND dataset_id = $2 AND row_no = w.row_no OFFSET 0) AS k;

-- name: record_key_range
SELECT hash, stamp, row_no, flags, size, writer, external_id FROM record_keys
WHERE connection_id = $1 AND dataset_id = $2 AND row_no >= $3 ORDER BY row_no LIMIT $4;

-- name: record_key_ids
SELECT row_no, external_id FROM record_keys
WHERE connection_id = $1 AND dataset_id = $2 AND row_no >= $3 AND row_no < $4
ORDER BY row_no LIMIT $5;

-- name: record_key_insert
INSERT INTO record_keys
	(connection_id, dataset_id, row_no, external_id, hash, stamp, flags, size, writer)
VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8);
-- name: record_key_insert (postgres)
INSERT INTO record_keys
	(connection_id, dataset_id, row_no, external_id, hash, stamp, flags, size, writer)
SELECT $1, $2, w.row_no, w.external_id, w.hash, w.stamp, 0, w.size, $8
FROM unnest($3::bigint[], $4::text[], $5::bytea[], $6::bigint[], $7::bigint[])
	AS w (row_no, external_id, hash, stamp, size);

-- name: record_key_change
UPDATE record_keys SET hash = $4, stamp = $5, flags = 0, size = $6, writer = $7
WHERE connection_id = $1 AND dataset_id = $2 AND row_no = $3;
-- name: record_key_change (postgres)
UPDATE record_keys k SET hash = s.hash, stamp = s.stamp, flags = 0, size = s.size, writer = s.writer
FROM (SELECT t.ctid AS at, w.*
	FROM unnest($3::bigint[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bigint[])
		AS w (row_no, hash, stamp, size, writer)
	CROSS JOIN LATERAL (SELECT r.ctid FROM record_keys r
	WHERE r.connection_id = $1 AND r.dataset_id = $2 AND r.row_no = w.row_no OFFSET 0) AS t) AS s
WHERE k.ctid = s.at;

-- Deletion: the row moves, its payload and hash stay.
-- name: record_key_delete
UPDATE record_keys SET stamp = $4, flags = flags | 1, writer = $5
WHERE connection_id = $1 AND dataset_id = $2 AND row_no = $3;
-- name: record_key_delete (postgres)
UPDATE record_keys k SET stamp = s.stamp, flags = flags | 1, writer = $5
FROM (SELECT t.ctid AS at, w.* FROM unnest($3::bigint[], $4::bigint[]) AS w (row_no, stamp)
	CROSS JOIN LATERAL (SELECT r.ctid FROM record_keys r
	WHERE r.connection_id = $1 AND r.dataset_id = $2 AND r.row_no = w.row_no OFFSET 0) AS t) AS s
WHERE k.ctid = s.at;

-- name: record_key_prune
UPDATE record_keys SET flags = flags | 2, size = 0
WHERE connection_id = $1 AND dataset_id = $2 AND row_no = $3;
-- name: record_key_prune (postgres)
UPDATE record_keys k SET flags = flags | 2, size = 0
FROM (SELECT t.ctid AS at FROM unnest($3::bigint[]) AS w (row_no)
	CROSS JOIN LATERAL (SELECT r.ctid FROM record_keys r
	WHERE r.connection_id = $1 AND r.dataset_id = $2 AND r.row_no = w.row_no OFFSET 0) AS t) AS s
WHERE k.ctid = s.at;

-- name: record_key_remove
DELETE FROM record_keys WHERE connection_id = $1 AND dataset_id = $2 AND row_no = $3;
-- name: record_key_remove (postgres)
DELETE FROM record_keys k USING (
	SELECT t.ctid AS at FROM unnest($3::bigint[]) AS w (row_no)
	CROSS JOIN LATERAL (SELECT r.ctid FROM record_keys r
	WHERE r.connection_id = $1 AND r.dataset_id = $2 AND r.row_no = w.row_no OFFSET 0) AS t) AS s
WHERE k.ctid = s.at;

-- The rows behind a row number, for what a window has not seen.
-- name: record_key_page
SELECT row_no, external_id, stamp, flags FROM record_keys
WHERE connection_id = $1 AND dataset_id = $2 AND row_no > $3
ORDER BY row_no LIMIT $4;

-- name: record_key_clear
DELETE FROM record_keys WHERE connection_id = $1 AND dataset_id = $2;

-- Feed.

-- name: record_feed_insert
INSERT INTO record_feed
	(connection_id, dataset_id, stamp, row_no, external_id, created_us, sealed)
VALUES ($1, $2, $3, $4, $5, $3, $6);
-- name: record_feed_insert (postgres)
INSERT INTO record_feed
	(connection_id, dataset_id, stamp, row_no, external_id, created_us, sealed)
SELECT $1, $2, w.stamp, w.row_no, w.external_id, w.stamp, w.sealed
FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::bytea[])
	AS w (stamp, row_no, external_id, sealed);

-- name: record_feed_change
UPDATE record_feed SET stamp = $4, sealed = $5, created_us = COALESCE($6, created_us),
	deleted_us = NULL, pruned_us = NULL
WHERE connection_id = $1 AND dataset_id = $2 AND stamp = $3;
-- name: record_feed_change (postgres)
UPDATE record_feed f SET stamp = s.new_stamp, sealed = s.sealed,
	created_us = COALESCE(s.created_us, f.created_us), deleted_us = NULL, pruned_us = NULL
FROM (SELECT t.ctid AS at, w.*
	FROM unnest($3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[])
		AS w (stamp, new_stamp, sealed, created_us)
	CROSS JOIN LATERAL (SELECT r.ctid FROM record_feed r
	WHERE r.connection_id = $1 AND r.dataset_id = $2 AND r.stamp = w.stamp OFFSET 0) AS t) AS s
WHERE f.ctid = s.at;

-- name: record_feed_delete
UPDATE record_feed SET stamp = $4, deleted_us = $5
WHERE connection_id = $1 AND dataset_id = $2 AND stamp = $3;
-- name: record_feed_delete (postgres)
UPDATE record_feed f SET stamp = s.new_stamp, deleted_us = s.deleted_us
FROM (SELECT t.ctid AS at, w.*
	FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) AS w (stamp, new_stamp, deleted_us)
	CROSS JOIN LATERAL (SELECT r.ctid FROM record_feed r
	WHERE r.connection_id = $1 AND r.dataset_id = $2 AND r.stamp = w.stamp OFFSET 0) AS t) AS s
WHERE f.ctid = s.at;

-- name: record_feed_prune
UPDATE record_feed SET sealed = NULL, pruned_us = $4
WHERE connection_id = $1 AND dataset_id = $2 AND stamp = $3;
-- name: record_feed_prune (postgres)
UPDATE record_feed f SET sealed = NULL, pruned_us = $4
FROM (SELECT t.ctid AS at FROM unnest($3::bigint[]) AS w (stamp)
	CROSS JOIN LATERAL (SELECT r.ctid FROM record_feed r
	WHERE r.connection_id = $1 AND r.dataset_id = $2 AND r.stamp = w.stamp OFFSET 0) AS t) AS s
WHERE f.ctid = s.at;

-- name: record_feed_remove
DELETE FROM record_feed WHERE connection_id = $1 AND dataset_id = $2 AND stamp = $3;
-- name: record_feed_remove (postgres)
DELETE FROM record_feed f USING (
	SELECT t.ctid AS at FROM unnest($3::bigint[]) AS w (stamp)
	CROSS JOIN LATERAL (SELECT r.ctid FROM record_feed r
	WHERE r.connection_id = $1 AND r.dataset_id = $2 AND r.stamp = w.stamp OFFSET 0) AS t) AS s
WHERE f.ctid = s.at;

-- name: record_feed_clear
DELETE FROM record_feed WHERE connection_id = $1 AND dataset_id = $2;

-- Actions in $4: 1 added, 2 updated, 4 deleted.
-- name: record_feed_page
SELECT stamp, external_id, created_us, deleted_us, pruned_us, sealed FROM record_feed
WHERE connection_id = $1 AND dataset_id = $2 AND stamp >= $3
	AND CASE WHEN deleted_us IS NOT NULL THEN CAST($4 AS BIGINT) & 4
		WHEN created_us = stamp THEN CAST($4 AS BIGINT) & 1
		ELSE CAST($4 AS BIGINT) & 2 END <> 0
ORDER BY stamp LIMIT $5;

-- name: record_feed_row
SELECT stamp, external_id, created_us, deleted_us, pruned_us, sealed FROM record_feed
WHERE connection_id = $1 AND dataset_id = $2 AND stamp = $3;
-- name: record_feed_row (postgres)
SELECT f.stamp, f.external_id, f.created_us, f.deleted_us, f.pruned_us, f.sealed, w.ord - 1
FROM unnest($3::bigint[]) WITH ORDINALITY AS w (stamp, ord)
CROSS JOIN LATERAL (SELECT * FROM record_feed
	WHERE connection_id = $1 AND dataset_id = $2 AND stamp = w.stamp OFFSET 0) AS f;

-- name: record_feed_first
SELECT stamp, external_id FROM record_feed WHERE connection_id = $1 AND dataset_id = $2
ORDER BY stamp LIMIT 1;

-- name: record_feed_last
SELECT stamp, external_id FROM record_feed WHERE connection_id = $1 AND dataset_id = $2
ORDER BY stamp DESC LIMIT 1;

-- Oldest first, behind stamp $3 up to and including $4; with $5 <> 0 only rows that are not pruned.
-- name: record_feed_oldest
SELECT stamp, row_no, external_id, deleted_us, COALESCE(LENGTH(sealed), 0) FROM record_feed
WHERE connection_id = $1 AND dataset_id = $2 AND stamp > $3 AND stamp <= $4
	AND (CAST($5 AS BIGINT) = 0 OR pruned_us IS NULL)
ORDER BY stamp LIMIT $6;

-- Seen rows.

-- name: record_seen_chunk
SELECT bits FROM record_seen
WHERE connection_id = $1 AND dataset_id = $2 AND generation = $3 AND chunk = $4;

-- name: record_seen_store
INSERT INTO record_seen (connection_id, dataset_id, generation, chunk, bits)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (connection_id, dataset_id, generation, chunk) DO UPDATE SET bits = excluded.bits;

-- name: record_seen_since
SELECT chunk, bits FROM record_seen
WHERE connection_id = $1 AND dataset_id = $2 AND generation >= $3;

-- name: record_seen_clear
DELETE FROM record_seen WHERE connection_id = $1 AND dataset_id = $2;

-- What no run from $2 on and no open window can ask for any more.
-- name: record_seen_trim
DELETE FROM record_seen WHERE connection_id = $1 AND generation < $2
AND generation < COALESCE((SELECT MIN(w.generation) FROM record_windows w
	WHERE w.connection_id = record_seen.connection_id
	AND w.dataset_id = record_seen.dataset_id), $2);

-- Windows.

-- name: record_window_open
INSERT INTO record_windows (connection_id, dataset_id, owner, generation, opened_ms)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING;

-- name: record_window_find
SELECT generation FROM record_windows
WHERE connection_id = $1 AND dataset_id = $2 AND owner = $3;

-- name: record_window_close
DELETE FROM record_windows WHERE connection_id = $1 AND dataset_id = $2 AND owner = $3;

-- name: record_window_close_owner
DELETE FROM record_windows WHERE connection_id = $1 AND owner = $2;

-- name: record_window_clear
DELETE FROM record_windows WHERE connection_id = $1 AND dataset_id = $2;

-- Batches.

-- name: record_batch_find
SELECT digest, added, updated, deleted, unchanged, last_stamp FROM record_batches
WHERE connection_id = $1 AND run_id = $2 AND batch = $3;

-- name: record_batch_store
INSERT INTO record_batches
	(connection_id, run_id, batch, digest, added, updated, deleted, unchanged, last_stamp)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: record_batch_forget
DELETE FROM record_batches WHERE connection_id = $1 AND run_id = $2;
