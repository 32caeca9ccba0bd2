-- The address that a target had before it was removed or moved: for a day it is told what is done to the oversight, so the
-- person who removes every target does not do it in silence.
ALTER TABLE alert_targets ADD COLUMN removed_at timestamptz(3);

COMMENT ON TABLE alert_targets IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE (sealed, failures, open_until), DELETE';

SELECT grant_roles();
