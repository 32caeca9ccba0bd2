-- What an OAuth client asks for on its way to a code.

-- Authorization requests that clients sent ahead of their browsers (RFC 9126). One conditional DELETE uses one up.
CREATE TABLE oauth_pushed_requests (
  uri_hash   bytea PRIMARY KEY CHECK (length(uri_hash) = 32),   -- SHA-256 of the request_uri
  client_id  text NOT NULL,
  query      text NOT NULL CHECK (length(query) <= 8192),
  share      text,                                              -- keyed hash of where a request came from that showed no secret
  expires_at timestamptz(3) NOT NULL
);
CREATE INDEX oauth_pushed_requests_expires_at ON oauth_pushed_requests (expires_at);
CREATE INDEX oauth_pushed_requests_share ON oauth_pushed_requests (client_id, share, expires_at);

-- Authorization codes (RFC 6749 §4.1): one conditional DELETE consumes a code; what it was exchanged for keeps its hash.
CREATE TABLE oauth_codes (
  code_hash      bytea PRIMARY KEY CHECK (length(code_hash) = 32),   -- SHA-256 of the code
  client_id      text NOT NULL,
  redirect_uri   text NOT NULL,
  code_challenge text NOT NULL CHECK (length(code_challenge) = 43),  -- S256 (RFC 7636 §4.2)
  user_id        text NOT NULL,
  session_id     text NOT NULL,
  client_epoch   integer NOT NULL,
  scope          text NOT NULL,
  audience       text NOT NULL,
  nonce          text,
  dpop_jkt       text,                                               -- RFC 9449 §10
  auth_time      timestamptz(0) NOT NULL,
  expires_at     timestamptz(3) NOT NULL
);
CREATE INDEX oauth_codes_expires_at ON oauth_codes (expires_at);
-- Who withdraws what a client may do ends the codes that it has not exchanged.
CREATE INDEX oauth_codes_user_id ON oauth_codes (user_id, client_id);

-- What people let a client do; kept until it is withdrawn or either of them is gone.
CREATE TABLE oauth_consents (
  user_id    text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  client_id  text NOT NULL REFERENCES oauth_clients ("clientId") ON DELETE CASCADE,
  audience   text NOT NULL,
  scopes     text[] NOT NULL,
  granted_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (user_id, client_id, audience)
);
CREATE INDEX oauth_consents_client_id ON oauth_consents (client_id);

-- What was agreed to before an address was proved may have been agreed to by somebody else.
CREATE FUNCTION user_consents_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM oauth_consents WHERE user_id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER users_consents_end AFTER UPDATE OF "emailVerified" ON users FOR EACH ROW
  WHEN (OLD."emailVerified" IS NULL AND NEW."emailVerified" IS NOT NULL) EXECUTE FUNCTION user_consents_end();

-- Device grants (RFC 8628): decided by a person in a browser, asked for by a device.
CREATE TABLE oauth_device_grants (
  device_code_hash bytea PRIMARY KEY CHECK (length(device_code_hash) = 32),
  user_code        text NOT NULL UNIQUE,
  client_id        text NOT NULL,
  scope            text NOT NULL,
  audience         text NOT NULL,
  share            text,                                             -- keyed hash of where it was asked for without a secret
  status           text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'denied')),
  user_id          text,
  user_epoch       integer,                                          -- as they stood when it was decided:
  client_epoch     integer,                                          -- logins ended since end the grant too
  auth_time        timestamptz(0),
  decided_at       timestamptz,                                      -- by the clock here; auth_time is of a copy's
  interval_seconds smallint NOT NULL,
  polled_at        timestamptz(3),
  expires_at       timestamptz(3) NOT NULL,
  CHECK (status <> 'approved' OR num_nulls(user_id, user_epoch, client_epoch, auth_time, decided_at) = 0)
);
CREATE INDEX oauth_device_grants_expires_at ON oauth_device_grants (expires_at);
CREATE INDEX oauth_device_grants_share ON oauth_device_grants (client_id, share, expires_at);
-- Who withdraws what a client may do ends the device grants that it has not fetched.
CREATE INDEX oauth_device_grants_user_id ON oauth_device_grants (user_id, client_id) WHERE user_id IS NOT NULL;

-- Proofs of possession that were used (RFC 9449 §11.1): the unique insert is the use.
CREATE TABLE dpop_proofs (
  proof_hash bytea PRIMARY KEY CHECK (length(proof_hash) = 32),      -- SHA-256 of key thumbprint and jti
  expires_at timestamptz(3) NOT NULL
);
CREATE INDEX dpop_proofs_expires_at ON dpop_proofs (expires_at);
