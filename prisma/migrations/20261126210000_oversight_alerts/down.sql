-- They stay alerts, of a source that the release before knows.
UPDATE alerts SET source = 'control' WHERE source = 'oversight';
ALTER TABLE alerts DROP CONSTRAINT alerts_source_check, ADD CONSTRAINT alerts_source_check
  CHECK (source IN ('incident', 'control', 'alertmanager'));
