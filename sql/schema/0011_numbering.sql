-- Changes whenever the row numbers of a dataset start again: what is known by row number holds only
-- within one numbering. It is the version the dataset had then, which never repeats.
ALTER TABLE datasets ADD COLUMN numbering BIGINT NOT NULL DEFAULT 0;

-- Recent ids that are being moved to record_ids (src/records/ids.c): those of the rows from `indexed` up
-- to `moving`, of which those with hashes up to `moved` are there already. 0 = none.
ALTER TABLE datasets ADD COLUMN moving BIGINT NOT NULL DEFAULT 0;
ALTER TABLE datasets ADD COLUMN moved BIGINT NOT NULL DEFAULT 0;
