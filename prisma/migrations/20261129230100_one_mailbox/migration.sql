-- Users whose mail goes to one mailbox: who reads it can reset the password of each, so for a sign-off they are one person.
-- With the given users, also those that are deleted.
CREATE FUNCTION users_of_one_mailbox(people text[]) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT people || ARRAY(
    SELECT other.id FROM users own
    CROSS JOIN LATERAL (SELECT substring(own.email FROM '^[^+@]+') AS name, substring(own.email FROM '@[^@]*$') AS place) box
    JOIN users other ON other.email COLLATE "C" = box.name || box.place
      -- The character after a plus is a comma.
      OR other.email COLLATE "C" >= box.name || '+' AND other.email COLLATE "C" < box.name || ','
        AND substring(other.email FROM '@[^@]*$') = box.place
    WHERE own.id = ANY (people))
$$;

CREATE OR REPLACE FUNCTION is_own_signoff_role(subject text, role text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT is_signoff_role(role) AND subject = ANY (users_of_one_mailbox(people_behind_actor()))
$$;

-- Users who must not decide: those at the request, those who have become able to act as its client since, and the one who
-- asked, each with every account of the same mailbox.
CREATE OR REPLACE FUNCTION signoff_barred(signoff signoffs) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT users_of_one_mailbox(signoff.barred_users || people_behind_client(signoff.client_id)
    || CASE WHEN signoff.requested_by_kind = 'user' THEN ARRAY[signoff.requested_by] ELSE '{}' END)
$$;

CREATE FUNCTION signoff_decided_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.user_id = ANY (users_of_one_mailbox(ARRAY(
    SELECT user_id FROM signoff_decisions WHERE signoff_id = NEW.signoff_id)))
  THEN
    -- As a second decision of one user: INSERT … ON CONFLICT DO NOTHING adds none.
    RETURN NULL;
  END IF;
  RETURN NEW;
END $$;
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION signoff_decided_once() SET search_path = %I, pg_temp', current_schema());
END $$;
-- After signoff_decisions_kept, which locks the sign-off.
CREATE TRIGGER signoff_decisions_once BEFORE INSERT ON signoff_decisions
  FOR EACH ROW EXECUTE FUNCTION signoff_decided_once();
