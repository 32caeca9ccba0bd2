-- What the code keeps, rows keep too: the user who asked does not approve, and what has ended stays as it is.

CREATE OR REPLACE FUNCTION signoff_barred(signoff signoffs) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT signoff.barred_users || people_behind_client(signoff.client_id)
    || CASE WHEN signoff.requested_by_kind = 'user' THEN ARRAY[signoff.requested_by] ELSE '{}' END
$$;

-- The event that a receipt proves is that of the end.
CREATE FUNCTION signoff_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a sign-off that has ended does not change' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER signoffs_ended BEFORE UPDATE ON signoffs FOR EACH ROW
  WHEN (OLD.state IN ('denied', 'done', 'failed') AND NEW IS DISTINCT FROM OLD) EXECUTE FUNCTION signoff_ended();
