ALTER TABLE monitoring_state DROP COLUMN tokens, DROP COLUMN tokens_at;
