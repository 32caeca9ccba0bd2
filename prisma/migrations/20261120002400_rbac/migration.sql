-- Roles for the people who run an installation, and the rights of the admin API.
INSERT INTO permissions (name, description) VALUES
  ('users:read', 'See every account'),
  ('users:manage', 'Disable, enable and delete accounts, grant and remove roles'),
  ('sessions:read', 'See everybody''s sessions'),
  ('sessions:manage', 'End anybody''s sessions'),
  ('clients:read', 'See OAuth clients'),
  ('clients:manage', 'Make, change, disable and delete OAuth clients, and give them new secrets'),
  ('roles:read', 'See roles and what each may do'),
  ('roles:manage', 'Make and delete roles, and set what each may do');

-- A name is part of keys, tokens and addresses: no spaces, no surprises.
ALTER TABLE roles ADD CONSTRAINT roles_name_form CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$');
INSERT INTO roles (name, description) VALUES
  ('agent', 'Software that acts for people: nothing but what is its own'),
  ('compliance', 'Reviews who may do what, and what was done'),
  ('operator', 'Keeps the installation running: keys, queues, sessions');
INSERT INTO role_permissions (role, permission) SELECT 'admin', name FROM permissions ON CONFLICT DO NOTHING;
INSERT INTO role_permissions (role, permission) VALUES
  ('compliance', 'audit:read'), ('compliance', 'users:read'), ('compliance', 'roles:read'), ('compliance', 'clients:read'),
  ('operator', 'keys:read'), ('operator', 'queues:manage'), ('operator', 'revocations:read'), ('operator', 'tokens:read'),
  ('operator', 'users:read'), ('operator', 'sessions:read'), ('operator', 'sessions:manage'), ('operator', 'clients:read');

-- Lists of the admin API, newest first, and their filters.
CREATE INDEX users_created_at ON users ("createdAt", id);
CREATE INDEX users_disabled ON users ("createdAt", id) WHERE ("disabledAt" IS NOT NULL);
CREATE INDEX users_email_prefix ON users (email COLLATE "C");
CREATE INDEX user_roles_role ON user_roles (role, user_id);
CREATE INDEX sessions_created_at ON sessions ("createdAt", id);

CREATE CONSTRAINT TRIGGER roles_version AFTER INSERT OR UPDATE OR DELETE ON roles
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();

-- Ends what these users were given before. Users, then families, each in id order, as every writer of several.
CREATE FUNCTION users_rights_shrink(subjects text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM users WHERE id = ANY (subjects) ORDER BY id FOR NO KEY UPDATE;
  PERFORM 1 FROM refresh_families WHERE user_id = ANY (subjects) AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = ANY (subjects);
END $$;

CREATE FUNCTION role_holders(names text[]) RETURNS text[] LANGUAGE sql STABLE AS
$$ SELECT ARRAY(SELECT DISTINCT user_id FROM user_roles WHERE role = ANY (names)) $$;

CREATE FUNCTION audit_reason() RETURNS jsonb LANGUAGE sql STABLE AS
$$ SELECT jsonb_strip_nulls(jsonb_build_object('reason', audit_context('reason'))) $$;

-- Of a whole statement at once: holders of a role that loses three rights are cut off once, and one event says which.
DROP TRIGGER role_permissions_removed ON role_permissions;
DROP TRIGGER role_permissions_exchanged ON role_permissions;
DROP FUNCTION role_permission_removed();

CREATE FUNCTION role_permissions_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_record('role.changed', 'ok', 'role', role, jsonb_build_object('added', added) || audit_reason())
  FROM (SELECT role, jsonb_agg(permission ORDER BY permission) AS added FROM given GROUP BY role ORDER BY role) changed;
  RETURN NULL;
END $$;
CREATE TRIGGER role_permissions_added AFTER INSERT ON role_permissions
  REFERENCING NEW TABLE AS given FOR EACH STATEMENT EXECUTE FUNCTION role_permissions_added();

-- A role that goes says so itself.
CREATE FUNCTION role_permissions_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM users_rights_shrink(role_holders(ARRAY(SELECT role FROM taken)));
  PERFORM audit_record('role.changed', 'ok', 'role', role, jsonb_build_object('removed', removed) || audit_reason())
  FROM (SELECT role, jsonb_agg(permission ORDER BY permission) AS removed FROM taken JOIN roles ON name = role
        GROUP BY role ORDER BY role) changed;
  RETURN NULL;
END $$;
CREATE TRIGGER role_permissions_removed AFTER DELETE ON role_permissions
  REFERENCING OLD TABLE AS taken FOR EACH STATEMENT EXECUTE FUNCTION role_permissions_removed();

-- A right exchanged for another is one taken away.
CREATE FUNCTION role_permissions_exchanged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM users_rights_shrink(role_holders(ARRAY(
    SELECT role FROM (SELECT role, permission FROM taken EXCEPT SELECT role, permission FROM given) lost)));
  PERFORM audit_record('role.changed', 'ok', 'role', role, jsonb_build_object(
      'added', coalesce((SELECT jsonb_agg(permission ORDER BY permission) FROM given g WHERE g.role = changed.role), '[]'),
      'removed', coalesce((SELECT jsonb_agg(permission ORDER BY permission) FROM taken t WHERE t.role = changed.role), '[]'))
    || audit_reason())
  FROM (SELECT role FROM given UNION SELECT role FROM taken ORDER BY role) changed;
  RETURN NULL;
END $$;
CREATE TRIGGER role_permissions_exchanged AFTER UPDATE ON role_permissions
  REFERENCING OLD TABLE AS taken NEW TABLE AS given FOR EACH STATEMENT EXECUTE FUNCTION role_permissions_exchanged();

CREATE FUNCTION role_recorded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN PERFORM audit_record('role.created', 'ok', 'role', NEW.name, audit_reason());
  ELSE PERFORM audit_record('role.deleted', 'ok', 'role', OLD.name, audit_reason());
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER roles_recorded AFTER INSERT OR DELETE ON roles FOR EACH ROW EXECUTE FUNCTION role_recorded();

-- The role that comes with an account is part of its making, and those that go with it of its deletion.
CREATE FUNCTION user_role_recorded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND EXISTS (SELECT FROM users WHERE id = OLD.user_id) THEN
    PERFORM audit_record('user.role_removed', 'ok', 'user', OLD.user_id, jsonb_build_object('role', OLD.role) || audit_reason());
  END IF;
  IF TG_OP = 'UPDATE' OR TG_OP = 'INSERT' AND pg_trigger_depth() = 1 THEN
    PERFORM audit_record('user.role_granted', 'ok', 'user', NEW.user_id, jsonb_build_object('role', NEW.role) || audit_reason());
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER user_roles_recorded AFTER INSERT OR UPDATE OR DELETE ON user_roles FOR EACH ROW EXECUTE FUNCTION user_role_recorded();

CREATE FUNCTION user_enabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_record('user.enabled', 'ok', 'user', NEW.id, audit_reason());
  RETURN NULL;
END $$;
CREATE TRIGGER users_enabled AFTER UPDATE ON users FOR EACH ROW
  WHEN (OLD."disabledAt" IS NOT NULL AND NEW."disabledAt" IS NULL) EXECUTE FUNCTION user_enabled();

-- As before, and the reason is told.
CREATE OR REPLACE FUNCTION user_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM user_sessions_lock(OLD.id);
  PERFORM families_end_by_user(OLD.id, 'user_deleted');
  INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
  VALUES ('user', OLD.id, OLD."tokenEpoch" + 1, 'user_deleted', revocation_keep_until());
  PERFORM audit_record('user.deleted', 'ok', 'user', OLD.id, audit_reason());
  RETURN OLD;
END $$;

-- For whom else than itself the installation a client may ask for tokens; `*`: for anybody. What clients could do
-- before they may go on doing, those made from now on what is listed.
ALTER TABLE oauth_clients ADD COLUMN audiences text[] NOT NULL DEFAULT '{*}';
ALTER TABLE oauth_clients ALTER COLUMN audiences SET DEFAULT '{}';

CREATE OR REPLACE FUNCTION client_rights_shrink() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- Names of the columns that changed, never their values.
CREATE FUNCTION changed_columns(before jsonb, after jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(key ORDER BY key), '[]') FROM jsonb_each(after)
  WHERE value IS DISTINCT FROM before -> key AND key NOT IN ('updatedAt', 'tokenEpoch')
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
    PERFORM audit_record('client.created', 'ok', 'client', NEW."clientId", audit_reason());
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
      PERFORM audit_record('client.secret_rotated', 'ok', 'client', NEW."clientId", audit_reason());
      columns := columns - 'clientSecret';
    END IF;
    IF columns <> '[]' THEN
      PERFORM audit_record('client.changed', 'ok', 'client', NEW."clientId", jsonb_build_object('columns', columns) || audit_reason());
    END IF;
  END IF;
  RETURN NULL;
END $$;

-- Who ended it, for those who ask why: taken from the transaction's context, as audit rows do.
ALTER TABLE revocations ADD COLUMN actor_kind text;
ALTER TABLE revocations ADD COLUMN actor_id text;
ALTER TABLE revocations ALTER COLUMN actor_kind SET DEFAULT audit_context('actor_kind');
ALTER TABLE revocations ALTER COLUMN actor_id SET DEFAULT audit_context('actor_id');
-- And what decided it, where `reason` is somebody's own words.
ALTER TABLE revocations ADD COLUMN rule text;
ALTER TABLE revocations ALTER COLUMN rule SET DEFAULT audit_context('rule');
