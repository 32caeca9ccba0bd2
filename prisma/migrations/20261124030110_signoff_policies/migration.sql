-- Policies of sign-off by act, which applications declare: no request is below the policy of its act.

-- Versions increase with each change of a policy, also if it was removed in between.
CREATE SEQUENCE signoff_policy_versions AS integer;
CREATE TABLE signoff_policies (
  -- An act, or the beginning of acts followed by `*`.
  act                text PRIMARY KEY CHECK (act ~ '^[a-z][a-z0-9_-]*([.:][a-z0-9_.:-]*\*?)?$' AND length(act) <= 128),
  application        text NOT NULL REFERENCES applications (name) ON DELETE CASCADE,
  roles              text[] NOT NULL CHECK (cardinality(roles) BETWEEN 1 AND 6
                       AND roles <@ '{developer,tech_lead,qa,security_reviewer,product_owner,architect}'),
  quorum             smallint NOT NULL CHECK (quorum BETWEEN 1 AND cardinality(roles)),
  lifetime_minutes   smallint NOT NULL CHECK (lifetime_minutes BETWEEN 1 AND 1440),
  min_security_score smallint CHECK (min_security_score BETWEEN 0 AND 100),
  no_open_incident   boolean NOT NULL,
  -- How pages show arguments: path, label by language, format.
  arguments          jsonb NOT NULL,
  version            integer NOT NULL
);
CREATE INDEX signoff_policies_application ON signoff_policies (application, act);

CREATE FUNCTION signoff_policy_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := nextval('signoff_policy_versions');
  RETURN NEW;
END $$;
CREATE TRIGGER signoff_policies_changed BEFORE INSERT OR UPDATE ON signoff_policies
  FOR EACH ROW EXECUTE FUNCTION signoff_policy_changed();

-- The policy of an act: the one that names it, else the one that names most of its beginning. By the primary key.
CREATE FUNCTION signoff_policy_of(name text) RETURNS SETOF signoff_policies LANGUAGE sql STABLE AS $$
  SELECT * FROM signoff_policies
  WHERE act = ANY (ARRAY(SELECT left(name, n) || '*' FROM generate_series(1, length(name)) n) || name)
  ORDER BY act <> name, length(act) DESC LIMIT 1
$$;

ALTER TABLE signoffs
  ADD COLUMN policy_act text,
  ADD COLUMN policy_version integer,
  -- As the policy was at the request.
  ADD COLUMN argument_labels jsonb NOT NULL DEFAULT '[]',
  ADD CONSTRAINT signoffs_policy CHECK ((policy_act IS NULL) = (policy_version IS NULL));

-- Roles that the policy does not name may approve too, but the quorum of the policy is by its own roles, whichever of the
-- required roles approve.
CREATE OR REPLACE FUNCTION signoff_begun() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE policy signoff_policies;
BEGIN
  IF NEW.state <> 'pending' OR NOT signoff_requester_lives(NEW.requested_by_kind, NEW.requested_by, NEW.client_id) THEN
    RAISE EXCEPTION 'this sign-off cannot be requested' USING ERRCODE = 'insufficient_privilege';
  END IF;
  SELECT * INTO policy FROM signoff_policy_of(NEW.act);
  IF FOUND AND (
    NEW.quorum - (SELECT count(*) FROM unnest(NEW.required_roles) role WHERE role <> ALL (policy.roles)) < policy.quorum
    OR NEW.expires_at > NEW.requested_at + make_interval(mins => policy.lifetime_minutes)
    OR coalesce(NEW.min_security_score, -1) < coalesce(policy.min_security_score, -1)
    OR policy.no_open_incident AND NOT NEW.no_open_incident)
  THEN
    RAISE EXCEPTION 'this sign-off is below the policy of its act' USING ERRCODE = 'insufficient_privilege';
  END IF;
  NEW.policy_act := policy.act;
  NEW.policy_version := policy.version;
  NEW.argument_labels := coalesce(policy.arguments, '[]');
  RETURN NEW;
END $$;

-- As before, with what was required: an event of the end says it in every case.
CREATE OR REPLACE FUNCTION signoffs_end_with_agent() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE ended signoffs;
BEGIN
  FOR ended IN
    UPDATE signoffs SET state = 'failed', failure = 'agent_killed', finished_at = clock_timestamp()
    WHERE id IN (SELECT id FROM signoffs WHERE client_id = OLD.client_id AND state IN ('pending', 'approved', 'running')
                 ORDER BY id FOR UPDATE)
    RETURNING *
  LOOP
    PERFORM audit_record('signoff.finished', 'failed', 'signoff', ended.id::text,
      jsonb_build_object('act', ended.act, 'arguments_sha256', ended.arguments_sha256, 'required_roles', ended.required_roles,
        'quorum', ended.quorum, 'policy_version', ended.policy_version, 'act_failure', 'agent_killed') || audit_reason());
  END LOOP;
  RETURN NULL;
END $$;

SELECT grant_roles();
