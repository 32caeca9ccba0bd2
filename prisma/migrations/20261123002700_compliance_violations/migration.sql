-- Violations: what a control found, who follows it up, and until when. Kept for six years.

CREATE TABLE compliance_violations (
  id              uuid PRIMARY KEY,
  control         text NOT NULL CHECK (control ~ '^[a-z0-9-]{1,64}$'),
  state           text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'assigned', 'accepted', 'resolved')),
  -- Of the newest check that failed.
  exception_count bigint NOT NULL CHECK (exception_count >= 0),
  detail          text CHECK (length(detail) <= 500),
  -- Who follows it up: an id or a team, no name.
  owner           text CHECK (length(owner) <= 255),
  opened_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  due_at          timestamptz NOT NULL,
  -- Of the last change by a person or by the check that passed.
  reason          text CHECK (length(reason) <= 256),
  changed_by      text CHECK (length(changed_by) <= 300),
  changed_at      timestamptz,
  resolved_at     timestamptz,
  CHECK ((state = 'resolved') = (resolved_at IS NOT NULL)),
  CHECK (state <> 'assigned' OR owner IS NOT NULL)
);
-- One for each control until it is resolved.
CREATE UNIQUE INDEX compliance_violations_one_open ON compliance_violations (control) WHERE resolved_at IS NULL;
CREATE INDEX compliance_violations_opened_at ON compliance_violations (opened_at, id);
CREATE INDEX compliance_violations_resolved_at ON compliance_violations (resolved_at) WHERE resolved_at IS NOT NULL;

CREATE TRIGGER compliance_violations_kept BEFORE DELETE ON compliance_violations
  FOR EACH ROW EXECUTE FUNCTION compliance_kept('opened_at');
CREATE TRIGGER compliance_violations_unchanged BEFORE UPDATE ON compliance_violations
  FOR EACH ROW WHEN (OLD.resolved_at IS NOT NULL) EXECUTE FUNCTION compliance_unchanged();

SELECT grant_roles();
