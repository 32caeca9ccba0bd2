-- A user whose second factor an import could not bring enrols one before the first session.

-- A table with deferred triggers to run cannot be altered.
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE users ADD COLUMN "owesFactor" boolean NOT NULL DEFAULT false;

-- What was open before the first factor, or with one that is gone, ends. A user with a factor owes none.
CREATE OR REPLACE FUNCTION factor_enrolled(subject text, factor text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_record('factor.enrolled', 'ok', 'user', subject, jsonb_build_object('factor', factor));
  UPDATE users SET "owesFactor" = false WHERE id = subject AND "owesFactor";
  IF user_factors(subject) = 1 THEN PERFORM user_every_login_end(subject); END IF;
END $$;

-- A session with one factor belongs to a user who has no second one and owes none.
CREATE FUNCTION user_owes_factor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM user_every_login_end(NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER users_owe_factor AFTER UPDATE ON users FOR EACH ROW
  WHEN (NEW."owesFactor" AND NOT OLD."owesFactor") EXECUTE FUNCTION user_owes_factor();
