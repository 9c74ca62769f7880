-- An import under way (src/transfer/import.c); no row once it is complete. Servers do not start before.
CREATE TABLE imports (
	export_id TEXT PRIMARY KEY,
	position BIGINT NOT NULL,		-- bytes of the file that are done
	digest TEXT NOT NULL,			-- of those bytes: another file is not taken for this one
	started_ms BIGINT NOT NULL
);
