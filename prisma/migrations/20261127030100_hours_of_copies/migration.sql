-- A row is an hour of a copy, which the copy rewrites until the next one begins. The forecast reads these rows: nothing
-- collects them into another table any more.
DROP TABLE capacity_samples;

COMMENT ON TABLE copy_samples IS 'api: SELECT, INSERT, UPDATE (at, sample, seconds); worker: SELECT, INSERT, UPDATE (at, sample, seconds), DELETE';

SELECT grant_roles();
