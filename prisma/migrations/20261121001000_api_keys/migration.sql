-- API keys, the signatures they were shown with, and what ends them.

-- Keys that speak for a user or a client, narrowed to some of its rights. Copies hold them in memory: `version` is the
-- access_version of their last change, so a copy reads only what changed since it last looked.
CREATE TABLE api_keys (
  id                  uuid PRIMARY KEY,
  name                text NOT NULL,
  owner_kind          text NOT NULL CHECK (owner_kind IN ('user', 'client')),
  -- Null once the owner is deleted: the row stays for a while, for those who look back.
  user_id             text REFERENCES users (id) ON DELETE SET NULL,
  client_id           text REFERENCES oauth_clients ("clientId") ON DELETE SET NULL,
  -- Epoch of the owner that it was made under; a later one ends it.
  owner_epoch         integer NOT NULL,
  permissions         text[] NOT NULL,
  -- SHA-256 of 256 random bits.
  secret_hash         bytea NOT NULL CHECK (length(secret_hash) = 32),
  -- The secret before, good until then.
  previous_hash       bytea CHECK (length(previous_hash) = 32),
  previous_until      timestamptz,
  -- JWK whose owner signs every request (RFC 9421); null: the secret is enough.
  public_key          jsonb,
  requests_per_minute integer NOT NULL,
  lifetime_seconds    integer NOT NULL,
  created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  rotated_at          timestamptz,
  expires_at          timestamptz NOT NULL,
  revoked_at          timestamptz,
  revoke_reason       text,
  -- When rights or standing of the user who owns it last changed.
  owner_changed_at    timestamptz,
  version             bigint NOT NULL DEFAULT 0,
  CHECK (CASE owner_kind WHEN 'user' THEN client_id IS NULL ELSE user_id IS NULL END),
  CHECK ((previous_hash IS NULL) = (previous_until IS NULL))
);
CREATE INDEX api_keys_user_id ON api_keys (user_id, id);
CREATE INDEX api_keys_client_id ON api_keys (client_id, id);
CREATE INDEX api_keys_version ON api_keys (version);
CREATE INDEX api_keys_expires_at ON api_keys (expires_at);

-- Apart from the keys, so that use is no change of a key; written for many at once, never for one request.
CREATE TABLE api_key_uses (
  key_id       uuid PRIMARY KEY REFERENCES api_keys (id) ON DELETE CASCADE,
  last_used_at timestamptz NOT NULL,
  uses         bigint NOT NULL
);

-- Nonces of signed requests: each is good once.
CREATE TABLE api_key_nonces (
  nonce_hash bytea PRIMARY KEY CHECK (length(nonce_hash) = 32),
  expires_at timestamptz NOT NULL
);
CREATE INDEX api_key_nonces_expires_at ON api_key_nonces (expires_at);

CREATE FUNCTION api_key_orphaned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.revoked_at := coalesce(NEW.revoked_at, clock_timestamp());
  NEW.revoke_reason := coalesce(NEW.revoke_reason, 'owner_deleted');
  RETURN NEW;
END $$;
CREATE TRIGGER api_keys_orphaned BEFORE UPDATE ON api_keys FOR EACH ROW
  WHEN (NEW.user_id IS NULL AND NEW.client_id IS NULL) EXECUTE FUNCTION api_key_orphaned();

CREATE FUNCTION api_key_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE owned jsonb := jsonb_strip_nulls(jsonb_build_object('user_id', NEW.user_id, 'owner_client_id', NEW.client_id));
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM audit_record('api_key.created', 'ok', 'api_key', NEW.id::text, owned || jsonb_build_object(
      'permissions', to_jsonb(NEW.permissions), 'signed', NEW.public_key IS NOT NULL) || audit_reason());
  ELSIF NEW.revoked_at IS NOT NULL AND OLD.revoked_at IS NULL THEN
    PERFORM audit_record('api_key.revoked', 'ok', 'api_key', NEW.id::text, owned || jsonb_build_object('reason', NEW.revoke_reason));
  ELSIF NEW.secret_hash <> OLD.secret_hash THEN
    PERFORM audit_record('api_key.rotated', 'ok', 'api_key', NEW.id::text, owned || audit_reason());
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER api_keys_changed AFTER INSERT OR UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION api_key_changed();

-- At commit, while the counter's row is held to its end: versions follow commit order, so none is overlooked.
CREATE FUNCTION api_key_versioned() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE next_version bigint;
BEGIN
  UPDATE feed_state SET access_version = access_version + 1 RETURNING access_version INTO next_version;
  UPDATE api_keys SET version = next_version WHERE id = NEW.id;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER api_keys_versioned
  AFTER INSERT OR UPDATE OF secret_hash, revoked_at, user_id, client_id, owner_changed_at ON api_keys
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION api_key_versioned();

-- Rows are locked here, in id order, and counted at commit: who holds the counter waits for no key. Of a client copies
-- know standing and rights already.
CREATE FUNCTION api_keys_owner_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM api_keys WHERE user_id = NEW.id AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  UPDATE api_keys SET owner_changed_at = clock_timestamp() WHERE user_id = NEW.id AND revoked_at IS NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER users_api_keys AFTER UPDATE ON users FOR EACH ROW
  WHEN (OLD.roles <> NEW.roles OR OLD."tokenEpoch" <> NEW."tokenEpoch" OR OLD."disabledAt" IS DISTINCT FROM NEW."disabledAt")
  EXECUTE FUNCTION api_keys_owner_changed();
