-- Shared signals (OpenID SSF 1.0) that others send: who may, and what they sent, each once.

CREATE TABLE signal_transmitters (
  id          uuid PRIMARY KEY,
  issuer      text NOT NULL CHECK (length(issuer) BETWEEN 1 AND 512),
  jwks_uri    text NOT NULL CHECK (length(jwks_uri) <= 512),
  -- What its events must name as audience.
  audience    text NOT NULL CHECK (length(audience) BETWEEN 1 AND 512),
  -- Whose linked accounts its subjects are; null: none.
  provider    text CHECK (length(provider) BETWEEN 1 AND 64),
  -- Whether a subject may be a verified address.
  match_email boolean NOT NULL,
  created_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX signal_transmitters_issuer ON signal_transmitters (issuer);

CREATE TABLE signals_received (
  transmitter_id uuid NOT NULL REFERENCES signal_transmitters ON DELETE CASCADE,
  -- SHA-256 of its jti.
  jti            bytea NOT NULL CHECK (octet_length(jti) = 32),
  id             uuid NOT NULL,
  event          text NOT NULL CHECK (length(event) <= 64),
  outcome        text NOT NULL CHECK (outcome IN ('applied', 'no_user', 'ignored')),
  received_at    timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (transmitter_id, jti)
);
CREATE UNIQUE INDEX signals_received_id ON signals_received (id);
CREATE INDEX signals_received_received_at ON signals_received (received_at, id);

INSERT INTO permissions (name, description) VALUES
  ('signals:read', 'Read transmitters of shared signals and what they sent'),
  ('signals:manage', 'Say which transmitters may end sessions here')
ON CONFLICT DO NOTHING;
INSERT INTO role_permissions (role, permission)
SELECT role, permission FROM (VALUES
  ('admin', 'signals:read'), ('auditor', 'signals:read'), ('operator', 'signals:read'), ('admin', 'signals:manage')
) AS given (role, permission) WHERE role IN (SELECT name FROM roles)
ON CONFLICT DO NOTHING;

SELECT grant_roles();
