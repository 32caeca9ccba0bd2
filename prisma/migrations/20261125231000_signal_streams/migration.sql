-- Streams of shared signals (OpenID SSF 1.0): who receives our security events. Their queues are those of hand-offs.

CREATE TABLE signal_streams (
  id                   uuid PRIMARY KEY,
  -- Who created it, as client: and the id.
  owner                text NOT NULL CHECK (length(owner) <= 300),
  audience             text NOT NULL CHECK (length(audience) <= 300),
  method               text NOT NULL CHECK (method IN ('urn:ietf:rfc:8935', 'urn:ietf:rfc:8936')),
  -- Of push.
  endpoint_url         text CHECK (length(endpoint_url) <= 2048),
  -- What the receiver asks for as Authorization, encrypted.
  sealed_authorization text,
  events               text[] NOT NULL,
  description          text CHECK (length(description) <= 256),
  status               text NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'paused', 'disabled')),
  status_reason        text CHECK (length(status_reason) <= 256),
  created_at           timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  CHECK ((method = 'urn:ietf:rfc:8935') = (endpoint_url IS NOT NULL))
);
CREATE INDEX signal_streams_owner ON signal_streams (owner, created_at, id);

-- Users whose events a stream does not deliver.
CREATE TABLE signal_exclusions (
  stream_id uuid NOT NULL REFERENCES signal_streams ON DELETE CASCADE,
  user_id   text NOT NULL REFERENCES users ON DELETE CASCADE,
  PRIMARY KEY (stream_id, user_id)
);
CREATE INDEX signal_exclusions_user_id ON signal_exclusions (user_id);

INSERT INTO permissions (name, description) VALUES
  ('ssf:read', 'Read own streams of shared signals'),
  ('ssf:manage', 'Receive security events of all users by streams of shared signals')
ON CONFLICT DO NOTHING;
INSERT INTO role_permissions (role, permission)
SELECT role, permission FROM (VALUES ('admin', 'ssf:read'), ('admin', 'ssf:manage')) AS given (role, permission)
WHERE role IN (SELECT name FROM roles)
ON CONFLICT DO NOTHING;

-- A receiver that polls has its queue planned and emptied by the API.
COMMENT ON TABLE handoff_deliveries IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE handoff_endpoints IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE handoff_parked IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE signal_exclusions IS 'api: SELECT, INSERT, DELETE; mcp: SELECT, INSERT, DELETE; worker: SELECT';
COMMENT ON TABLE signal_streams IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE';
COMMENT ON TABLE signal_transmitters IS 'api: SELECT, INSERT, DELETE; mcp: SELECT, INSERT, DELETE; worker: SELECT';
COMMENT ON TABLE signals_received IS 'api: SELECT, INSERT; mcp: SELECT; worker: SELECT, UPDATE, DELETE';

SELECT grant_roles();
