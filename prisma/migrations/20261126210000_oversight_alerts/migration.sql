-- Alerts about what one person does to the oversight itself: a silence, a lowered policy of sign-off.
ALTER TABLE alerts DROP CONSTRAINT alerts_source_check, ADD CONSTRAINT alerts_source_check
  CHECK (source IN ('incident', 'control', 'alertmanager', 'oversight'));
