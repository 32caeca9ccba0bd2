-- Who may use health data for which purpose, and what is recorded of it.

-- Fields of health data that holders of a role may see for a purpose. `*` is every field.
CREATE TABLE phi_field_policies (
  role       text NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
  purpose    text NOT NULL CHECK (purpose IN ('treatment', 'payment', 'operations', 'individual_request', 'public_health', 'research', 'legal', 'emergency')),
  fields     text[] NOT NULL CHECK (cardinality(fields) BETWEEN 1 AND 200),
  changed_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (role, purpose)
);
INSERT INTO phi_field_policies (role, purpose, fields)
  SELECT 'clinician', purpose, '{*}' FROM unnest('{treatment,emergency,individual_request}'::text[]) purpose;

-- Restrictions that a person asked for and that were agreed to (45 CFR 164.522). Ended, never deleted early.
CREATE TABLE phi_restrictions (
  id         uuid PRIMARY KEY,
  subject_id text NOT NULL,
  purposes   text[] NOT NULL CHECK (cardinality(purposes) > 0),
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  ended_at   timestamptz(3)
);
CREATE INDEX phi_restrictions_subject_id ON phi_restrictions (subject_id, created_at);
CREATE INDEX phi_restrictions_ended_at ON phi_restrictions (ended_at) WHERE (ended_at IS NOT NULL);

-- Emergency access of one user to one person (45 CFR 164.312(a)(2)(ii)): it expires by itself, and another user reviews it.
CREATE TABLE phi_break_glass (
  id          uuid PRIMARY KEY,
  user_id     text NOT NULL,
  subject_id  text NOT NULL,
  opened_at   timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  expires_at  timestamptz(3) NOT NULL,
  outcome     text CHECK (outcome IN ('justified', 'unjustified')),
  reviewed_at timestamptz(3),
  reviewed_by text,
  CHECK (expires_at > opened_at AND expires_at <= opened_at + interval '4 hours'),
  CHECK ((outcome IS NULL) = (reviewed_at IS NULL) AND (outcome IS NULL) = (reviewed_by IS NULL)),
  CHECK (reviewed_by <> user_id)
);
CREATE INDEX phi_break_glass_active ON phi_break_glass (user_id, subject_id, expires_at);
CREATE INDEX phi_break_glass_opened_at ON phi_break_glass (opened_at, id);
CREATE INDEX phi_break_glass_reviewed_at ON phi_break_glass (reviewed_at) WHERE (reviewed_at IS NOT NULL);

-- Disclosures (45 CFR 164.528). Recipient and content are encrypted under the data key of the person.
CREATE TABLE phi_disclosures (
  id           uuid PRIMARY KEY,
  subject_id   text NOT NULL,
  purpose      text NOT NULL,
  disclosed_at timestamptz(3) NOT NULL,
  recorded_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  encrypted    jsonb NOT NULL
);
CREATE INDEX phi_disclosures_subject_id ON phi_disclosures (subject_id, disclosed_at, id);
CREATE INDEX phi_disclosures_disclosed_at ON phi_disclosures (disclosed_at);

-- Exports (45 CFR 164.524) and deletions that a worker carries out. The result of an export is encrypted.
CREATE TABLE phi_requests (
  id          uuid PRIMARY KEY,
  kind        text NOT NULL CHECK (kind IN ('export', 'deletion')),
  subject_id  text NOT NULL,
  state       text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'done')),
  created_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  due_at      timestamptz(3) NOT NULL DEFAULT clock_timestamp() + interval '30 days',
  finished_at timestamptz(3),
  -- The event of its completion; the sealed log proves it.
  event_id    uuid,
  summary     jsonb,
  result      jsonb,
  CHECK ((state = 'done') = (finished_at IS NOT NULL) AND (state = 'done') = (event_id IS NOT NULL))
);
CREATE INDEX phi_requests_queued ON phi_requests (created_at) WHERE (state = 'queued');
CREATE INDEX phi_requests_subject_id ON phi_requests (subject_id, created_at);
CREATE INDEX phi_requests_finished_at ON phi_requests (finished_at) WHERE (state = 'done');

-- Evidence of disclosures is not changed, and is deleted after six years at the earliest.
CREATE FUNCTION phi_disclosure_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.disclosed_at < clock_timestamp() - interval '6 years' THEN RETURN OLD; END IF;
  RAISE EXCEPTION 'disclosures are append-only for six years' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER phi_disclosures_kept BEFORE UPDATE OR DELETE ON phi_disclosures
  FOR EACH ROW EXECUTE FUNCTION phi_disclosure_kept();

ALTER TABLE role_permissions DISABLE TRIGGER USER;
INSERT INTO permissions (name, description) VALUES
  ('phi:break_glass', 'Open emergency access to the health data of one person');
INSERT INTO role_permissions (role, permission) VALUES ('admin', 'phi:break_glass'), ('clinician', 'phi:break_glass')
ON CONFLICT DO NOTHING;
ALTER TABLE role_permissions ENABLE TRIGGER USER;

SELECT grant_roles();
