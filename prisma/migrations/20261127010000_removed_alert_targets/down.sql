-- The release before would list them as targets.
DELETE FROM alert_targets WHERE removed_at IS NOT NULL;
ALTER TABLE alert_targets DROP COLUMN removed_at;
COMMENT ON TABLE alert_targets IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE (sealed, failures, open_until)';
SELECT grant_roles();
