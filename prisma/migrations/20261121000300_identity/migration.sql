-- People, their sessions, and what ends both. Functions here name tables of later migrations: none runs before all are in.

-- Better Auth's tables under the names of the requirements, plus what our tokens need of a user.
CREATE TABLE users (
  id                  text PRIMARY KEY,
  -- ASCII alone: another alphabet has letters that fold into these.
  email               text NOT NULL UNIQUE CONSTRAINT users_email_ascii CHECK (octet_length(email) = char_length(email)),
  "emailVerified"     timestamptz(3),
  name                text,
  image               text,
  "createdAt"         timestamptz(3) NOT NULL DEFAULT now(),
  "updatedAt"         timestamptz(3) NOT NULL DEFAULT now(),
  "tokenEpoch"        integer NOT NULL DEFAULT 0,
  -- Copy of user_roles, kept by trigger, so that the refresh statement reads one row.
  roles               text[] NOT NULL DEFAULT '{}',
  "disabledAt"        timestamptz(3),
  -- Both kept by the triggers below.
  "passwordChangedAt" timestamptz(3),
  "lastLoginAt"       timestamptz(3),
  -- A cookie of a browser that signed in before this is of nobody. Set when somebody else is thought to hold one.
  "devicesSince"      timestamptz(3),
  "twoFactorEnabled"  boolean NOT NULL DEFAULT false
);
-- Lists of the admin API, newest first, and their filters.
CREATE INDEX users_created_at ON users ("createdAt", id);
CREATE INDEX users_disabled ON users ("createdAt", id) WHERE ("disabledAt" IS NOT NULL);
CREATE INDEX users_email_prefix ON users (email COLLATE "C");

CREATE TABLE sessions (
  id          text PRIMARY KEY,
  "userId"    text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  "expiresAt" timestamptz(3) NOT NULL,
  token       text NOT NULL UNIQUE,
  "createdAt" timestamptz(3) NOT NULL DEFAULT now(),
  "updatedAt" timestamptz(3) NOT NULL DEFAULT now(),
  "ipAddress" text,
  "userAgent" text,
  -- Methods (RFC 8176) and assurance of the login; its token families repeat them.
  amr         text[] NOT NULL DEFAULT '{}',
  acr         text NOT NULL DEFAULT 'aal1',
  -- By the clock here. "createdAt" is of the copy that opened it, whose clock may be seconds behind, or of an older login.
  "writtenAt" timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX sessions_user_id ON sessions ("userId");
CREATE INDEX sessions_expires_at ON sessions ("expiresAt");
CREATE INDEX sessions_created_at ON sessions ("createdAt", id);

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
  UPDATE users SET "lastLoginAt" = now() WHERE id = NEW."userId";
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

-- Ends every login of a user. Locks in the order of user_sessions_lock: user, sessions, families.
CREATE FUNCTION user_every_login_end(subject text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM users WHERE id = subject FOR NO KEY UPDATE;
  PERFORM user_sessions_lock(subject);
  UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = subject;
  DELETE FROM sessions WHERE "userId" = subject;
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

CREATE FUNCTION user_enabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_record('user.enabled', 'ok', 'user', NEW.id, audit_reason());
  RETURN NULL;
END $$;
CREATE TRIGGER users_enabled AFTER UPDATE ON users FOR EACH ROW
  WHEN (OLD."disabledAt" IS NOT NULL AND NEW."disabledAt" IS NULL) EXECUTE FUNCTION user_enabled();

-- Before the row goes: the cascade then finds everything locked in order.
CREATE FUNCTION user_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM user_sessions_lock(OLD.id);
  PERFORM families_end_by_user(OLD.id, 'user_deleted');
  INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
  VALUES ('user', OLD.id, OLD."tokenEpoch" + 1, 'user_deleted', revocation_keep_until());
  PERFORM audit_record('user.deleted', 'ok', 'user', OLD.id, audit_reason());
  RETURN OLD;
END $$;
CREATE TRIGGER users_deleted BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION user_deleted();

-- Whoever changes a password, and however, ends what was opened with the one before. The same password under a
-- stronger hash is no change: account_password_upgrade says so for its one row.
CREATE FUNCTION account_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE event text; target text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    event := 'account.linked'; target := NEW."userId";
    IF NEW.password IS NOT NULL THEN UPDATE users SET "passwordChangedAt" = now() WHERE id = target; END IF;
  ELSIF TG_OP = 'DELETE' THEN event := 'account.unlinked'; target := OLD."userId";
  ELSIF NEW.password IS DISTINCT FROM OLD.password THEN
    IF coalesce(current_setting('sallyport.password_upgrade', true), '') = NEW.id THEN RETURN NULL; END IF;
    event := 'account.password_changed'; target := NEW."userId";
    PERFORM user_every_login_end(target);
    UPDATE users SET "passwordChangedAt" = now() WHERE id = target;
  ELSE RETURN NULL;
  END IF;
  PERFORM audit_record(event, 'ok', 'user', target, jsonb_build_object('provider', CASE WHEN TG_OP = 'DELETE' THEN OLD."providerId" ELSE NEW."providerId" END));
  RETURN NULL;
END $$;
CREATE TRIGGER accounts_changed AFTER INSERT OR UPDATE OR DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION account_changed();

-- Dated at commit: a link that a sign-in makes is then no older than the event of that sign-in, which is written after it.
CREATE FUNCTION account_dated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts SET "createdAt" = clock_timestamp() WHERE id = NEW.id;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER accounts_dated AFTER INSERT ON accounts DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW."providerId" <> 'credential') EXECUTE FUNCTION account_dated();

-- Puts another digest of the same, just proved password in place. False when the password is another one by now.
CREATE FUNCTION account_password_upgrade(subject text, proven text, upgraded text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE account text;
BEGIN
  SELECT id INTO account FROM accounts
  WHERE "userId" = subject AND "providerId" = 'credential' AND password = proven FOR NO KEY UPDATE;
  IF account IS NULL THEN RETURN false; END IF;
  PERFORM set_config('sallyport.password_upgrade', account, true);
  UPDATE accounts SET password = upgraded, "updatedAt" = now() WHERE id = account;
  PERFORM set_config('sallyport.password_upgrade', '', true);
  RETURN true;
END $$;
