-- Keys, secrets, and where each stands in its life.

-- Signing keys. When a key signs is a range in its row: two signers of one purpose at once cannot be written,
-- and every copy changes over at the same moment without a message.
CREATE TABLE jwks (
  id                text PRIMARY KEY,                    -- kid
  purpose           text NOT NULL,                       -- 'access', 'audit-log', or 'hs256:<audience>'
  alg               text NOT NULL CHECK (alg IN ('RS256', 'ES256', 'EdDSA', 'HS256')),
  "publicKey"       text NOT NULL,                       -- JWK; for HS256 the sealed fingerprint of the secret
  "privateKey"      text NOT NULL,                       -- sealed under the key-encryption key; '' once destroyed
  "createdAt"       timestamptz NOT NULL DEFAULT clock_timestamp(),  -- published
  "expiresAt"       timestamptz,                         -- leaves the key set; null while no successor is planned
  signs             tstzrange NOT NULL CHECK (NOT isempty(signs) AND NOT lower_inf(signs)),
  longest_token_seconds integer NOT NULL,                -- of any token it signed
  compromised_at    timestamptz,
  compromise_reason text,
  -- A signer needs its private part; only a closed range or a compromise lets go of it.
  CHECK ("privateKey" <> '' OR compromised_at IS NOT NULL OR NOT upper_inf(signs)),
  CHECK ((compromised_at IS NULL) = (compromise_reason IS NULL)),
  EXCLUDE USING gist (int8range(hashtextextended(purpose, 0), hashtextextended(purpose, 0), '[]') WITH &&, signs WITH &&)
    WHERE (compromised_at IS NULL)
);

-- What the running API was configured with: a command line without its environment follows the same rules.
CREATE TABLE key_policy (
  id                    boolean PRIMARY KEY DEFAULT true CHECK (id),
  algorithm             text NOT NULL CHECK (algorithm IN ('RS256', 'ES256', 'EdDSA')),  -- of new asymmetric keys
  prepublish_seconds    integer NOT NULL,
  rotation_days         double precision NOT NULL,
  longest_token_seconds integer NOT NULL,
  leeway_seconds        integer NOT NULL,
  ring_bound_seconds    integer NOT NULL,
  refresh_seconds       integer NOT NULL                 -- longest absolute life of a login
);

-- Symmetric secrets of the server itself: refresh MAC, password pepper, keyed hashes.
CREATE TABLE server_secrets (
  purpose      text NOT NULL,
  version      smallint NOT NULL CHECK (version > 0),
  secret       text NOT NULL,                            -- sealed; '' once destroyed
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  activates_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (purpose, version)
);

CREATE FUNCTION keys_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE feed_state SET keys_version = keys_version + 1;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER jwks_version AFTER INSERT OR UPDATE OR DELETE ON jwks
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keys_changed();
CREATE CONSTRAINT TRIGGER server_secrets_version AFTER INSERT OR UPDATE OR DELETE ON server_secrets
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keys_changed();

-- A compromised key is a revocation too: offline verifiers learn it from the feed.
CREATE FUNCTION key_compromised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.compromised_at IS NOT NULL AND OLD.compromised_at IS NULL THEN
    INSERT INTO revocations (kind, value, reason, expires_at)
    VALUES ('key', NEW.id, 'key_compromised', clock_timestamp() + make_interval(secs => NEW.longest_token_seconds) + (revocation_keep_until() - clock_timestamp()));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER jwks_compromised AFTER UPDATE ON jwks FOR EACH ROW EXECUTE FUNCTION key_compromised();
