-- A user who signs in again keeps the session with its token families: only its cookie changes, and how and when the user
-- authenticated.

-- Null: at "createdAt".
ALTER TABLE sessions ADD COLUMN "authenticatedAt" timestamptz(3);

-- Writes the audit row, and refuses the former cookie on every copy, as other revocations: a cached session may still have
-- it. No token has its hash as jti. No token family outlives its session, which two factors shorten.
CREATE FUNCTION session_renewed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE users SET "lastLoginAt" = now() WHERE id = NEW."userId";
  IF NEW.token <> OLD.token THEN
    INSERT INTO revocations (kind, value, reason, user_id, expires_at)
    VALUES ('jti', encode(sha256(convert_to(OLD.token, 'UTF8')), 'hex'), 'session_renewed', NEW."userId", revocation_keep_until());
  END IF;
  PERFORM 1 FROM refresh_families WHERE sid = NEW.id AND revoked_at IS NULL AND expires_at > NEW."expiresAt"
    ORDER BY id FOR NO KEY UPDATE;
  UPDATE refresh_families SET expires_at = NEW."expiresAt"
  WHERE sid = NEW.id AND revoked_at IS NULL AND expires_at > NEW."expiresAt";
  PERFORM audit_record('session.renewed', 'ok', 'session', NEW.id, jsonb_build_object('user_id', NEW."userId",
    'reason', coalesce(audit_context('reason'), 'session_renewed')));
  RETURN NULL;
END $$;
CREATE TRIGGER sessions_renewed AFTER UPDATE OF token ON sessions FOR EACH ROW EXECUTE FUNCTION session_renewed();

SELECT grant_roles();
