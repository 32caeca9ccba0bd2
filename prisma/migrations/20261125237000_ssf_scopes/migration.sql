-- Permissions of shared signals have the names of their scopes in the CAEP interoperability profile 1.0.

-- A table with deferred triggers to run cannot be altered.
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE permissions DROP CONSTRAINT permissions_name_check, ADD CONSTRAINT permissions_name_check
  CHECK (name ~ '^([a-z][a-z_]*:[a-z][a-z_]*|ssf\.[a-z]+)$');

CREATE TEMPORARY TABLE renamed (old text PRIMARY KEY, new text NOT NULL) ON COMMIT DROP;
INSERT INTO renamed VALUES ('ssf:read', 'ssf.read'), ('ssf:manage', 'ssf.manage');

INSERT INTO permissions (name, description) SELECT new, description FROM permissions JOIN renamed ON name = old;
INSERT INTO role_permissions (role, permission) SELECT role, new FROM role_permissions JOIN renamed ON permission = old;
UPDATE oauth_clients SET
  scopes = ARRAY(SELECT coalesce(new, scope) FROM unnest(scopes) WITH ORDINALITY AS given (scope, at) LEFT JOIN renamed ON old = scope ORDER BY at),
  credential_scopes = ARRAY(SELECT coalesce(new, scope) FROM unnest(credential_scopes) WITH ORDINALITY AS given (scope, at) LEFT JOIN renamed ON old = scope ORDER BY at)
WHERE scopes && ARRAY(SELECT old FROM renamed) OR credential_scopes && ARRAY(SELECT old FROM renamed);
UPDATE api_keys SET
  permissions = ARRAY(SELECT coalesce(new, scope) FROM unnest(permissions) WITH ORDINALITY AS given (scope, at) LEFT JOIN renamed ON old = scope ORDER BY at)
WHERE permissions && ARRAY(SELECT old FROM renamed);

-- Nothing is taken away: holders of the roles keep their sessions.
ALTER TABLE role_permissions DISABLE TRIGGER role_permissions_removed;
DELETE FROM permissions WHERE name IN (SELECT old FROM renamed);
ALTER TABLE role_permissions ENABLE TRIGGER role_permissions_removed;
