-- What an agent has started since a day began. Serves agent_limits_today.
CREATE INDEX CONCURRENTLY IF NOT EXISTS signoffs_started ON signoffs (client_id, started_at) WHERE started_at IS NOT NULL;
