DO $$
BEGIN
  IF EXISTS (SELECT FROM users WHERE "owesFactor") THEN
    RAISE EXCEPTION 'users owe a second factor that they had where they came from: without this column their password alone is enough';
  END IF;
END $$;
DROP TRIGGER users_owe_factor ON users;
DROP FUNCTION user_owes_factor();
CREATE OR REPLACE FUNCTION factor_enrolled(subject text, factor text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_record('factor.enrolled', 'ok', 'user', subject, jsonb_build_object('factor', factor));
  IF user_factors(subject) = 1 THEN PERFORM user_every_login_end(subject); END IF;
END $$;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE users DROP COLUMN "owesFactor";
