-- A file of one line can hold many records: a rejected record is named by its place too. And which address was imported,
-- so that an import does not undo a change of address here.

-- No release has written a row of it.
DROP TABLE import_rejects;
CREATE TABLE import_rejects (
  import_id uuid NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
  -- Its place among the records of the source, from 1.
  record    bigint NOT NULL CHECK (record >= 0),
  line      bigint NOT NULL CHECK (line >= 0),
  reason    text NOT NULL CHECK (reason ~ '^[a-z][a-z0-9_]{0,63}$'),
  value     text NOT NULL DEFAULT '' CHECK (length(value) <= 256),
  PRIMARY KEY (import_id, record)
);

-- SHA-256, hex.
ALTER TABLE legacy_users ADD COLUMN email_sha256 text;

CREATE OR REPLACE FUNCTION legacy_user_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.content_sha256 := NULL;
  NEW.email_sha256 := NULL;
  NEW.password_sha256 := NULL;
  NEW.password_set_at := NULL;
  NEW.lazy := false;
  NEW.ended_at := clock_timestamp();
  RETURN NEW;
END $$;

INSERT INTO permissions (name, description) VALUES
  ('imports:read', 'Read imports of users and their progress'),
  ('imports:write', 'Import users of other systems');
-- An installation may have deleted all of these roles but admin.
INSERT INTO role_permissions (role, permission)
SELECT role, permission FROM (VALUES
  ('admin', 'imports:read'), ('admin', 'imports:write'), ('auditor', 'imports:read'), ('operator', 'imports:read')
) AS given (role, permission) JOIN roles ON roles.name = given.role;

SELECT grant_roles();
