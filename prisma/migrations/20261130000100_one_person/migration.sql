-- The mailbox of an address, without what a plus and all after it add.
CREATE FUNCTION mailbox_of(email text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT lower(substring(email FROM '^.[^+@]*') || substring(email FROM '@[^@]*$'))
$$;

-- Whether a user is one of these people, or has the mailbox of one. By the primary key alone: a mailbox may have any number of
-- accounts.
CREATE FUNCTION is_one_person(subject text, people text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT subject = ANY (people) OR mailbox_of((SELECT email FROM users WHERE id = subject)) IN (
    SELECT mailbox_of(email) FROM users WHERE id = ANY (people))
$$;

CREATE FUNCTION people_behind(kind text, id text) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN kind = 'user' THEN ARRAY[id] WHEN kind IN ('client', 'agent') THEN people_behind_client(id) ELSE '{}' END
$$;

-- The user who changes a row, or the people behind the agent that does; and who asked for the import that does.
CREATE OR REPLACE FUNCTION people_behind_actor() RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT people_behind(audit_context('actor_kind'), audit_context('actor_id'))
    || people_behind(audit_context('import_actor_kind'), audit_context('import_actor_id'))
$$;

CREATE OR REPLACE FUNCTION is_own_signoff_role(subject text, role text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT is_signoff_role(role) AND is_one_person(subject, people_behind_actor())
$$;

-- An import rejects the record that a constraint refuses, and goes on.
CREATE FUNCTION imported_role_granted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF audit_context('import_actor_kind') IS NOT NULL AND is_own_signoff_role(NEW.user_id, NEW.role) THEN
    RAISE EXCEPTION 'users do not import a role of sign-off for themselves' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- Before user_roles_signoff, which refuses the transaction.
CREATE TRIGGER user_roles_imported BEFORE INSERT ON user_roles FOR EACH ROW EXECUTE FUNCTION imported_role_granted();

-- An invitation grants its roles when it is accepted, by nobody who is known then.
CREATE FUNCTION invitation_of_another() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM unnest(NEW.roles) role WHERE is_own_signoff_role(NEW.user_id, role)) THEN
    RAISE EXCEPTION 'users do not invite themselves to a role of sign-off' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER invitations_of_another BEFORE INSERT OR UPDATE OF roles ON invitations
  FOR EACH ROW EXECUTE FUNCTION invitation_of_another();

-- Users who must not decide: those at the request, those who have become able to act as its client since, and the one who
-- asked. An account of the mailbox of one must not either (is_one_person).
CREATE OR REPLACE FUNCTION signoff_barred(signoff signoffs) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT signoff.barred_users || people_behind_client(signoff.client_id)
    || CASE WHEN signoff.requested_by_kind = 'user' THEN ARRAY[signoff.requested_by] ELSE '{}' END
$$;

-- Approvals that do not count now, each with its reason. Of two that have come to be of one mailbox, the earlier one counts.
CREATE OR REPLACE FUNCTION signoff_void_approvals(signoff signoffs) RETURNS TABLE (role text, user_id text, why text)
LANGUAGE sql STABLE AS $$
  SELECT * FROM (
    SELECT d.role, d.user_id, CASE
      WHEN u.id IS NULL OR u."disabledAt" IS NOT NULL THEN 'account_inactive'
      WHEN NOT d.role = ANY (u.roles) THEN 'role_lost'
      WHEN is_one_person(d.user_id, signoff_barred(signoff) || ARRAY(
        SELECT e.user_id FROM signoff_decisions e
        WHERE e.signoff_id = d.signoff_id AND (e.decided_at, e.role) < (d.decided_at, d.role))) THEN 'barred' END AS why
    FROM signoff_decisions d LEFT JOIN users u ON u.id = d.user_id
    WHERE d.signoff_id = signoff.id AND d.decision = 'approve') approval
  WHERE why IS NOT NULL
$$;

CREATE OR REPLACE FUNCTION signoff_decided_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF is_one_person(NEW.user_id, (SELECT signoff_barred(s) FROM signoffs s WHERE id = NEW.signoff_id)) THEN
    RAISE EXCEPTION 'this decision does not belong to the sign-off' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF is_one_person(NEW.user_id, ARRAY(SELECT user_id FROM signoff_decisions WHERE signoff_id = NEW.signoff_id)) THEN
    -- As a second decision of one user: INSERT … ON CONFLICT DO NOTHING adds none.
    RETURN NULL;
  END IF;
  RETURN NEW;
END $$;
DO $$
DECLARE changed text;
BEGIN
  FOREACH changed IN ARRAY ARRAY['imported_role_granted', 'invitation_of_another', 'signoff_decided_once'] LOOP
    EXECUTE format('ALTER FUNCTION %I() SET search_path = %I, pg_temp', changed, current_schema());
  END LOOP;
END $$;
DROP FUNCTION users_of_one_mailbox(text[]);
