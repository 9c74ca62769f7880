-- What only the REST API asks (src/api).

-- name: ready
SELECT COUNT(*) FROM environments;
