CREATE FUNCTION users_of_one_mailbox(people text[]) RETURNS text[] LANGUAGE sql STABLE AS $$
  WITH box AS MATERIALIZED (
    SELECT substring(email FROM '^[^+@]+') AS local_part, substring(email FROM '@[^@]*$') AS domain
    FROM users WHERE id = ANY (people))
  SELECT people || ARRAY(
    SELECT id FROM box JOIN users ON email COLLATE "C" = local_part || domain
      -- The character after a plus is a comma.
      OR email COLLATE "C" >= local_part || '+' AND email COLLATE "C" < local_part || ',' AND substring(email FROM '@[^@]*$') = domain)
$$;

CREATE OR REPLACE FUNCTION signoff_void_approvals(signoff signoffs) RETURNS TABLE (role text, user_id text, why text)
LANGUAGE sql STABLE AS $$
  SELECT * FROM (
    SELECT d.role, d.user_id, CASE
      WHEN u.id IS NULL OR u."disabledAt" IS NOT NULL THEN 'account_inactive'
      WHEN NOT d.role = ANY (u.roles) THEN 'role_lost'
      WHEN d.user_id = ANY (signoff_barred(signoff)) THEN 'barred' END AS why
    FROM signoff_decisions d LEFT JOIN users u ON u.id = d.user_id
    WHERE d.signoff_id = signoff.id AND d.decision = 'approve') approval
  WHERE why IS NOT NULL
$$;
CREATE OR REPLACE FUNCTION signoff_barred(signoff signoffs) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT users_of_one_mailbox(signoff.barred_users || people_behind_client(signoff.client_id)
    || CASE WHEN signoff.requested_by_kind = 'user' THEN ARRAY[signoff.requested_by] ELSE '{}' END)
$$;
CREATE OR REPLACE FUNCTION is_own_signoff_role(subject text, role text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT is_signoff_role(role) AND subject = ANY (users_of_one_mailbox(people_behind_actor()))
$$;
CREATE OR REPLACE FUNCTION people_behind_actor() RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN audit_context('actor_kind') = 'user' THEN ARRAY[audit_context('actor_id')]
    WHEN audit_context('actor_kind') IN ('client', 'agent') THEN people_behind_client(audit_context('actor_id'))
    ELSE '{}' END
$$;
CREATE OR REPLACE FUNCTION signoff_decided_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.user_id = ANY (users_of_one_mailbox(ARRAY(
    SELECT user_id FROM signoff_decisions WHERE signoff_id = NEW.signoff_id))) THEN
    -- As a second decision of one user: INSERT … ON CONFLICT DO NOTHING adds none.
    RETURN NULL;
  END IF;
  RETURN NEW;
END $$;
DROP TRIGGER user_roles_imported ON user_roles;
DROP FUNCTION imported_role_granted();
DROP TRIGGER invitations_of_another ON invitations;
DROP FUNCTION invitation_of_another();
DO $$
DECLARE changed text;
BEGIN
  FOREACH changed IN ARRAY ARRAY['signoff_decided_once'] LOOP
    EXECUTE format('ALTER FUNCTION %I() SET search_path = %I, pg_temp', changed, current_schema());
  END LOOP;
END $$;
DROP FUNCTION people_behind(text, text);
DROP FUNCTION is_one_person(text, text[]);
DROP FUNCTION mailbox_of(text);
