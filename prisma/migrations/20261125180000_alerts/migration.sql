-- Alerts: what needs a person, where it is sent, and what was sent.

CREATE TABLE alert_targets (
  id                      uuid PRIMARY KEY,
  name                    text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  kind                    text NOT NULL CHECK (kind IN ('webhook', 'mail', 'slack')),
  -- The URL or address, encrypted: the URL of a Slack webhook is a secret.
  sealed                  text NOT NULL,
  -- What of it may be read.
  shown                   text NOT NULL CHECK (length(shown) <= 512),
  sources                 text[] NOT NULL,
  severities              text[] NOT NULL,
  quiet_from              text CHECK (quiet_from ~ '^\d\d:\d\d$'),
  quiet_until             text CHECK (quiet_until ~ '^\d\d:\d\d$'),
  time_zone               text NOT NULL CHECK (length(time_zone) <= 64),
  escalates_to            uuid REFERENCES alert_targets ON DELETE SET NULL,
  escalates_after_minutes integer CHECK (escalates_after_minutes BETWEEN 1 AND 1440),
  only_escalated          boolean NOT NULL,
  failures                integer NOT NULL DEFAULT 0,
  open_until              timestamptz(3),
  created_at              timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  CHECK ((quiet_from IS NULL) = (quiet_until IS NULL))
);
CREATE UNIQUE INDEX alert_targets_name ON alert_targets (name);
CREATE INDEX alert_targets_escalates_to ON alert_targets (escalates_to);

-- One row for each cause until it is resolved.
CREATE TABLE alerts (
  id              uuid PRIMARY KEY,
  seq             bigint GENERATED ALWAYS AS IDENTITY,
  source          text NOT NULL CHECK (source IN ('incident', 'control', 'alertmanager')),
  cause           text NOT NULL CHECK (length(cause) BETWEEN 1 AND 255),
  name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
  severity        text NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
  summary         text NOT NULL CHECK (length(summary) <= 1024),
  labels          jsonb NOT NULL CHECK (octet_length(labels::text) <= 16384),
  state           text NOT NULL DEFAULT 'firing' CHECK (state IN ('firing', 'acknowledged', 'resolved')),
  -- Reports of the cause while it lasts.
  count           integer NOT NULL DEFAULT 1,
  raised_at       timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  acknowledged_at timestamptz(3),
  acknowledged_by text,
  resolved_at     timestamptz(3),
  -- Resolved, and a target that got it does not know yet.
  is_closing      boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX alerts_one_open ON alerts (source, cause) WHERE (state <> 'resolved'::text);
CREATE INDEX alerts_closing ON alerts (id) WHERE is_closing;
CREATE INDEX alerts_raised_at ON alerts (raised_at, id);
CREATE INDEX alerts_resolved_at ON alerts (resolved_at);

-- What a target is told of an alert, each once. Without a delivery it waits for the next message of its group.
CREATE TABLE alert_notices (
  target_id   uuid NOT NULL REFERENCES alert_targets ON DELETE CASCADE,
  alert_id    uuid NOT NULL REFERENCES alerts ON DELETE CASCADE,
  kind        text NOT NULL CHECK (kind IN ('firing', 'escalated', 'resolved')),
  seq         bigint GENERATED ALWAYS AS IDENTITY,
  grouped     text NOT NULL,
  delivery_id uuid,
  planned_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (target_id, alert_id, kind)
);
CREATE INDEX alert_notices_waiting ON alert_notices (target_id, grouped, seq) WHERE (delivery_id IS NULL);
CREATE INDEX alert_notices_delivery_id ON alert_notices (delivery_id, seq);
CREATE INDEX alert_notices_alert_id ON alert_notices (alert_id);

-- One message to a target: waiting, sent or given up. Its id is the same in each attempt.
CREATE TABLE alert_deliveries (
  id              uuid PRIMARY KEY,
  target_id       uuid NOT NULL REFERENCES alert_targets ON DELETE CASCADE,
  kind            text NOT NULL CHECK (kind IN ('alerts', 'test')),
  grouped         text NOT NULL,
  firing          integer NOT NULL DEFAULT 0,
  resolved        integer NOT NULL DEFAULT 0,
  -- The mail that carries it, while it waits in the outbox of mails.
  mail_id         uuid,
  attempts        integer NOT NULL DEFAULT 0,
  created_at      timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- Null once it was sent or given up.
  next_attempt_at timestamptz(3) DEFAULT clock_timestamp(),
  failure         text,
  failed_at       timestamptz(3),
  sent_at         timestamptz(3)
);
CREATE UNIQUE INDEX alert_deliveries_open ON alert_deliveries (target_id, grouped, kind) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX alert_deliveries_target ON alert_deliveries (target_id, created_at, id);
CREATE INDEX alert_deliveries_created_at ON alert_deliveries (created_at);

CREATE TABLE alert_silences (
  id         uuid PRIMARY KEY,
  -- Labels that an alert must have.
  matchers   jsonb NOT NULL CHECK (octet_length(matchers::text) <= 4096),
  until      timestamptz(3) NOT NULL,
  reason     text NOT NULL CHECK (length(reason) <= 256),
  created_by text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  ended_at   timestamptz(3)
);
CREATE INDEX alert_silences_until ON alert_silences (until);

-- One row: how far alerts have read the sealed log.
CREATE TABLE alert_progress (
  id  boolean PRIMARY KEY DEFAULT true CHECK (id),
  seq bigint NOT NULL
);

INSERT INTO permissions (name, description) VALUES
  ('alerts:read', 'Read alerts, their targets, silences and what was sent'),
  ('alerts:manage', 'Acknowledge and silence alerts, and say where they are sent'),
  ('alerts:receive', 'Report alerts of a monitoring system')
ON CONFLICT DO NOTHING;
INSERT INTO role_permissions (role, permission)
SELECT role, permission FROM (VALUES
  ('admin', 'alerts:read'), ('auditor', 'alerts:read'), ('operator', 'alerts:read'),
  ('admin', 'alerts:manage'), ('admin', 'alerts:receive')
) AS given (role, permission) WHERE role IN (SELECT name FROM roles)
ON CONFLICT DO NOTHING;

SELECT grant_roles();
