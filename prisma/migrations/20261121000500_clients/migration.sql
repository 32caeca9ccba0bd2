-- The OAuth provider's client table; `tokenEpoch` and what follows it are ours.
CREATE TABLE oauth_clients (
  id                                 text PRIMARY KEY,
  "clientId"                         text NOT NULL UNIQUE,
  "clientSecret"                     text,
  "clientDiscoveryId"                text,
  disabled                           boolean DEFAULT false,
  "skipConsent"                      boolean,
  "enableEndSession"                 boolean,
  "subjectType"                      text,
  scopes                             text[],
  "clientCredentialsScopes"          text[] DEFAULT '{}',
  "userId"                           text REFERENCES users (id) ON DELETE SET NULL,
  "createdAt"                        timestamptz(3) DEFAULT now(),
  "updatedAt"                        timestamptz(3) DEFAULT now(),
  name                               text,
  uri                                text,
  icon                               text,
  contacts                           text[],
  tos                                text,
  policy                             text,
  "softwareId"                       text,
  "softwareVersion"                  text,
  "softwareStatement"                text,
  "redirectUris"                     text[] NOT NULL DEFAULT '{}',
  "postLogoutRedirectUris"           text[],
  "backchannelLogoutUri"             text,
  "backchannelLogoutSessionRequired" boolean,
  "tokenEndpointAuthMethod"          text,
  "applicationType"                  text,
  jwks                               text,
  "jwksUri"                          text,
  "grantTypes"                       text[],
  "responseTypes"                    text[],
  "requirePKCE"                      boolean,
  "dpopBoundAccessTokens"            boolean DEFAULT false,
  "referenceId"                      text,
  metadata                           jsonb,
  "tokenEpoch"                       integer NOT NULL DEFAULT 0,
  -- For whom else than itself the installation it may ask for tokens; `*`: for anybody.
  audiences                          text[] NOT NULL DEFAULT '{}',
  -- RFC 9126 §6: its authorization requests come no other way.
  "requirePushedRequests"            boolean NOT NULL DEFAULT false,
  -- RFC 8705 §3.4: its every token is bound to a certificate.
  "certificateBoundAccessTokens"     boolean NOT NULL DEFAULT false,
  -- Made by whoever manages clients, registered by itself (RFC 7591), or read from the document that its id is the
  -- address of. Nobody here has looked at the latter two.
  origin                             text NOT NULL DEFAULT 'admin' CHECK (origin IN ('admin', 'registration', 'document')),
  -- The document is read again after this.
  "documentUntil"                    timestamptz(3),
  -- Keyed hash of the address that a client registered itself from, without a credential.
  "registeredFrom"                   text,
  -- The secret before, good until then.
  "previousSecret"                   text,
  "previousSecretUntil"              timestamptz(3),
  CHECK ((origin = 'document') = ("documentUntil" IS NOT NULL)),
  CHECK (("previousSecret" IS NULL) = ("previousSecretUntil" IS NULL))
);
CREATE INDEX oauth_clients_user_id ON oauth_clients ("userId");
-- For their number, and for removing those that nobody uses.
CREATE INDEX oauth_clients_unvetted ON oauth_clients ("updatedAt") WHERE origin <> 'admin';
CREATE INDEX oauth_clients_registered_from ON oauth_clients ("registeredFrom");

-- Our own pages and apps: tokens of a login. A public client that may use nothing but refresh.
INSERT INTO oauth_clients (id, "clientId", name, "tokenEndpointAuthMethod", "grantTypes", scopes, audiences)
VALUES ('sallyport', 'sallyport', 'Sallyport first party', 'none', '{refresh_token}', '{openid,profile,email,offline_access}', '{*}');

-- A document that says what it said before is news for nobody: copies read all clients anew when the version moves.
CREATE CONSTRAINT TRIGGER oauth_clients_version AFTER INSERT OR DELETE ON oauth_clients
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE CONSTRAINT TRIGGER oauth_clients_changed_version AFTER UPDATE ON oauth_clients
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN ((to_jsonb(OLD) - '{documentUntil,updatedAt}'::text[]) IS DISTINCT FROM (to_jsonb(NEW) - '{documentUntil,updatedAt}'::text[]))
  EXECUTE FUNCTION access_changed();

-- A right taken away from a client ends what was issued with it, as with users: its own tokens carry their scopes, and
-- its logins keep theirs for as long as they are refreshed. Adding a right, or any other change, ends nothing.
CREATE FUNCTION client_rights_shrink() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW."tokenEpoch" = OLD."tokenEpoch" AND NOT (
    coalesce(NEW.scopes, '{}') @> coalesce(OLD.scopes, '{}')
    AND coalesce(NEW."clientCredentialsScopes", '{}') @> coalesce(OLD."clientCredentialsScopes", '{}')
    AND coalesce(NEW."grantTypes", '{}') @> coalesce(OLD."grantTypes", '{}')
    AND (NEW.audiences @> OLD.audiences OR '*' = ANY (NEW.audiences))
  ) THEN
    NEW."tokenEpoch" := OLD."tokenEpoch" + 1;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER oauth_clients_rights BEFORE UPDATE ON oauth_clients FOR EACH ROW EXECUTE FUNCTION client_rights_shrink();

-- A key or certificate that is asked for from now on: of what was issued without, a thief could come with one of their own.
CREATE FUNCTION client_demand_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."tokenEpoch" := OLD."tokenEpoch" + 1;
  RETURN NEW;
END $$;
CREATE TRIGGER oauth_clients_demands BEFORE UPDATE ON oauth_clients FOR EACH ROW
  WHEN (NEW."tokenEpoch" = OLD."tokenEpoch" AND (
    NEW."dpopBoundAccessTokens" AND NOT coalesce(OLD."dpopBoundAccessTokens", false)
    OR NEW."certificateBoundAccessTokens" AND NOT OLD."certificateBoundAccessTokens"))
  EXECUTE FUNCTION client_demand_grows();

-- Names of the columns that changed, never their values.
CREATE FUNCTION changed_columns(before jsonb, after jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(key ORDER BY key), '[]') FROM jsonb_each(after)
  WHERE value IS DISTINCT FROM before -> key
    AND key NOT IN ('updatedAt', 'tokenEpoch', 'previousSecret', 'previousSecretUntil', 'documentUntil')
$$;

CREATE FUNCTION oauth_client_changed() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER oauth_clients_changed AFTER INSERT OR UPDATE OR DELETE ON oauth_clients FOR EACH ROW EXECUTE FUNCTION oauth_client_changed();
