-- The state of each control: the result of its last check, and since when it has its status.

CREATE TABLE compliance_controls (
  control         text PRIMARY KEY CHECK (control ~ '^[a-z0-9-]{1,64}$'),
  status          text NOT NULL CHECK (status IN ('pass', 'fail', 'error', 'not_applicable', 'unknown')),
  -- Why the status is not `pass`.
  reason          text CHECK (length(reason) <= 500),
  population      bigint NOT NULL CHECK (population >= 0),
  sampled         bigint NOT NULL CHECK (sampled >= 0),
  exceptions      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(exceptions) = 'array'),
  exception_count bigint NOT NULL CHECK (exception_count >= 0),
  -- Canonical JSON: text, so that its bytes have the hash beside it.
  observed        text NOT NULL CHECK (length(observed) <= 65535),
  observed_sha256 text NOT NULL CHECK (observed_sha256 ~ '^[0-9a-f]{64}$'),
  probe_version   smallint NOT NULL,
  release         text NOT NULL,
  collector       text NOT NULL,
  started_at      timestamptz NOT NULL,
  ended_at        timestamptz NOT NULL,
  changed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (status <> 'pass' OR (population > 0 AND sampled > 0 AND exception_count = 0))
) WITH (fillfactor = 50);

INSERT INTO permissions (name, description) VALUES
  ('compliance:read', 'Read compliance controls, reports and their evidence'),
  ('compliance:manage', 'Request compliance reports, attest controls and manage violations');
INSERT INTO role_permissions (role, permission) VALUES
  ('admin', 'compliance:read'), ('admin', 'compliance:manage'),
  ('compliance', 'compliance:read'), ('compliance', 'compliance:manage'),
  ('auditor', 'compliance:read');

SELECT grant_roles();
