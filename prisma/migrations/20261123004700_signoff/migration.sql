-- Sign-off: several people, each in a role, approve one act with exactly these arguments, and it runs once.

INSERT INTO permissions (name, description) VALUES
  ('signoffs:read', 'Read sign-offs and their receipts'),
  ('signoffs:request', 'Request sign-offs, and run what was approved'),
  ('signoffs:approve', 'Approve and deny in a role that one has');
INSERT INTO roles (name, description) VALUES
  ('developer', 'Signs off as a developer'),
  ('tech_lead', 'Signs off as a tech lead'),
  ('qa', 'Signs off as quality assurance'),
  ('security_reviewer', 'Signs off as a security reviewer'),
  ('product_owner', 'Signs off as a product owner'),
  ('architect', 'Signs off as an architect')
ON CONFLICT DO NOTHING;
INSERT INTO role_permissions (role, permission)
SELECT role, permission
FROM unnest('{developer,tech_lead,qa,security_reviewer,product_owner,architect,admin}'::text[]) role,
  unnest('{signoffs:read,signoffs:request,signoffs:approve}'::text[]) permission
UNION ALL VALUES ('auditor', 'signoffs:read'), ('operator', 'signoffs:read'), ('operator', 'signoffs:request')
ON CONFLICT DO NOTHING;

CREATE TABLE signoffs (
  id                 uuid PRIMARY KEY,
  act                text NOT NULL CHECK (act ~ '^[a-z][a-z0-9_.:-]{0,127}$'),
  title              text NOT NULL CHECK (length(title) <= 256),
  -- Canonical JSON (RFC 8785): text, so that its bytes have the hash beside it.
  arguments          text NOT NULL CHECK (octet_length(arguments) <= 32768),
  arguments_sha256   text NOT NULL CHECK (arguments_sha256 = encode(sha256(convert_to(arguments, 'UTF8')), 'hex')),
  requested_by_kind  text NOT NULL CHECK (requested_by_kind IN ('user', 'client', 'system')),
  requested_by       text NOT NULL,
  -- The client that asked: an agent by itself, or for a user.
  client_id          text,
  -- Users for whom the act is asked; they may not approve it.
  barred_users       text[] NOT NULL,
  required_roles     text[] NOT NULL CHECK (cardinality(required_roles) BETWEEN 1 AND 6
                       AND required_roles <@ '{developer,tech_lead,qa,security_reviewer,product_owner,architect}'),
  quorum             smallint NOT NULL CHECK (quorum BETWEEN 1 AND cardinality(required_roles)),
  min_security_score smallint CHECK (min_security_score BETWEEN 0 AND 100),
  no_open_incident   boolean NOT NULL,
  state              text NOT NULL DEFAULT 'pending'
                       CHECK (state IN ('pending', 'approved', 'denied', 'running', 'done', 'failed')),
  requested_at       timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- An act starts before this, or never.
  expires_at         timestamptz(3) NOT NULL,
  decided_at         timestamptz(3),
  started_at         timestamptz(3),
  finished_at        timestamptz(3),
  failure            text CHECK (length(failure) <= 128),
  -- The event of the end: what a receipt proves.
  event_id           uuid,
  CHECK (expires_at > requested_at AND expires_at <= requested_at + interval '25 hours'),
  CHECK ((state IN ('done', 'failed')) = (finished_at IS NOT NULL)),
  CHECK ((state = 'failed') = (failure IS NOT NULL)),
  CHECK (state <> 'done' OR started_at IS NOT NULL)
);
CREATE INDEX signoffs_requested_at ON signoffs (requested_at, id);
CREATE INDEX signoffs_client_id ON signoffs (client_id) WHERE (state IN ('pending', 'approved', 'running'));

-- One decision for each role, and one for each person.
CREATE TABLE signoff_decisions (
  signoff_id uuid NOT NULL REFERENCES signoffs (id) ON DELETE CASCADE,
  role       text NOT NULL,
  user_id    text NOT NULL,
  decision   text NOT NULL CHECK (decision IN ('approve', 'deny')),
  comment    text CHECK (length(comment) <= 1000),
  decided_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (signoff_id, role)
);
CREATE UNIQUE INDEX signoff_decisions_person ON signoff_decisions (signoff_id, user_id);

-- What people approved does not change after they saw it, and no state comes back: an act starts once, whatever writes
-- the row.
CREATE FUNCTION signoff_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (to_jsonb(NEW) - '{state,decided_at,started_at,finished_at,failure,event_id}'::text[])
    <> (to_jsonb(OLD) - '{state,decided_at,started_at,finished_at,failure,event_id}'::text[])
  THEN
    RAISE EXCEPTION 'what a sign-off is about does not change' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NEW.state <> OLD.state AND NOT (CASE OLD.state
    WHEN 'pending' THEN NEW.state IN ('approved', 'denied', 'failed')
    WHEN 'approved' THEN NEW.state IN ('running', 'failed')
    WHEN 'running' THEN NEW.state IN ('done', 'failed')
    ELSE false END)
  THEN
    RAISE EXCEPTION 'a sign-off does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NEW.state = 'approved' AND OLD.state = 'pending' AND NEW.quorum > (
    SELECT count(*) FROM signoff_decisions WHERE signoff_id = NEW.id AND decision = 'approve')
  THEN
    RAISE EXCEPTION 'a sign-off is approved by its quorum' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER signoffs_kept BEFORE UPDATE ON signoffs FOR EACH ROW EXECUTE FUNCTION signoff_kept();

CREATE FUNCTION signoff_decision_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE signoff signoffs;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    RAISE EXCEPTION 'a decision does not change' USING ERRCODE = 'insufficient_privilege';
  END IF;
  SELECT * INTO signoff FROM signoffs WHERE id = NEW.signoff_id FOR UPDATE;
  IF signoff.state <> 'pending' OR NOT NEW.role = ANY (signoff.required_roles) OR NEW.user_id = ANY (signoff.barred_users) THEN
    RAISE EXCEPTION 'this decision does not belong to the sign-off' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER signoff_decisions_kept BEFORE INSERT OR UPDATE ON signoff_decisions
  FOR EACH ROW EXECUTE FUNCTION signoff_decision_kept();

-- What a killed agent asked for does not run, and what it runs has failed.
CREATE FUNCTION signoffs_end_with_agent() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE ended record;
BEGIN
  FOR ended IN
    UPDATE signoffs SET state = 'failed', failure = 'agent_killed', finished_at = clock_timestamp()
    WHERE id IN (SELECT id FROM signoffs WHERE client_id = OLD.client_id AND state IN ('pending', 'approved', 'running')
                 ORDER BY id FOR UPDATE)
    RETURNING id, act
  LOOP
    PERFORM audit_record('signoff.finished', 'failed', 'signoff', ended.id::text,
      jsonb_build_object('act', ended.act, 'act_failure', 'agent_killed') || audit_reason());
  END LOOP;
  RETURN NULL;
END $$;
CREATE TRIGGER agents_killed_signoffs AFTER UPDATE ON agents FOR EACH ROW
  WHEN (OLD.killed_at IS NULL AND NEW.killed_at IS NOT NULL) EXECUTE FUNCTION signoffs_end_with_agent();
CREATE TRIGGER agents_deleted_signoffs AFTER DELETE ON agents FOR EACH ROW EXECUTE FUNCTION signoffs_end_with_agent();

SELECT grant_roles();
