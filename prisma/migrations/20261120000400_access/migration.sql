-- Who may do what. Copies hold roles and clients in memory; `access_version` tells them when to look again.
CREATE TABLE roles (
  name        text PRIMARY KEY,
  description text NOT NULL
);
CREATE TABLE permissions (
  name        text PRIMARY KEY CHECK (name ~ '^[a-z][a-z_]*:[a-z][a-z_]*$'),
  description text NOT NULL
);
CREATE TABLE role_permissions (
  role       text NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
  permission text NOT NULL REFERENCES permissions (name) ON DELETE CASCADE,
  PRIMARY KEY (role, permission)
);
CREATE TABLE user_roles (
  user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role    text NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
  PRIMARY KEY (user_id, role)
);

INSERT INTO permissions (name, description) VALUES
  ('tokens:issue', 'Issue a token pair for any user'),
  ('tokens:read', 'Read token metadata, statistics and status by id'),
  ('tokens:revoke', 'Revoke any token, session, family, user or client'),
  ('tokens:introspect', 'Introspect tokens (RFC 7662)'),
  ('revocations:read', 'Read the signed revocation feed'),
  ('keys:read', 'Read the key ring'),
  ('keys:manage', 'Rotate and compromise signing keys'),
  ('audit:read', 'Read sealed security events and their proofs');
INSERT INTO roles (name, description) VALUES
  ('user', 'Everybody with an account'),
  ('auditor', 'Reads what was recorded, and changes nothing'),
  ('admin', 'Runs the installation');
INSERT INTO role_permissions (role, permission) SELECT 'admin', name FROM permissions;
INSERT INTO role_permissions (role, permission) VALUES ('auditor', 'audit:read');

-- The OAuth provider's client table. `tokenEpoch` and the trigger below are ours.
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
  "tokenEpoch"                       integer NOT NULL DEFAULT 0
);
CREATE INDEX oauth_clients_user_id ON oauth_clients ("userId");

-- Our own pages and apps: tokens of a login. A public client that may use nothing but refresh.
INSERT INTO oauth_clients (id, "clientId", name, "tokenEndpointAuthMethod", "grantTypes", scopes)
VALUES ('sallyport', 'sallyport', 'Sallyport first party', 'none', '{refresh_token}', '{openid,profile,email,offline_access}');

CREATE FUNCTION access_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE feed_state SET access_version = access_version + 1;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER oauth_clients_version AFTER INSERT OR UPDATE OR DELETE ON oauth_clients
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE CONSTRAINT TRIGGER role_permissions_version AFTER INSERT OR UPDATE OR DELETE ON role_permissions
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();

-- Taking a right away ends what was issued with it; adding one does not.
CREATE FUNCTION user_roles_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE subject text := CASE WHEN TG_OP = 'DELETE' THEN OLD.user_id ELSE NEW.user_id END;
BEGIN
  UPDATE users SET roles = ARRAY(SELECT role FROM user_roles WHERE user_id = subject ORDER BY role),
    "tokenEpoch" = "tokenEpoch" + (TG_OP <> 'INSERT')::int
  WHERE id = subject;
  RETURN NULL;
END $$;
CREATE TRIGGER user_roles_copied AFTER INSERT OR UPDATE OR DELETE ON user_roles FOR EACH ROW EXECUTE FUNCTION user_roles_changed();

CREATE FUNCTION role_permission_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id IN (SELECT user_id FROM user_roles WHERE role = OLD.role);
  RETURN NULL;
END $$;
CREATE TRIGGER role_permissions_removed AFTER DELETE ON role_permissions FOR EACH ROW EXECUTE FUNCTION role_permission_removed();

CREATE FUNCTION oauth_client_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE why text := coalesce(audit_context('reason'), 'client_changed');
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM families_end_by_client(OLD."clientId", 'client_deleted');
    INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
    VALUES ('client', OLD."clientId", OLD."tokenEpoch" + 1, 'client_deleted', revocation_keep_until());
    PERFORM audit_record('client.deleted', 'ok', 'client', OLD."clientId");
  ELSIF TG_OP = 'INSERT' THEN
    PERFORM audit_record('client.created', 'ok', 'client', NEW."clientId");
  ELSE
    IF NEW.disabled AND NOT coalesce(OLD.disabled, false) AND NEW."tokenEpoch" = OLD."tokenEpoch" THEN
      UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = NEW.id;
    END IF;
    IF NEW."tokenEpoch" > OLD."tokenEpoch" THEN
      PERFORM families_end_by_client(NEW."clientId", why);
      INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
      VALUES ('client', NEW."clientId", NEW."tokenEpoch", why, revocation_keep_until());
      PERFORM audit_record('client.tokens_revoked', 'ok', 'client', NEW."clientId", jsonb_build_object('reason', why));
    ELSE
      PERFORM audit_record('client.changed', 'ok', 'client', NEW."clientId");
    END IF;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER oauth_clients_changed AFTER INSERT OR UPDATE OR DELETE ON oauth_clients FOR EACH ROW EXECUTE FUNCTION oauth_client_changed();
