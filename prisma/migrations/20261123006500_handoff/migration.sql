-- Hand-off: security events that the workers push to configured endpoints, in the order of the sealed log.

CREATE TABLE handoff_endpoints (
  name        text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,31}$'),
  -- Events of the sealed log up to here have a delivery, or are of a type that is not pushed.
  reached_seq bigint NOT NULL CHECK (reached_seq >= -1),
  -- Failed batches in a row. Nothing is sent before open_until; then one event tries whether the endpoint is up.
  failures    integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  open_until  timestamptz(3),
  followed_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX handoff_endpoints_followed_at ON handoff_endpoints (followed_at);

-- Deleted when the endpoint has accepted the event.
CREATE TABLE handoff_deliveries (
  id              uuid PRIMARY KEY,
  endpoint        text NOT NULL REFERENCES handoff_endpoints (name) ON DELETE CASCADE,
  seq             bigint NOT NULL,
  -- SHA-256 of the subject, hex: events of one subject are sent in order.
  subject         text NOT NULL CHECK (subject ~ '^[0-9a-f]{64}$'),
  attempts        integer NOT NULL DEFAULT 0,
  created_at      timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- Null: given up; kept for a while for operators.
  next_attempt_at timestamptz(3) DEFAULT clock_timestamp(),
  -- Of the last attempt; null while an attempt is made.
  failure         text CHECK (length(failure) <= 128),
  failed_at       timestamptz(3)
);
CREATE UNIQUE INDEX handoff_deliveries_seq ON handoff_deliveries (endpoint, seq);
CREATE INDEX handoff_deliveries_waiting ON handoff_deliveries (endpoint, seq) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX handoff_deliveries_subject ON handoff_deliveries (endpoint, subject, seq) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX handoff_deliveries_given_up ON handoff_deliveries (failed_at) WHERE (next_attempt_at IS NULL);
CREATE INDEX handoff_deliveries_created_at ON handoff_deliveries (created_at);

SELECT grant_roles();
