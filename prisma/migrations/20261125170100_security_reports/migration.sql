-- Reports of security: counts of a period, as a file whose hash the audit log has.
CREATE TABLE security_reports (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('weekly', 'demand')),
  period_from timestamptz(3) NOT NULL,
  period_to timestamptz(3) NOT NULL CHECK (period_from < period_to),
  status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'done', 'failed')),
  requested_by text NOT NULL,
  requested_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz(3) CHECK ((ended_at IS NULL) = (status = 'queued')),
  content text CHECK ((content IS NULL) = (status <> 'done')),
  sha256 text
);
CREATE UNIQUE INDEX security_reports_weekly ON security_reports (period_from) WHERE kind = 'weekly';
CREATE INDEX security_reports_queued ON security_reports (requested_at) WHERE status = 'queued';
CREATE INDEX security_reports_requested_at ON security_reports (requested_at, id);

INSERT INTO permissions (name, description) VALUES ('monitoring:report', 'Request security reports')
ON CONFLICT (name) DO NOTHING;
INSERT INTO role_permissions (role, permission)
SELECT name, 'monitoring:report' FROM roles WHERE name IN ('admin', 'auditor', 'operator') ON CONFLICT DO NOTHING;

SELECT grant_roles();
