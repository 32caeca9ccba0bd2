-- What an account tells of its password and its logins; kept by the triggers below.
ALTER TABLE users ADD COLUMN "passwordChangedAt" timestamptz(3), ADD COLUMN "lastLoginAt" timestamptz(3);

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

-- Ends every login of a user. Locks in the order of user_sessions_lock: user, sessions, families.
CREATE FUNCTION user_every_login_end(subject text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM users WHERE id = subject FOR NO KEY UPDATE;
  PERFORM user_sessions_lock(subject);
  UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = subject;
  DELETE FROM sessions WHERE "userId" = subject;
END $$;

-- Whoever changes a password, and however, ends what was opened with the one before. The same password under a
-- stronger hash is no change: account_password_upgrade says so for its one row.
CREATE OR REPLACE FUNCTION account_changed() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION session_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE users SET "lastLoginAt" = now() WHERE id = NEW."userId";
  PERFORM audit_record('session.created', 'ok', 'session', NEW.id, jsonb_build_object('user_id', NEW."userId"));
  RETURN NULL;
END $$;
