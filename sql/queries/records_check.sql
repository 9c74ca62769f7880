-- What records_check() reads: every row of the record store, and what belongs to no dataset.

-- name: check_datasets
SELECT d.connection_id, d.id, d.model, d.last_stamp, d.next_row, d.indexed, d.live, d.total, d.size,
	d.pruned_to, COALESCE(c.environment_id, $1), d.moving, d.moved
FROM datasets d LEFT JOIN connections c ON c.id = d.connection_id
ORDER BY d.connection_id, d.id;

-- Rows behind a number, each with what the feed has at its stamp.
-- name: check_rows (sqlite)
SELECT k.row_no, k.external_id, k.hash, k.stamp, k.flags, k.size,
	f.row_no, f.external_id, f.created_us, f.deleted_us, f.pruned_us, f.sealed
FROM record_keys k LEFT JOIN record_feed f ON f.connection_id = k.connection_id
	AND f.dataset_id = k.dataset_id AND f.stamp = k.stamp
WHERE k.connection_id = $1 AND k.dataset_id = $2 AND k.row_no > $3 ORDER BY k.row_no LIMIT $4;
-- name: check_rows (postgres)
SELECT k.row_no, k.external_id, k.hash, k.stamp, k.flags, k.size,
	f.row_no, f.external_id, f.created_us, f.deleted_us, f.pruned_us, f.sealed
FROM (SELECT * FROM record_keys WHERE connection_id = $1 AND dataset_id = $2 AND row_no > $3
	ORDER BY row_no LIMIT $4) AS k
LEFT JOIN LATERAL (SELECT * FROM record_feed
	WHERE connection_id = $1 AND dataset_id = $2 AND stamp = k.stamp OFFSET 0) AS f ON TRUE
ORDER BY k.row_no;

-- name: check_ids
SELECT row_no, id_hash FROM record_ids WHERE connection_id = $1 AND dataset_id = $2;

-- name: check_feed_rows
SELECT COUNT(*) FROM record_feed WHERE connection_id = $1 AND dataset_id = $2;

-- name: check_different_ids
SELECT COUNT(DISTINCT external_id) FROM record_keys WHERE connection_id = $1 AND dataset_id = $2;

-- name: check_orphans
SELECT (SELECT COUNT(*) FROM record_keys t WHERE NOT EXISTS (SELECT 1 FROM datasets d
		WHERE d.connection_id = t.connection_id AND d.id = t.dataset_id))
	+ (SELECT COUNT(*) FROM record_ids t WHERE NOT EXISTS (SELECT 1 FROM datasets d
		WHERE d.connection_id = t.connection_id AND d.id = t.dataset_id))
	+ (SELECT COUNT(*) FROM record_recent t WHERE NOT EXISTS (SELECT 1 FROM datasets d
		WHERE d.connection_id = t.connection_id AND d.id = t.dataset_id))
	+ (SELECT COUNT(*) FROM record_feed t WHERE NOT EXISTS (SELECT 1 FROM datasets d
		WHERE d.connection_id = t.connection_id AND d.id = t.dataset_id))
	+ (SELECT COUNT(*) FROM record_seen t WHERE NOT EXISTS (SELECT 1 FROM datasets d
		WHERE d.connection_id = t.connection_id AND d.id = t.dataset_id))
	+ (SELECT COUNT(*) FROM record_windows t WHERE NOT EXISTS (SELECT 1 FROM datasets d
		WHERE d.connection_id = t.connection_id AND d.id = t.dataset_id));
