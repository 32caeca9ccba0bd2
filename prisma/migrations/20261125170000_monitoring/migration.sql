-- What the dashboard reads: events of the sealed log by hour, and what copies measured.
CREATE TABLE monitoring_state (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  after_seq bigint,
  counted_at timestamptz(3),
  locked_accounts integer
);
INSERT INTO monitoring_state DEFAULT VALUES;

CREATE TABLE event_hours (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  hour timestamptz(3) NOT NULL,
  type text NOT NULL,
  outcome text NOT NULL,
  events bigint NOT NULL,
  active bigint NOT NULL
);
CREATE UNIQUE INDEX event_hours_hour ON event_hours (hour, type, outcome);

CREATE TABLE copy_samples (
  id uuid PRIMARY KEY,
  copy_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('api', 'worker')),
  at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  seconds double precision NOT NULL,
  sample jsonb NOT NULL
);
CREATE INDEX copy_samples_at ON copy_samples (at);

INSERT INTO permissions (name, description) VALUES
  ('monitoring:read', 'Read the dashboard of security and performance, security reports and the capacity forecast')
ON CONFLICT (name) DO NOTHING;
INSERT INTO role_permissions (role, permission)
SELECT name, 'monitoring:read' FROM roles WHERE name IN ('admin', 'auditor', 'operator') ON CONFLICT DO NOTHING;

SELECT grant_roles();
