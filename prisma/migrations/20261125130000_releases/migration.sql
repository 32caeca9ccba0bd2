-- Which release ran on this database, from when, and on which schema. Rows are only added, also by a rollback.
CREATE TABLE releases (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind           text NOT NULL CHECK (kind IN ('deploy', 'rollback')),
  version        text NOT NULL CHECK (length(version) BETWEEN 1 AND 64),
  build          text CHECK (length(build) BETWEEN 1 AND 64),
  schema_version text NOT NULL CHECK (length(schema_version) <= 255),
  started_at     timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  started_by     text NOT NULL CHECK (length(started_by) BETWEEN 1 AND 255)
);

SELECT grant_roles();
