-- No session of one factor begins for an account that has a second one or owes it, whichever statement writes it. The use-case asks for
-- the factor before (`admitSession`); this refuses what forgot to. A session that exists keeps its strength.
CREATE FUNCTION user_needs_factor(subject text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT user_factors(subject) > 0 OR EXISTS (SELECT FROM users WHERE id = subject AND "owesFactor")
$$;
CREATE FUNCTION session_factors() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.acr IS DISTINCT FROM 'aal2' AND user_needs_factor(NEW."userId") THEN
    RAISE EXCEPTION 'a session of user % would go round the second factor', NEW."userId" USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER sessions_factors BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION session_factors();

-- The session of an old provider that asked for the second factor: the session that the answer opens continues it.
ALTER TABLE login_challenges ADD COLUMN legacy_session bytea;
