-- Where a client comes from: made by whoever manages clients, registered by itself (RFC 7591), or read from the document
-- that its id is the address of. Nobody here has looked at the latter two.
ALTER TABLE oauth_clients ADD COLUMN origin text NOT NULL DEFAULT 'admin' CHECK (origin IN ('admin', 'registration', 'document'));
-- The document is read again after this.
ALTER TABLE oauth_clients ADD COLUMN "documentUntil" timestamptz(3);
ALTER TABLE oauth_clients ADD CHECK ((origin = 'document') = ("documentUntil" IS NOT NULL));
-- For their number, and for removing those that nobody uses.
CREATE INDEX oauth_clients_unvetted ON oauth_clients ("updatedAt") WHERE origin <> 'admin';

-- A document that says what it said before is news for nobody: copies read all clients anew when the version moves.
DROP TRIGGER oauth_clients_version ON oauth_clients;
CREATE CONSTRAINT TRIGGER oauth_clients_version AFTER INSERT OR DELETE ON oauth_clients
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE CONSTRAINT TRIGGER oauth_clients_changed_version AFTER UPDATE ON oauth_clients
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN ((to_jsonb(OLD) - '{documentUntil,updatedAt}'::text[]) IS DISTINCT FROM (to_jsonb(NEW) - '{documentUntil,updatedAt}'::text[]))
  EXECUTE FUNCTION access_changed();

-- The secret before, good until then.
ALTER TABLE oauth_clients ADD COLUMN "previousSecret" text;
ALTER TABLE oauth_clients ADD COLUMN "previousSecretUntil" timestamptz(3);
ALTER TABLE oauth_clients ADD CHECK (("previousSecret" IS NULL) = ("previousSecretUntil" IS NULL));

INSERT INTO permissions (name, description) VALUES ('clients:register', 'Register clients without rights of their own (RFC 7591)');
INSERT INTO role_permissions (role, permission) VALUES ('admin', 'clients:register');

-- Who withdraws what a client may do ends the device grants that it has not fetched.
CREATE INDEX oauth_device_grants_user_id ON oauth_device_grants (user_id, client_id) WHERE user_id IS NOT NULL;

CREATE OR REPLACE FUNCTION changed_columns(before jsonb, after jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(key ORDER BY key), '[]') FROM jsonb_each(after)
  WHERE value IS DISTINCT FROM before -> key
    AND key NOT IN ('updatedAt', 'tokenEpoch', 'previousSecret', 'previousSecretUntil', 'documentUntil')
$$;

CREATE OR REPLACE FUNCTION oauth_client_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  why text := coalesce(audit_context('reason'), 'client_changed');
  columns jsonb;
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM families_end_by_client(OLD."clientId", 'client_deleted');
    INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
    VALUES ('client', OLD."clientId", OLD."tokenEpoch" + 1, 'client_deleted', revocation_keep_until());
    PERFORM audit_record('client.deleted', 'ok', 'client', OLD."clientId", audit_reason());
  ELSIF TG_OP = 'INSERT' THEN
    PERFORM audit_record('client.created', 'ok', 'client', NEW."clientId",
      CASE NEW.origin WHEN 'admin' THEN '{}' ELSE jsonb_build_object('origin', NEW.origin) END || audit_reason());
  ELSE
    columns := changed_columns(to_jsonb(OLD), to_jsonb(NEW));
    IF NEW.disabled AND NOT coalesce(OLD.disabled, false) AND NEW."tokenEpoch" = OLD."tokenEpoch" THEN
      UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = NEW.id;
    END IF;
    IF NEW."tokenEpoch" > OLD."tokenEpoch" THEN
      PERFORM families_end_by_client(NEW."clientId", why);
      INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
      VALUES ('client', NEW."clientId", NEW."tokenEpoch", why, revocation_keep_until());
      PERFORM audit_record('client.tokens_revoked', 'ok', 'client', NEW."clientId", jsonb_build_object('reason', why));
    END IF;
    IF columns ? 'clientSecret' THEN
      PERFORM audit_record('client.secret_rotated', 'ok', 'client', NEW."clientId",
        jsonb_strip_nulls(jsonb_build_object('previous_until', NEW."previousSecretUntil")) || audit_reason());
      columns := columns - 'clientSecret';
    END IF;
    IF columns <> '[]' THEN
      PERFORM audit_record('client.changed', 'ok', 'client', NEW."clientId", jsonb_build_object('columns', columns) || audit_reason());
    END IF;
  END IF;
  RETURN NULL;
END $$;
