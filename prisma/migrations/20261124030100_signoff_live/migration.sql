-- A sign-off counts only what holds now: a live requester, and approvals by active people in roles that they have.

CREATE FUNCTION is_signoff_role(role text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT role = ANY ('{developer,tech_lead,qa,security_reviewer,product_owner,architect}'::text[])
$$;

-- People who can act as a client: the owner of an agent, and the users who have set credentials of the client.
CREATE FUNCTION people_behind_client(client text) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT coalesce((
    SELECT array_remove("credentialSetters" || owner_id, NULL) FROM oauth_clients LEFT JOIN agents ON client_id = "clientId"
    WHERE "clientId" = client), '{}')
$$;

CREATE OR REPLACE FUNCTION people_behind_actor() RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN audit_context('actor_kind') = 'user' THEN ARRAY[audit_context('actor_id')]
    WHEN audit_context('actor_kind') IN ('client', 'agent') THEN people_behind_client(audit_context('actor_id'))
    ELSE '{}' END
$$;

-- People do not give themselves, nor have a client of theirs give them, a role in which they would approve.
CREATE FUNCTION is_own_signoff_role(subject text, role text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT is_signoff_role(role) AND subject = ANY (people_behind_actor())
$$;
CREATE FUNCTION signoff_role_granted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF is_own_signoff_role(NEW.user_id, NEW.role) THEN
    RAISE EXCEPTION 'users do not grant themselves a role of sign-off' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER user_roles_signoff BEFORE INSERT OR UPDATE ON user_roles FOR EACH ROW EXECUTE FUNCTION signoff_role_granted();

-- Whether the requester is not disabled, killed or expired. Locks its agent until commit, so that a request is either
-- before a kill, which then fails it, or refused. Not FOR SHARE: overlapping requests would hold up a kill for good.
CREATE FUNCTION signoff_requester_lives(kind text, requester text, client text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF kind = 'user' AND NOT EXISTS (SELECT FROM users WHERE id = requester AND "disabledAt" IS NULL) THEN
    RETURN false;
  END IF;
  IF client IS NULL THEN RETURN true; END IF;
  PERFORM FROM agents WHERE client_id = client FOR NO KEY UPDATE;
  RETURN EXISTS (
    SELECT FROM oauth_clients LEFT JOIN agents ON client_id = "clientId"
    WHERE "clientId" = client AND NOT coalesce(disabled, false)
      AND (client_id IS NULL OR killed_at IS NULL AND expires_at > clock_timestamp()));
END $$;

-- Who must not decide: those at the request, and those who have become able to act as its client since.
CREATE FUNCTION signoff_barred(signoff signoffs) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT signoff.barred_users || people_behind_client(signoff.client_id)
$$;

-- Approvals that do not count now, each with its reason.
CREATE FUNCTION signoff_void_approvals(signoff signoffs) RETURNS TABLE (role text, user_id text, why text)
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

CREATE FUNCTION signoff_is_approved(signoff signoffs) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT signoff.quorum <= (SELECT count(*) FROM signoff_decisions WHERE signoff_id = signoff.id AND decision = 'approve')
    - (SELECT count(*) FROM signoff_void_approvals(signoff))
$$;

CREATE FUNCTION signoff_begun() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state <> 'pending' OR NOT signoff_requester_lives(NEW.requested_by_kind, NEW.requested_by, NEW.client_id) THEN
    RAISE EXCEPTION 'this sign-off cannot be requested' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER signoffs_begun BEFORE INSERT ON signoffs FOR EACH ROW EXECUTE FUNCTION signoff_begun();

-- What people approved does not change after they saw it, and an act starts once, whatever writes the row. The one way
-- back is from approved to pending, when an approval does not count any more.
CREATE OR REPLACE FUNCTION signoff_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (to_jsonb(NEW) - '{state,decided_at,started_at,finished_at,failure,event_id}'::text[])
    <> (to_jsonb(OLD) - '{state,decided_at,started_at,finished_at,failure,event_id}'::text[])
  THEN
    RAISE EXCEPTION 'what a sign-off is about does not change' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NEW.state = OLD.state THEN RETURN NEW; END IF;
  IF NOT (CASE OLD.state
    WHEN 'pending' THEN NEW.state IN ('approved', 'denied', 'failed')
    WHEN 'approved' THEN NEW.state IN ('pending', 'running', 'failed')
    WHEN 'running' THEN NEW.state IN ('done', 'failed')
    ELSE false END)
  THEN
    RAISE EXCEPTION 'a sign-off does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'insufficient_privilege';
  END IF;
  -- Both locks are those of `startSignOff`, which takes them before the row: people, then agent, then sign-off.
  IF NEW.state = 'running' THEN
    PERFORM FROM users WHERE id IN (SELECT user_id FROM signoff_decisions WHERE signoff_id = NEW.id) ORDER BY id FOR SHARE;
  END IF;
  IF NEW.state IN ('running', 'done')
    AND NOT signoff_requester_lives(NEW.requested_by_kind, NEW.requested_by, NEW.client_id)
  THEN
    RAISE EXCEPTION 'the requester of this sign-off has ended' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NEW.state IN ('approved', 'running') AND NOT signoff_is_approved(NEW) THEN
    RAISE EXCEPTION 'a sign-off is approved by its quorum' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NEW.state = 'pending' AND signoff_is_approved(NEW) THEN
    RAISE EXCEPTION 'a sign-off stays approved while its approvals count' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION signoff_decision_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE signoff signoffs;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    RAISE EXCEPTION 'a decision does not change' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'DELETE' THEN
    SELECT * INTO signoff FROM signoffs WHERE id = OLD.signoff_id FOR UPDATE;
    -- With its sign-off, or because it does not count any more.
    IF NOT FOUND OR signoff.state IN ('pending', 'approved')
      AND EXISTS (SELECT FROM signoff_void_approvals(signoff) void WHERE void.role = OLD.role)
    THEN
      RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a decision that counts stays' USING ERRCODE = 'insufficient_privilege';
  END IF;
  SELECT * INTO signoff FROM signoffs WHERE id = NEW.signoff_id FOR UPDATE;
  IF signoff.state <> 'pending' OR NOT NEW.role = ANY (signoff.required_roles)
    OR NEW.user_id = ANY (signoff_barred(signoff))
    OR NOT EXISTS (SELECT FROM users WHERE id = NEW.user_id AND "disabledAt" IS NULL AND NEW.role = ANY (roles))
  THEN
    RAISE EXCEPTION 'this decision does not belong to the sign-off' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
DROP TRIGGER signoff_decisions_kept ON signoff_decisions;
CREATE TRIGGER signoff_decisions_kept BEFORE INSERT OR UPDATE OR DELETE ON signoff_decisions
  FOR EACH ROW EXECUTE FUNCTION signoff_decision_kept();

SELECT grant_roles();
