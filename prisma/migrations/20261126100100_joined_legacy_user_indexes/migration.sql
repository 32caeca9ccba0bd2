-- A user here is the first row of at most one user of each source; rows that are joined are not counted.

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS legacy_users_first ON legacy_users (user_id, provider) WHERE (NOT joined);
CREATE INDEX CONCURRENTLY IF NOT EXISTS legacy_users_of_user ON legacy_users (user_id, provider);
DROP INDEX CONCURRENTLY IF EXISTS legacy_users_user_id;
