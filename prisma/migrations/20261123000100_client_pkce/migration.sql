-- An administrator may exempt a confidential client from PKCE. A public client and pushed requests always use it (RFC
-- 9700 §2.1.1, FAPI 2.0 §5.3.2.2). Null means that PKCE is required.
ALTER TABLE oauth_clients ADD CONSTRAINT oauth_clients_pkce CHECK ("requirePKCE" IS NOT FALSE OR
  (origin = 'admin' AND coalesce("tokenEndpointAuthMethod", 'none') <> 'none' AND NOT "requirePushedRequests"));

-- A code without a challenge was requested without PKCE.
ALTER TABLE oauth_codes ALTER COLUMN code_challenge DROP NOT NULL;

-- Settings of a client whose values the audit log records. A row without these columns gives the defaults.
CREATE FUNCTION client_settings(client jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('pkce', CASE WHEN client->>'requirePKCE' = 'false' THEN 'optional' ELSE 'required' END)
$$;

CREATE FUNCTION client_settings_changed(before jsonb, after jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(client_settings(after))
  WHERE value IS DISTINCT FROM client_settings(before) -> key
$$;

-- Adds the new values of these settings to the events; all else as before.
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
      CASE NEW.origin WHEN 'admin' THEN '{}' ELSE jsonb_build_object('origin', NEW.origin) END
        || client_settings_changed('{}', to_jsonb(NEW)) || audit_reason());
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
      PERFORM audit_record('client.changed', 'ok', 'client', NEW."clientId", jsonb_build_object('columns', columns)
        || client_settings_changed(to_jsonb(OLD), to_jsonb(NEW)) || audit_reason());
    END IF;
  END IF;
  RETURN NULL;
END $$;
