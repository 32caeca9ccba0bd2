-- An import says what it did not bring as the source has it: second factors, and members that no sign-in needs.

-- Null: a run of before, which did not count them.
ALTER TABLE imports
  ADD COLUMN factors_lost_count bigint CHECK (factors_lost_count >= 0),
  ADD COLUMN notices jsonb CHECK (octet_length(notices::text) <= 4096);
-- Whether the import counted the user among those whose second factor it could not bring.
ALTER TABLE legacy_users ADD COLUMN factors_lost boolean NOT NULL DEFAULT false;

CREATE TABLE import_notices (
  import_id uuid NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
  -- The place of the record in the source, and of the notice in the record.
  record    bigint NOT NULL CHECK (record >= 1),
  place     smallint NOT NULL CHECK (place >= 0),
  line      bigint NOT NULL CHECK (line >= 0),
  notice    text NOT NULL CHECK (notice ~ '^[a-z][a-z0-9_]{0,63}$'),
  member    text NOT NULL CHECK (length(member) <= 256),
  value     text NOT NULL DEFAULT '' CHECK (length(value) <= 256),
  PRIMARY KEY (import_id, record, place)
);
COMMENT ON TABLE import_notices IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT';

SELECT grant_roles();
