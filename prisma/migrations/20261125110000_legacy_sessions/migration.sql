-- Sessions of the provider that this installation replaces: which session here each became, and which have ended.

CREATE TABLE legacy_sessions (
  -- SHA-256 of issuer and session id; of a token without one, of the token.
  id         bytea PRIMARY KEY CHECK (octet_length(id) = 32),
  -- Null: ended at the old provider before it came here.
  user_id    text REFERENCES users (id) ON DELETE CASCADE,
  session_id text,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- Exchanged or ended most recently.
  touched_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  ended_at   timestamptz(3)
);
CREATE INDEX legacy_sessions_user_id ON legacy_sessions (user_id);
CREATE INDEX legacy_sessions_session_id ON legacy_sessions (session_id);
CREATE INDEX legacy_sessions_touched_at ON legacy_sessions (touched_at);

-- When all sessions of a user were ended here: earlier sign-ins at the old provider prove nothing any more.
CREATE TABLE legacy_user_ends (
  user_id  text PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  ended_at timestamptz(3) NOT NULL
);

-- The feed carries the end to every copy, under a name that no session here has.
CREATE FUNCTION legacy_session_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO revocations (kind, value, reason, user_id, expires_at)
  VALUES ('sid', 'legacy:' || encode(NEW.id, 'hex'), coalesce(audit_context('reason'), 'legacy_session_ended'), NEW.user_id,
    revocation_keep_until());
  RETURN NULL;
END $$;
CREATE TRIGGER legacy_sessions_inserted AFTER INSERT ON legacy_sessions FOR EACH ROW
  WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION legacy_session_revoked();
CREATE TRIGGER legacy_sessions_ended AFTER UPDATE ON legacy_sessions FOR EACH ROW
  WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION legacy_session_revoked();

-- A session that ended here ends what it came from. One that expired does not: its user may still be signed in there.
CREATE FUNCTION session_ended_legacy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE legacy_sessions SET ended_at = clock_timestamp(), touched_at = clock_timestamp()
  WHERE session_id = OLD.id AND ended_at IS NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER sessions_ended_legacy AFTER DELETE ON sessions FOR EACH ROW
  WHEN (OLD."expiresAt" > now()) EXECUTE FUNCTION session_ended_legacy();

CREATE FUNCTION user_ended_legacy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO legacy_user_ends (user_id, ended_at)
  SELECT NEW.id, clock_timestamp() WHERE EXISTS (SELECT FROM legacy_users WHERE user_id = NEW.id)
  ON CONFLICT (user_id) DO UPDATE SET ended_at = excluded.ended_at;
  RETURN NULL;
END $$;
CREATE TRIGGER users_ended_legacy AFTER UPDATE ON users FOR EACH ROW
  WHEN (NEW."tokenEpoch" > OLD."tokenEpoch") EXECUTE FUNCTION user_ended_legacy();

SELECT grant_roles();
