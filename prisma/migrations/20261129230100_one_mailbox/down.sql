DROP TRIGGER signoff_decisions_once ON signoff_decisions;
DROP FUNCTION signoff_decided_once();
CREATE OR REPLACE FUNCTION signoff_barred(signoff signoffs) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT signoff.barred_users || people_behind_client(signoff.client_id)
    || CASE WHEN signoff.requested_by_kind = 'user' THEN ARRAY[signoff.requested_by] ELSE '{}' END
$$;
CREATE OR REPLACE FUNCTION is_own_signoff_role(subject text, role text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT is_signoff_role(role) AND subject = ANY (people_behind_actor())
$$;
DROP FUNCTION users_of_one_mailbox(text[]);
