-- Logins that are refreshed, and what ends them with the access tokens they gave.

-- A login is one row, however often it is refreshed. No index on a column that rotation writes: every rotation is HOT.
CREATE TABLE refresh_families (
  id              uuid PRIMARY KEY,
  generation      integer NOT NULL DEFAULT 0,
  rotated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  grace_uses      smallint NOT NULL DEFAULT 0,
  grace_streak    smallint NOT NULL DEFAULT 0,            -- contested generations running
  idle_expires_at timestamptz NOT NULL,
  expires_at      timestamptz NOT NULL,
  revoked_at      timestamptz,
  revoke_reason   text,
  nonce_hash      bytea NOT NULL CHECK (length(nonce_hash) = 32),
  kv              smallint NOT NULL,                     -- server key of the current generation's MAC
  prev_kv         smallint NOT NULL,                     -- and of the one before
  client_id       text NOT NULL,
  client_bound    boolean NOT NULL,                      -- refreshed only by that client, authenticated
  jkt             text,                                  -- DPoP key thumbprint (RFC 9449 §6.1)
  x5t             text,                                  -- client certificate thumbprint (RFC 8705 §3.1)
  sid             text,
  user_id         text NOT NULL,
  user_epoch      integer NOT NULL,
  client_epoch    integer NOT NULL,
  scope           text NOT NULL,
  audience        text NOT NULL,
  auth_time       timestamptz NOT NULL,
  device          jsonb NOT NULL DEFAULT '{}',
  context_hash    text,                                  -- of the last context that rotated
  grace_contested boolean NOT NULL DEFAULT false,        -- grace of this generation was used from another context
  lost_answer_at  timestamptz,                           -- last repetition of an answer past its grace
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Of the session, as one text, as scope: rotation only reads it. acr is null where no person signed in, but a client.
  amr             text NOT NULL DEFAULT '',
  acr             text,
  -- Hash of the authorization code it was exchanged for: one that comes again ends what its first use began, however late.
  code_id         bytea CHECK (length(code_id) = 32),
  -- Where a caller acts for the user and no user signed in: the user's roles and permissions at issue. The login never
  -- has more. Rotation only reads it.
  rights_limit    jsonb
) WITH (fillfactor = 90);
CREATE INDEX refresh_families_user_id ON refresh_families (user_id);
CREATE INDEX refresh_families_client_id ON refresh_families (client_id);
CREATE INDEX refresh_families_expires_at ON refresh_families (expires_at);
CREATE UNIQUE INDEX refresh_families_code_id ON refresh_families (code_id) WHERE code_id IS NOT NULL;
-- Ending is not rotating: an index whose predicate ends with the family costs rotation nothing.
CREATE UNIQUE INDEX refresh_families_one_live ON refresh_families (sid, client_id) WHERE revoked_at IS NULL AND sid IS NOT NULL;

-- Every writer of many families locks them in id order first; without it they deadlock.
CREATE FUNCTION families_end_by_session(session text, why text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE ended integer;
BEGIN
  PERFORM 1 FROM refresh_families WHERE sid = session AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  UPDATE refresh_families SET revoked_at = clock_timestamp(), revoke_reason = why WHERE sid = session AND revoked_at IS NULL;
  GET DIAGNOSTICS ended = ROW_COUNT;
  RETURN ended;
END $$;
CREATE FUNCTION families_end_by_user(subject text, why text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE ended integer;
BEGIN
  PERFORM 1 FROM refresh_families WHERE user_id = subject AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  UPDATE refresh_families SET revoked_at = clock_timestamp(), revoke_reason = why WHERE user_id = subject AND revoked_at IS NULL;
  GET DIAGNOSTICS ended = ROW_COUNT;
  RETURN ended;
END $$;
CREATE FUNCTION families_end_by_client(subject text, why text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE ended integer;
BEGIN
  PERFORM 1 FROM refresh_families WHERE client_id = subject AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  UPDATE refresh_families SET revoked_at = clock_timestamp(), revoke_reason = why WHERE client_id = subject AND revoked_at IS NULL;
  GET DIAGNOSTICS ended = ROW_COUNT;
  RETURN ended;
END $$;

-- Answers to Idempotency-Key, sealed under a key derived from it: a dump opens none.
CREATE TABLE idempotency_keys (
  key_hash     bytea PRIMARY KEY,
  request_hash bytea NOT NULL,
  status       smallint,
  response     bytea,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at   timestamptz NOT NULL
);
CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at);

-- What statistics must not forget: tokens that leave no row of their own, and families and revocations cleaned up.
-- Sixteen rows so that concurrent commits rarely meet; readers add them up.
CREATE TABLE token_totals (
  slot      smallint PRIMARY KEY,
  issued    bigint NOT NULL DEFAULT 0,
  refreshed bigint NOT NULL DEFAULT 0,
  revoked   bigint NOT NULL DEFAULT 0,
  expired   bigint NOT NULL DEFAULT 0,
  replays   bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO token_totals (slot) SELECT generate_series(0, 15);
