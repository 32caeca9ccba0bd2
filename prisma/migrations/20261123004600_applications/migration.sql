-- Applications declare permissions and roles of their own, which tokens of their audience carry.

INSERT INTO permissions (name, description) VALUES
  ('applications:read', 'Read applications with their permissions and roles'),
  ('applications:manage', 'Declare and delete applications, and hand on their permissions');
INSERT INTO role_permissions (role, permission) VALUES
  ('admin', 'applications:read'), ('admin', 'applications:manage'), ('compliance', 'applications:read');

CREATE TABLE applications (
  name       text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,29}$'),
  -- `aud` of the tokens that carry its permissions.
  audience   text NOT NULL UNIQUE CHECK (length(audience) BETWEEN 1 AND 512),
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);

-- Null: a permission or role of the installation itself.
ALTER TABLE permissions ADD COLUMN application text REFERENCES applications (name);
ALTER TABLE roles ADD COLUMN application text REFERENCES applications (name);
CREATE INDEX permissions_application ON permissions (application, name);
CREATE INDEX roles_application ON roles (application, name);
-- The dot tells roles of applications (`notes.editor`) from roles of the installation.
ALTER TABLE roles DROP CONSTRAINT roles_name_form, ADD CONSTRAINT roles_name_form CHECK (
  length(name) <= 63
  AND name ~ CASE WHEN application IS NULL THEN '^[a-z][a-z0-9_-]*$' ELSE '^' || application || '\.[a-z][a-z0-9_-]*$' END);

-- A role of an application has permissions of that application only; a role of the installation has none of them.
CREATE FUNCTION role_permission_fits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT application FROM roles WHERE name = NEW.role)
    IS DISTINCT FROM (SELECT application FROM permissions WHERE name = NEW.permission) THEN
    RAISE EXCEPTION 'permission and role belong to different applications' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER role_permissions_fit BEFORE INSERT OR UPDATE ON role_permissions
  FOR EACH ROW EXECUTE FUNCTION role_permission_fits();

-- Tokens that clients got for themselves end with the permission in them; `role_permissions_removed` ends those of users.
-- Clients are locked in id order, as everywhere.
CREATE FUNCTION permissions_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" IN (
    SELECT "clientId" FROM oauth_clients WHERE "clientCredentialsScopes" && ARRAY(SELECT name FROM taken)
    ORDER BY "clientId" FOR UPDATE);
  RETURN NULL;
END $$;
CREATE TRIGGER permissions_removed AFTER DELETE ON permissions
  REFERENCING OLD TABLE AS taken FOR EACH STATEMENT EXECUTE FUNCTION permissions_removed();

CREATE CONSTRAINT TRIGGER applications_version AFTER INSERT OR UPDATE OR DELETE ON applications
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE CONSTRAINT TRIGGER permissions_version AFTER INSERT OR DELETE ON permissions
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();

SELECT grant_roles();
