DROP TABLE import_notices;
ALTER TABLE legacy_users DROP COLUMN factors_lost;
ALTER TABLE imports DROP COLUMN notices, DROP COLUMN factors_lost_count;
