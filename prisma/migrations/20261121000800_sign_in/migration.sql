-- What stands between a person and a session: proved addresses, counted failures, second factors, other providers.

-- Codes that prove an address, once. Only the hash is here: whoever reads this table can redeem nothing.
CREATE TABLE one_time_codes (
  id         uuid PRIMARY KEY,
  purpose    text NOT NULL CHECK (purpose ~ '^[a-z_]{1,40}$'),
  hash       bytea NOT NULL CHECK (length(hash) = 32),
  -- Null: a sign-up whose account begins with the proof.
  user_id    text REFERENCES users (id) ON DELETE CASCADE,
  -- Of that user when it was asked for: what ends every login ends the code.
  user_epoch integer,
  -- The address it was sent to, and proves.
  email      text NOT NULL,
  -- What takes effect with the proof (the name of a sign-up), under the key-encryption key.
  sealed     text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  UNIQUE (purpose, hash),
  CHECK ((user_id IS NULL) = (user_epoch IS NULL))
);
CREATE INDEX one_time_codes_user_id ON one_time_codes (user_id);
CREATE INDEX one_time_codes_email ON one_time_codes (email, purpose);
CREATE INDEX one_time_codes_expires_at ON one_time_codes (expires_at);

-- Accounts that somebody made for others, until an address is proved. The roles take effect with the invitation alone:
-- whoever has the address later, and proves it by other means, gets none of them.
CREATE TABLE invitations (
  -- Of the mail that carries it; a later one takes the place of the one before.
  id         uuid PRIMARY KEY,
  user_id    text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  roles      text[] NOT NULL DEFAULT '{}',
  -- Null: the account has its password, and its roles, already.
  expires_at timestamptz
);
CREATE INDEX invitations_user_id ON invitations (user_id);
CREATE INDEX invitations_expires_at ON invitations (expires_at);

-- Mails that were asked for, in the transaction that gives cause to them. Recipient and content are sealed; what a
-- mail says, codes included, is made when it is sent.
CREATE TABLE mail_outbox (
  id              uuid PRIMARY KEY,
  template        text NOT NULL CHECK (template ~ '^[a-z_]{1,40}$'),
  sealed          text NOT NULL,
  traceparent     text,
  attempts        smallint NOT NULL DEFAULT 0,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Null: given up, and kept a while for operators.
  next_attempt_at timestamptz DEFAULT clock_timestamp(),
  failure         text
);
CREATE INDEX mail_outbox_due ON mail_outbox (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX mail_outbox_created_at ON mail_outbox (created_at);

-- Wrong passwords, counted for every name that was tried whether or not an account has it; keys are keyed hashes.
-- `account:…` of a login name, `device:…` of one known browser, `network:…` of an address prefix.
CREATE TABLE login_failures (
  key             text PRIMARY KEY,
  failures        integer NOT NULL DEFAULT 0,            -- consecutive: only a success, or somebody who unlocks, ends them
  recent          integer NOT NULL DEFAULT 0,            -- within the window, towards the next lock
  window_began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  locks           integer NOT NULL DEFAULT 0,            -- so far; each is longer than the one before
  locked_until    timestamptz,
  last_failed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Of a network within the window: whose passwords were tried, up to 64 of them, and how many were right.
  tried           text[] NOT NULL DEFAULT '{}',
  successes       integer NOT NULL DEFAULT 0,
  -- Whose account or device it is; its counter lasts as long as the account. Null: of a name that nobody has, of a network.
  user_id         text REFERENCES users (id) ON DELETE CASCADE,
  -- Of an account that the act `step_up` of an incident has closed: what wrong passwords alone cannot bring about.
  stepped_up      boolean NOT NULL DEFAULT false
) WITH (fillfactor = 80);
CREATE INDEX login_failures_user_id ON login_failures (user_id) WHERE user_id IS NOT NULL;
-- What clean-up removes lies among what stays.
CREATE INDEX login_failures_networks ON login_failures (last_failed_at) WHERE key LIKE 'network:%';
CREATE INDEX login_failures_devices ON login_failures (last_failed_at) WHERE key LIKE 'device:%';
CREATE INDEX login_failures_names ON login_failures (last_failed_at) WHERE key LIKE 'account:%' AND user_id IS NULL;

-- Counts one failure on each key and tells what it met. Whoever fails at the same time waits for the row and finds the
-- count of the one before. Failures during a lock count and do not lengthen it. Keys are taken in order, as by every
-- writer of several, and after the user, whom nobody deletes meanwhile.
CREATE FUNCTION login_failures_count(
  keys text[], who text, subject text, window_seconds float8, to_lock integer, network_to_lock integer,
  first_lock_seconds float8, longest_lock_seconds float8)
RETURNS TABLE (counter text, total integer, was_locked boolean, began_lock boolean, locked_seconds integer)
LANGUAGE plpgsql AS $$
DECLARE f login_failures; moment timestamptz; is_network boolean; lock_seconds float8; owner text;
BEGIN
  SELECT id INTO owner FROM users WHERE id = subject FOR KEY SHARE;
  FOREACH counter IN ARRAY ARRAY(SELECT k FROM unnest(keys) k ORDER BY k COLLATE "C") LOOP
    is_network := counter LIKE 'network:%';
    INSERT INTO login_failures AS l (key, failures, user_id) VALUES (counter, 1, CASE WHEN NOT is_network THEN owner END)
      ON CONFLICT (key) DO UPDATE SET failures = l.failures + 1, user_id = coalesce(excluded.user_id, l.user_id)
      RETURNING * INTO f;
    moment := clock_timestamp();
    was_locked := coalesce(f.locked_until > moment, false);
    IF f.window_began_at <= moment - make_interval(secs => window_seconds) THEN
      f.window_began_at := moment; f.recent := 0; f.tried := '{}'; f.successes := 0;
    END IF;
    f.recent := f.recent + (NOT was_locked)::integer;
    began_lock := NOT was_locked AND f.recent >= CASE WHEN is_network THEN network_to_lock ELSE to_lock END;
    IF began_lock THEN
      lock_seconds := least(longest_lock_seconds, first_lock_seconds * 2 ^ least(f.locks, 20));
      f.locked_until := moment + make_interval(secs => lock_seconds);
      f.locks := f.locks + 1;
      f.recent := 0;
    END IF;
    IF is_network AND NOT who = ANY (f.tried) AND cardinality(f.tried) < 64 THEN f.tried := f.tried || who; END IF;
    UPDATE login_failures SET recent = f.recent, window_began_at = f.window_began_at, locks = f.locks,
      locked_until = f.locked_until, last_failed_at = moment, tried = f.tried, successes = f.successes WHERE key = counter;
    total := f.failures;
    locked_seconds := greatest(0, ceil(extract(epoch FROM coalesce(f.locked_until, moment) - moment)));
    RETURN NEXT;
  END LOOP;
END $$;

-- What a right password does: nothing, and says so, while one of `judged` is locked or has failed `ever` times running;
-- else the counters of account and device go and those of networks note it.
CREATE FUNCTION login_failures_forgive(keys text[], judged text[], ever integer, window_seconds float8)
RETURNS TABLE (is_refused boolean, locked_seconds integer, tried_names integer) LANGUAGE plpgsql AS $$
-- Only what is held: a row that came while this waited for a later one is locked by somebody who waits for us.
DECLARE held text[] := ARRAY(SELECT key FROM login_failures WHERE key = ANY (keys) ORDER BY key COLLATE "C" FOR UPDATE);
BEGIN
  SELECT coalesce(bool_or(l.locked_until > clock_timestamp() OR l.failures >= ever AND l.key NOT LIKE 'network:%'), false),
    coalesce(max(ceil(extract(epoch FROM l.locked_until - clock_timestamp()))), 0) INTO is_refused, locked_seconds
  FROM login_failures l WHERE l.key = ANY (judged);
  -- Of the network within its window: whoever gets in from where many names are tried is looked at.
  SELECT coalesce(max(cardinality(l.tried)), 0) INTO tried_names FROM login_failures l
  WHERE l.key = ANY (keys) AND l.key LIKE 'network:%' AND l.window_began_at > clock_timestamp() - make_interval(secs => window_seconds);
  IF NOT is_refused THEN
    DELETE FROM login_failures WHERE key = ANY (held) AND key NOT LIKE 'network:%';
    UPDATE login_failures SET successes = successes + 1 WHERE key = ANY (held) AND key LIKE 'network:%';
  END IF;
  RETURN NEXT;
END $$;

-- Second factors: the tables of Better Auth's plugins, and the step between two factors.

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
  "createdAt"               timestamptz(3) NOT NULL DEFAULT now(),
  -- Both kept by the trigger below; the row may be older than either.
  "verifiedAt"              timestamptz(3),
  "codesMadeAt"             timestamptz(3) NOT NULL DEFAULT now()
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
  IF NEW."backupCodes" <> OLD."backupCodes" AND NEW."codesLeft" = OLD."codesLeft" THEN
    NEW."codesLeft" := 10;
    NEW."codesMadeAt" := clock_timestamp();
  END IF;
  IF NEW.verified AND NOT OLD.verified THEN NEW."verifiedAt" := clock_timestamp(); END IF;
  -- Another secret has shown no code yet.
  IF NEW.secret <> OLD.secret THEN NEW."lastUsedStep" := 0; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER two_factors_counts BEFORE UPDATE ON two_factors FOR EACH ROW EXECUTE FUNCTION two_factor_counts();

CREATE FUNCTION two_factor_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE subject text := CASE WHEN TG_OP = 'DELETE' THEN OLD."userId" ELSE NEW."userId" END;
  is_enabled boolean := TG_OP <> 'DELETE' AND NEW.verified;
BEGIN
  -- Better Auth's flag on the user says what this row says, whichever statement changes it.
  UPDATE users SET "twoFactorEnabled" = is_enabled WHERE id = subject AND "twoFactorEnabled" <> is_enabled;
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
  ELSIF NEW."codesLeft" = 0 AND OLD."codesLeft" > 0 THEN
    PERFORM audit_record('recovery_codes.voided', 'ok', 'user', NEW."userId",
      jsonb_build_object('left', OLD."codesLeft") || audit_reason());
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
-- Whoever adds one says when by a clock of their own.
CREATE FUNCTION passkey_dated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."createdAt" := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER passkeys_dated BEFORE INSERT ON passkeys FOR EACH ROW EXECUTE FUNCTION passkey_dated();
CREATE TRIGGER passkeys_changed AFTER INSERT OR DELETE ON passkeys FOR EACH ROW EXECUTE FUNCTION passkey_changed();

-- One attempt to sign in by another provider, between the way there and the way back. What it proves with the provider
-- (PKCE verifier, nonce) is derived from the state and the browser's own secret: neither is here.
CREATE TABLE social_sign_ins (
  state_hash   bytea PRIMARY KEY CHECK (octet_length(state_hash) = 32),
  browser_hash bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
  provider     text NOT NULL,
  callback_url text,
  -- Who links an account to their own; null for a sign-in.
  link_user_id text REFERENCES users (id) ON DELETE CASCADE,
  expires_at   timestamptz(6) NOT NULL
);
CREATE INDEX social_sign_ins_expires_at ON social_sign_ins (expires_at);
CREATE INDEX social_sign_ins_link_user_id ON social_sign_ins (link_user_id);
