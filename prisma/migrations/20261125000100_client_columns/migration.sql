-- Settings of OAuth clients have one name from the column to the wire: that of the API, which is that of RFC 7591 where it
-- has one. Columns of the plugin that first made this table, and that nothing reads, go.

ALTER TABLE oauth_clients DISABLE TRIGGER USER;
DROP TRIGGER oauth_clients_changed_version ON oauth_clients;
ALTER TABLE oauth_clients
  DROP CONSTRAINT oauth_clients_pkce,
  DROP CONSTRAINT oauth_clients_refresh_rotation,
  DROP CONSTRAINT oauth_clients_fapi2,
  DROP COLUMN "clientDiscoveryId",
  DROP COLUMN "enableEndSession",
  DROP COLUMN "subjectType",
  DROP COLUMN uri,
  DROP COLUMN contacts,
  DROP COLUMN tos,
  DROP COLUMN policy,
  DROP COLUMN "softwareId",
  DROP COLUMN "softwareVersion",
  DROP COLUMN "softwareStatement",
  DROP COLUMN "applicationType",
  DROP COLUMN "responseTypes",
  DROP COLUMN "referenceId",
  DROP COLUMN metadata;

-- What is stored is what is read: no value stands for another.
UPDATE oauth_clients SET
  "tokenEndpointAuthMethod" = coalesce("tokenEndpointAuthMethod",
    CASE WHEN "clientSecret" IS NULL THEN 'none' ELSE 'client_secret_basic' END),
  "skipConsent" = coalesce("skipConsent", false),
  scopes = coalesce(scopes, '{}'),
  "clientCredentialsScopes" = coalesce("clientCredentialsScopes", '{}'),
  "postLogoutRedirectUris" = coalesce("postLogoutRedirectUris", '{}'),
  "backchannelLogoutSessionRequired" = coalesce("backchannelLogoutSessionRequired", false),
  "grantTypes" = coalesce("grantTypes", '{}'),
  "dpopBoundAccessTokens" = coalesce("dpopBoundAccessTokens", false);

ALTER TABLE oauth_clients RENAME COLUMN "clientSecret" TO secret_hash;
ALTER TABLE oauth_clients RENAME COLUMN "previousSecret" TO previous_secret_hash;
ALTER TABLE oauth_clients RENAME COLUMN "previousSecretUntil" TO previous_secret_until;
ALTER TABLE oauth_clients RENAME COLUMN "tokenEndpointAuthMethod" TO auth_method;
ALTER TABLE oauth_clients RENAME COLUMN "jwksUri" TO jwks_uri;
ALTER TABLE oauth_clients RENAME COLUMN "certificateIdentity" TO certificate_identity;
ALTER TABLE oauth_clients RENAME COLUMN "credentialSetters" TO credential_setters;
ALTER TABLE oauth_clients RENAME COLUMN "skipConsent" TO skip_consent;
ALTER TABLE oauth_clients RENAME COLUMN "grantTypes" TO grant_types;
ALTER TABLE oauth_clients RENAME COLUMN "clientCredentialsScopes" TO credential_scopes;
ALTER TABLE oauth_clients RENAME COLUMN "redirectUris" TO redirect_uris;
ALTER TABLE oauth_clients RENAME COLUMN "postLogoutRedirectUris" TO post_logout_redirect_uris;
ALTER TABLE oauth_clients RENAME COLUMN "backchannelLogoutUri" TO backchannel_logout_uri;
ALTER TABLE oauth_clients RENAME COLUMN "backchannelLogoutSessionRequired" TO backchannel_logout_session_required;
ALTER TABLE oauth_clients RENAME COLUMN "dpopBoundAccessTokens" TO dpop_bound_access_tokens;
ALTER TABLE oauth_clients RENAME COLUMN "certificateBoundAccessTokens" TO tls_client_certificate_bound_access_tokens;
ALTER TABLE oauth_clients RENAME COLUMN "requirePushedRequests" TO require_pushed_authorization_requests;
ALTER TABLE oauth_clients RENAME COLUMN "requirePKCE" TO pkce;
ALTER TABLE oauth_clients RENAME COLUMN "rotatesRefreshTokens" TO refresh_rotation;
ALTER TABLE oauth_clients RENAME COLUMN "idTokenSignedResponseAlg" TO id_token_signed_response_alg;
ALTER TABLE oauth_clients RENAME COLUMN "accessTokenSignedResponseAlg" TO access_token_signed_response_alg;
ALTER TABLE oauth_clients RENAME COLUMN icon TO logo;
ALTER TABLE oauth_clients RENAME CONSTRAINT oauth_clients_icon TO oauth_clients_logo;
ALTER TABLE oauth_clients RENAME COLUMN "documentUntil" TO document_until;
ALTER TABLE oauth_clients RENAME COLUMN "registeredFrom" TO registered_from;

ALTER TABLE oauth_clients
  ALTER COLUMN auth_method SET DEFAULT 'none',
  ALTER COLUMN auth_method SET NOT NULL,
  ALTER COLUMN skip_consent SET DEFAULT false,
  ALTER COLUMN skip_consent SET NOT NULL,
  ALTER COLUMN scopes SET DEFAULT '{}',
  ALTER COLUMN scopes SET NOT NULL,
  ALTER COLUMN credential_scopes SET NOT NULL,
  ALTER COLUMN grant_types SET DEFAULT '{}',
  ALTER COLUMN grant_types SET NOT NULL,
  ALTER COLUMN post_logout_redirect_uris SET DEFAULT '{}',
  ALTER COLUMN post_logout_redirect_uris SET NOT NULL,
  ALTER COLUMN backchannel_logout_session_required SET DEFAULT false,
  ALTER COLUMN backchannel_logout_session_required SET NOT NULL,
  ALTER COLUMN dpop_bound_access_tokens SET NOT NULL,
  ALTER COLUMN pkce TYPE text USING CASE WHEN pkce IS FALSE THEN 'optional' ELSE 'required' END,
  ALTER COLUMN pkce SET DEFAULT 'required',
  ALTER COLUMN pkce SET NOT NULL,
  ALTER COLUMN refresh_rotation DROP DEFAULT,
  ALTER COLUMN refresh_rotation TYPE text USING CASE WHEN refresh_rotation THEN 'on' ELSE 'off' END,
  ALTER COLUMN refresh_rotation SET DEFAULT 'on';
ALTER TABLE oauth_clients
  ADD CONSTRAINT oauth_clients_pkce CHECK (CASE pkce
    WHEN 'required' THEN true
    WHEN 'optional' THEN origin = 'admin' AND auth_method <> 'none' AND NOT require_pushed_authorization_requests
    ELSE false END),
  ADD CONSTRAINT oauth_clients_refresh_rotation CHECK (CASE refresh_rotation
    WHEN 'on' THEN true
    WHEN 'off' THEN origin = 'admin' AND auth_method <> 'none'
      AND (dpop_bound_access_tokens OR tls_client_certificate_bound_access_tokens)
    ELSE false END),
  ADD CONSTRAINT oauth_clients_fapi2 CHECK (profile <> 'fapi2' OR (
    require_pushed_authorization_requests AND pkce = 'required' AND refresh_rotation = 'off' AND secret_hash IS NULL
    AND (dpop_bound_access_tokens OR tls_client_certificate_bound_access_tokens)));

-- The functions that name these columns, otherwise as they were.
CREATE OR REPLACE FUNCTION client_rights_shrink() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW."tokenEpoch" = OLD."tokenEpoch" AND NOT (
    NEW.scopes @> OLD.scopes AND NEW.credential_scopes @> OLD.credential_scopes AND NEW.grant_types @> OLD.grant_types
    AND (NEW.audiences @> OLD.audiences OR '*' = ANY (NEW.audiences))
  ) THEN
    NEW."tokenEpoch" := OLD."tokenEpoch" + 1;
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION changed_columns(before jsonb, after jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(key ORDER BY key), '[]') FROM jsonb_each(after)
  WHERE value IS DISTINCT FROM before -> key AND key NOT IN
    ('updatedAt', 'tokenEpoch', 'previous_secret_hash', 'previous_secret_until', 'document_until', 'credential_setters')
$$;

-- Settings of a client whose values the audit log records. A row without these columns gives the defaults.
CREATE OR REPLACE FUNCTION client_settings(client jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object(
    'pkce', coalesce(client->>'pkce', 'required'),
    'refresh_rotation', coalesce(client->>'refresh_rotation', 'on'),
    'profile', coalesce(client->>'profile', 'default'))
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
    IF columns ? 'secret_hash' THEN
      PERFORM audit_record('client.secret_rotated', 'ok', 'client', NEW."clientId",
        jsonb_strip_nulls(jsonb_build_object('previous_until', NEW.previous_secret_until)) || audit_reason());
      columns := columns - 'secret_hash';
    END IF;
    IF columns <> '[]' THEN
      PERFORM audit_record('client.changed', 'ok', 'client', NEW."clientId", jsonb_build_object('columns', columns)
        || client_settings_changed(to_jsonb(OLD), to_jsonb(NEW)) || audit_reason());
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION agent_client_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE agent agents;
BEGIN
  SELECT * INTO agent FROM agents WHERE client_id = NEW."clientId";
  IF NOT FOUND THEN RETURN NEW; END IF;
  NEW.scopes := scopes_within(NEW.scopes, agent.owner_id);
  NEW.credential_scopes := scopes_within(NEW.credential_scopes, agent.owner_id);
  NEW.disabled := coalesce(NEW.disabled, false) OR agent.killed_at IS NOT NULL;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION permissions_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" IN (
    SELECT "clientId" FROM oauth_clients WHERE credential_scopes && ARRAY(SELECT name FROM taken)
    ORDER BY "clientId" FOR UPDATE);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION client_credentials_set() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.credential_setters := ARRAY(
    SELECT DISTINCT person FROM unnest(NEW.credential_setters || people_behind_actor()) person ORDER BY person);
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION people_behind_client(client text) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT coalesce((
    SELECT array_remove(credential_setters || owner_id, NULL) FROM oauth_clients LEFT JOIN agents ON client_id = "clientId"
    WHERE "clientId" = client), '{}')
$$;

CREATE OR REPLACE FUNCTION session_ended() RETURNS trigger LANGUAGE plpgsql AS $$
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
  INSERT INTO logout_tokens (client_id, unvetted, user_id, session_id, traceparent)
  SELECT DISTINCT clients."clientId", clients.origin <> 'admin', OLD."userId", OLD.id, audit_context('traceparent')
  FROM refresh_families families JOIN oauth_clients clients ON clients."clientId" = families.client_id
  WHERE families.sid = OLD.id AND families.client_bound AND clients.backchannel_logout_uri IS NOT NULL
    AND 'openid' = ANY (string_to_array(families.scope, ' '));
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER oauth_clients_changed_version AFTER UPDATE ON oauth_clients
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN ((to_jsonb(OLD) - '{document_until,updatedAt}'::text[]) IS DISTINCT FROM (to_jsonb(NEW) - '{document_until,updatedAt}'::text[]))
  EXECUTE FUNCTION access_changed();
ALTER TABLE oauth_clients ENABLE TRIGGER USER;

-- Copies read the clients again.
UPDATE feed_state SET access_version = access_version + 1;
