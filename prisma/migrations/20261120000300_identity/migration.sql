-- Better Auth's tables under the names of the requirements, plus what our tokens need of a user.
CREATE TABLE users (
  id              text PRIMARY KEY,
  email           text NOT NULL UNIQUE,
  "emailVerified" timestamptz(3),
  name            text,
  image           text,
  "createdAt"     timestamptz(3) NOT NULL DEFAULT now(),
  "updatedAt"     timestamptz(3) NOT NULL DEFAULT now(),
  "tokenEpoch"    integer NOT NULL DEFAULT 0,
  -- Copy of user_roles, kept by trigger, so that the refresh statement reads one row.
  roles           text[] NOT NULL DEFAULT '{}',
  "disabledAt"    timestamptz(3)
);

CREATE TABLE sessions (
  id          text PRIMARY KEY,
  "userId"    text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  "expiresAt" timestamptz(3) NOT NULL,
  token       text NOT NULL UNIQUE,
  "createdAt" timestamptz(3) NOT NULL DEFAULT now(),
  "updatedAt" timestamptz(3) NOT NULL DEFAULT now(),
  "ipAddress" text,
  "userAgent" text
);
CREATE INDEX sessions_user_id ON sessions ("userId");
CREATE INDEX sessions_expires_at ON sessions ("expiresAt");

CREATE TABLE accounts (
  id                      text PRIMARY KEY,
  "accountId"             text NOT NULL,
  "providerId"            text NOT NULL,
  "userId"                text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  "accessToken"           text,
  "refreshToken"          text,
  "idToken"               text,
  "accessTokenExpiresAt"  timestamptz(3),
  "refreshTokenExpiresAt" timestamptz(3),
  scope                   text,
  password                text,
  "createdAt"             timestamptz(3) NOT NULL DEFAULT now(),
  "updatedAt"             timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE ("providerId", "accountId")
);
CREATE INDEX accounts_user_id ON accounts ("userId");

CREATE TABLE verifications (
  id          text PRIMARY KEY,
  identifier  text NOT NULL,
  value       text NOT NULL,
  "expiresAt" timestamptz(3) NOT NULL,
  "createdAt" timestamptz(3) NOT NULL DEFAULT now(),
  "updatedAt" timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX verifications_identifier ON verifications (identifier);
CREATE INDEX verifications_expires_at ON verifications ("expiresAt");

-- A session never comes or goes without its audit row; ending one ends its families and its access tokens.
CREATE FUNCTION session_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_record('session.created', 'ok', 'session', NEW.id, jsonb_build_object('user_id', NEW."userId"));
  RETURN NULL;
END $$;
CREATE TRIGGER sessions_created AFTER INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION session_created();

-- A session whose time ran out so long ago that no token of it can live has ended by itself: its row goes in silence.
CREATE FUNCTION session_ended() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE why text := coalesce(audit_context('reason'), 'session_deleted');
BEGIN
  IF OLD."expiresAt" < clock_timestamp() - (SELECT make_interval(secs => revocation_keep_seconds) FROM token_lifetimes)
    AND NOT EXISTS (SELECT FROM refresh_families WHERE sid = OLD.id AND revoked_at IS NULL AND expires_at > clock_timestamp())
  THEN
    RETURN NULL;
  END IF;
  PERFORM families_end_by_session(OLD.id, why);
  INSERT INTO revocations (kind, value, reason, user_id, expires_at)
  VALUES ('sid', OLD.id, why, OLD."userId", revocation_keep_until());
  PERFORM audit_record('session.ended', 'ok', 'session', OLD.id, jsonb_build_object('user_id', OLD."userId", 'reason', why));
  RETURN NULL;
END $$;
CREATE TRIGGER sessions_ended AFTER DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION session_ended();

CREATE FUNCTION user_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO user_roles (user_id, role) VALUES (NEW.id, 'user');
  PERFORM audit_record('user.created', 'ok', 'user', NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER users_created AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION user_created();

-- Lock order everywhere: user, sessions by id, families by id. Ending sessions one by one would take families out of
-- order, and taking families first would meet a sign-out, which holds its session.
CREATE FUNCTION user_sessions_lock(subject text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM sessions WHERE "userId" = subject ORDER BY id FOR UPDATE;
END $$;

-- A higher epoch ends every family of the user and refuses every token born before it.
CREATE FUNCTION user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE why text := coalesce(audit_context('reason'), 'user_changed');
BEGIN
  IF NEW."disabledAt" IS NOT NULL AND OLD."disabledAt" IS NULL AND NEW."tokenEpoch" = OLD."tokenEpoch" THEN
    PERFORM user_sessions_lock(NEW.id);
    UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = NEW.id;
    DELETE FROM sessions WHERE "userId" = NEW.id;
    PERFORM audit_record('user.disabled', 'ok', 'user', NEW.id, jsonb_build_object('reason', why));
  END IF;
  IF NEW."tokenEpoch" > OLD."tokenEpoch" THEN
    PERFORM families_end_by_user(NEW.id, why);
    INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
    VALUES ('user', NEW.id, NEW."tokenEpoch", why, revocation_keep_until());
    PERFORM audit_record('user.tokens_revoked', 'ok', 'user', NEW.id, jsonb_build_object('reason', why, 'token_epoch', NEW."tokenEpoch"));
  END IF;
  IF NEW.email IS DISTINCT FROM OLD.email THEN
    PERFORM audit_record('user.email_changed', 'ok', 'user', NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER users_changed AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION user_changed();

-- Before the row goes: the cascade then finds everything locked in order.
CREATE FUNCTION user_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM user_sessions_lock(OLD.id);
  PERFORM families_end_by_user(OLD.id, 'user_deleted');
  INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
  VALUES ('user', OLD.id, OLD."tokenEpoch" + 1, 'user_deleted', revocation_keep_until());
  PERFORM audit_record('user.deleted', 'ok', 'user', OLD.id);
  RETURN OLD;
END $$;
CREATE TRIGGER users_deleted BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION user_deleted();

CREATE FUNCTION account_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE event text; target text;
BEGIN
  IF TG_OP = 'INSERT' THEN event := 'account.linked'; target := NEW."userId";
  ELSIF TG_OP = 'DELETE' THEN event := 'account.unlinked'; target := OLD."userId";
  ELSIF NEW.password IS DISTINCT FROM OLD.password THEN event := 'account.password_changed'; target := NEW."userId";
  ELSE RETURN NULL;
  END IF;
  PERFORM audit_record(event, 'ok', 'user', target, jsonb_build_object('provider', CASE WHEN TG_OP = 'DELETE' THEN OLD."providerId" ELSE NEW."providerId" END));
  RETURN NULL;
END $$;
CREATE TRIGGER accounts_changed AFTER INSERT OR UPDATE OR DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION account_changed();
