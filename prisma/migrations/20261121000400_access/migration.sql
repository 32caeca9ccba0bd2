-- Who may do what. Copies hold roles and clients in memory; `access_version` tells them when to look again.
CREATE TABLE roles (
  -- A name is part of keys, tokens and addresses: no spaces, no surprises.
  name        text PRIMARY KEY CONSTRAINT roles_name_form CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
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
CREATE INDEX user_roles_role ON user_roles (role, user_id);

-- Before the triggers: what an installation begins with is no change of it, and no event.
INSERT INTO permissions (name, description) VALUES
  ('tokens:issue', 'Issue a token pair for any user'),
  ('tokens:read', 'Read token metadata, statistics and status by id'),
  ('tokens:revoke', 'Revoke any token, session, family, user or client'),
  ('tokens:introspect', 'Introspect tokens (RFC 7662)'),
  ('revocations:read', 'Read the signed revocation feed'),
  ('keys:read', 'Read the key ring'),
  ('keys:manage', 'Rotate and compromise signing keys'),
  ('audit:read', 'Read sealed security events and their proofs'),
  ('incidents:read', 'Read security incidents'),
  ('incidents:manage', 'Acknowledge and close security incidents'),
  ('users:read', 'See every account'),
  ('users:manage', 'Disable, enable and delete accounts, grant and remove roles'),
  ('users:unlock', 'Let a locked account try its password again'),
  ('sessions:read', 'See everybody''s sessions'),
  ('sessions:manage', 'End anybody''s sessions'),
  ('clients:read', 'See OAuth clients'),
  ('clients:manage', 'Make, change, disable and delete OAuth clients, and give them new secrets'),
  ('clients:register', 'Register clients without rights of their own (RFC 7591)'),
  ('api_keys:read', 'See everybody''s API keys, never their secrets'),
  ('api_keys:manage', 'Revoke anybody''s API keys'),
  ('roles:read', 'See roles and what each may do'),
  ('roles:manage', 'Make and delete roles, and set what each may do'),
  ('queues:manage', 'See queues and jobs, retry and remove jobs'),
  ('limits:bypass', 'Go past a used-up rate limit');  -- each use of it is in the audit log
INSERT INTO roles (name, description) VALUES
  ('user', 'Everybody with an account'),
  ('agent', 'Software that acts for people: nothing but what is its own'),
  ('auditor', 'Reads what was recorded, and changes nothing'),
  ('compliance', 'Reviews who may do what, and what was done'),
  ('operator', 'Keeps the installation running: keys, queues, sessions'),
  ('admin', 'Runs the installation');
INSERT INTO role_permissions (role, permission) SELECT 'admin', name FROM permissions;
INSERT INTO role_permissions (role, permission) VALUES
  ('auditor', 'audit:read'), ('auditor', 'incidents:read'),
  ('compliance', 'audit:read'), ('compliance', 'users:read'), ('compliance', 'roles:read'), ('compliance', 'clients:read'),
  ('compliance', 'api_keys:read'),
  ('operator', 'keys:read'), ('operator', 'queues:manage'), ('operator', 'revocations:read'), ('operator', 'tokens:read'),
  ('operator', 'users:read'), ('operator', 'sessions:read'), ('operator', 'sessions:manage'), ('operator', 'clients:read'),
  ('operator', 'api_keys:read');

CREATE FUNCTION access_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE feed_state SET access_version = access_version + 1;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER roles_version AFTER INSERT OR UPDATE OR DELETE ON roles
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

CREATE FUNCTION role_recorded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN PERFORM audit_record('role.created', 'ok', 'role', NEW.name, audit_reason());
  ELSE PERFORM audit_record('role.deleted', 'ok', 'role', OLD.name, audit_reason());
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER roles_recorded AFTER INSERT OR DELETE ON roles FOR EACH ROW EXECUTE FUNCTION role_recorded();

-- Ends what these users were given before. Users, then families, each in id order, as every writer of several.
CREATE FUNCTION users_rights_shrink(subjects text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM users WHERE id = ANY (subjects) ORDER BY id FOR NO KEY UPDATE;
  PERFORM 1 FROM refresh_families WHERE user_id = ANY (subjects) AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = ANY (subjects);
END $$;

CREATE FUNCTION role_holders(names text[]) RETURNS text[] LANGUAGE sql STABLE AS
$$ SELECT ARRAY(SELECT DISTINCT user_id FROM user_roles WHERE role = ANY (names)) $$;

-- Of a whole statement at once: holders of a role that loses three rights are cut off once, and one event says which.
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
