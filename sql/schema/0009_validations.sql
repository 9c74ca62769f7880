-- Connections that a function for validate-connection has yet to accept.
CREATE TABLE connection_validations (
	connection_id BIGINT PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
	operation_id TEXT NOT NULL,		-- in the users' log; tells one validation from the next
	is_new BIGINT NOT NULL,			-- it was never accepted: a refusal deletes it
	until_ms BIGINT NOT NULL		-- whoever is at it has died if it is not over by then
);
CREATE INDEX connection_validations_until ON connection_validations (until_ms);
