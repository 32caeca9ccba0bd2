-- Second factors: the tables of Better Auth's plugins, what a login was proved with, and the step between two factors.

-- Methods (RFC 8176) and assurance of the login behind a session; its token families repeat them.
ALTER TABLE sessions ADD COLUMN amr text[] NOT NULL DEFAULT '{}', ADD COLUMN acr text NOT NULL DEFAULT 'aal1';
-- As one text, as scope: rotation only reads it. Null: no person signed in, a client asked for it.
ALTER TABLE refresh_families ADD COLUMN amr text NOT NULL DEFAULT '', ADD COLUMN acr text;

ALTER TABLE users ADD COLUMN "twoFactorEnabled" boolean NOT NULL DEFAULT false;

CREATE TABLE two_factors (
  id                        text PRIMARY KEY,
  "userId"                  text NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
  -- Encrypted by the plugin, both.
  secret                    text NOT NULL,
  "backupCodes"             text NOT NULL,
  -- False until a code of the authenticator was shown; the recovery codes count beside any factor.
  verified                  boolean NOT NULL DEFAULT false,
  "failedVerificationCount" integer NOT NULL DEFAULT 0,
  "lockedUntil"             timestamptz(3),
  -- The newest 30-second step whose code was accepted: no code counts twice (RFC 6238 §5.2).
  "lastUsedStep"            integer NOT NULL DEFAULT 0,
  "codesLeft"               smallint NOT NULL DEFAULT 10,
  "createdAt"               timestamptz(3) NOT NULL DEFAULT now()
);

CREATE TABLE passkeys (
  id             text PRIMARY KEY,
  "userId"       text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name           text,
  "publicKey"    text NOT NULL,
  "credentialID" text NOT NULL UNIQUE,
  -- Of 32 bits without a sign (WebAuthn §6.1): beyond an integer.
  counter        double precision NOT NULL,
  "deviceType"   text NOT NULL,
  "backedUp"     boolean NOT NULL,
  transports     text,
  aaguid         text,
  "createdAt"    timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX passkeys_user_id ON passkeys ("userId");

-- Between the password and the second factor. Only its hash is kept; it counts as long as nothing of the user changed.
CREATE TABLE login_challenges (
  hash       bytea PRIMARY KEY CHECK (length(hash) = 32),
  user_id    text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  user_epoch integer NOT NULL,
  amr        text NOT NULL,
  attempts   smallint NOT NULL DEFAULT 0,
  expires_at timestamptz NOT NULL
);
CREATE INDEX login_challenges_user_id ON login_challenges (user_id);
CREATE INDEX login_challenges_expires_at ON login_challenges (expires_at);

CREATE FUNCTION user_factors(subject text) RETURNS integer LANGUAGE sql STABLE AS $$
  SELECT (SELECT count(*)::int FROM two_factors WHERE "userId" = subject AND verified)
    + (SELECT count(*)::int FROM passkeys WHERE "userId" = subject)
$$;

-- What was open before the first factor, or with one that is gone, ends.
CREATE FUNCTION factor_enrolled(subject text, factor text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_record('factor.enrolled', 'ok', 'user', subject, jsonb_build_object('factor', factor));
  IF user_factors(subject) = 1 THEN PERFORM user_every_login_end(subject); END IF;
END $$;

-- Of a user who is being deleted everything has ended already.
CREATE FUNCTION factor_removed(subject text, factor text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_record('factor.removed', 'ok', 'user', subject, jsonb_build_object('factor', factor));
  IF EXISTS (SELECT FROM users WHERE id = subject) THEN PERFORM user_every_login_end(subject); END IF;
END $$;

-- The plugin writes new codes without counting them; using one is the only change that counts down.
CREATE FUNCTION two_factor_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW."backupCodes" <> OLD."backupCodes" AND NEW."codesLeft" = OLD."codesLeft" THEN NEW."codesLeft" := 10; END IF;
  -- Another secret has shown no code yet.
  IF NEW.secret <> OLD.secret THEN NEW."lastUsedStep" := 0; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER two_factors_counts BEFORE UPDATE ON two_factors FOR EACH ROW EXECUTE FUNCTION two_factor_counts();

CREATE FUNCTION two_factor_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.verified THEN PERFORM factor_removed(OLD."userId", 'totp'); END IF;
    RETURN NULL;
  END IF;
  IF TG_OP = 'INSERT' THEN
    PERFORM audit_record('recovery_codes.made', 'ok', 'user', NEW."userId");
    IF NEW.verified THEN PERFORM factor_enrolled(NEW."userId", 'totp'); END IF;
    RETURN NULL;
  END IF;
  IF NEW."backupCodes" <> OLD."backupCodes" THEN
    IF NEW."codesLeft" = OLD."codesLeft" - 1 THEN
      PERFORM audit_record('recovery_code.used', 'ok', 'user', NEW."userId", jsonb_build_object('left', NEW."codesLeft"));
    ELSE
      PERFORM audit_record('recovery_codes.made', 'ok', 'user', NEW."userId");
    END IF;
  END IF;
  IF NEW.verified AND NOT OLD.verified THEN PERFORM factor_enrolled(NEW."userId", 'totp'); END IF;
  IF OLD.verified AND NOT NEW.verified THEN PERFORM factor_removed(NEW."userId", 'totp'); END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER two_factors_changed AFTER INSERT OR UPDATE OR DELETE ON two_factors
  FOR EACH ROW EXECUTE FUNCTION two_factor_changed();

CREATE FUNCTION passkey_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN PERFORM factor_enrolled(NEW."userId", 'passkey');
  ELSE PERFORM factor_removed(OLD."userId", 'passkey');
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER passkeys_changed AFTER INSERT OR DELETE ON passkeys FOR EACH ROW EXECUTE FUNCTION passkey_changed();
