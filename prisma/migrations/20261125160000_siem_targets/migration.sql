-- How far each target of the SIEM export is in the sealed log, and whether it fails. One row for each target of
-- SIEM_TARGETS: an export writes nothing for an event.
CREATE TABLE siem_targets (
  name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,31}$'),
  reached_seq bigint NOT NULL CHECK (reached_seq >= -1),
  failures integer NOT NULL DEFAULT 0,
  rejections integer NOT NULL DEFAULT 0,
  failure text,
  failed_at timestamptz(3),
  retry_at timestamptz(3),
  accepted_at timestamptz(3),
  followed_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX siem_targets_followed_at ON siem_targets (followed_at);

INSERT INTO permissions (name, description) VALUES
  ('siem:manage', 'See how far the targets of the SIEM export are, and send events again');
-- An installation may have deleted all of these roles but admin.
INSERT INTO role_permissions (role, permission)
SELECT role, permission FROM (VALUES
  ('admin', 'siem:manage'), ('operator', 'siem:manage')
) AS given (role, permission) JOIN roles ON roles.name = given.role;

SELECT grant_roles();
