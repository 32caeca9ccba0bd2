-- People are found by any part of what is known of them. The extension comes with PostgreSQL, and the owner of a database
-- may create it: it is trusted. The indexes serve userFind and apiKeyFind.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX CONCURRENTLY IF NOT EXISTS users_find ON users USING gin (id gin_trgm_ops, email gin_trgm_ops, name gin_trgm_ops);
CREATE INDEX CONCURRENTLY IF NOT EXISTS api_keys_find ON api_keys USING gin (name gin_trgm_ops);
