-- Consents of persons, legal holds, and how long records about health data are kept.

-- One version for each decision of a person; the newest counts.
CREATE TABLE phi_consents (
  id          uuid PRIMARY KEY,
  subject_id  text NOT NULL,
  purpose     text NOT NULL,
  version     integer NOT NULL CHECK (version > 0),
  granted     boolean NOT NULL,
  -- The text that the person agreed to, by its version.
  terms       text NOT NULL,
  recorded_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX phi_consents_version ON phi_consents (subject_id, purpose, version);
CREATE INDEX phi_consents_recorded_at ON phi_consents (recorded_at);

-- While a hold is open, nothing about the person is deleted.
CREATE TABLE legal_holds (
  id         uuid PRIMARY KEY,
  subject_id text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  ended_at   timestamptz(3)
);
CREATE INDEX legal_holds_open ON legal_holds (subject_id) WHERE (ended_at IS NULL);
CREATE INDEX legal_holds_subject_id ON legal_holds (subject_id, created_at);

-- How long each kind of record is kept; null: it is kept. Records that are evidence are kept six years (2,192 days) at
-- least (45 CFR 164.316(b)(2)), and sealed events for good: the log is append-only.
CREATE TABLE retention_policies (
  kind       text PRIMARY KEY CHECK (kind IN ('users', 'phi', 'exports', 'shredded_keys', 'restrictions',
               'emergency_accesses', 'disclosures', 'privacy_requests', 'consents', 'legal_holds', 'retention_runs', 'audit_events')),
  keep_days  integer CHECK (keep_days BETWEEN 1 AND 36500),
  changed_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT retention_policies_floor CHECK (kind IN ('users', 'phi', 'exports') OR keep_days >= 2192),
  CONSTRAINT retention_policies_log CHECK (kind <> 'audit_events' OR keep_days IS NULL)
);
INSERT INTO retention_policies (kind, keep_days) VALUES ('users', NULL), ('phi', NULL), ('exports', 7), ('audit_events', NULL);
INSERT INTO retention_policies (kind, keep_days) SELECT kind, 2192 FROM unnest('{shredded_keys,restrictions,emergency_accesses,disclosures,privacy_requests,consents,legal_holds,retention_runs}'::text[]) kind;

CREATE TABLE retention_runs (
  id          uuid PRIMARY KEY,
  dry_run     boolean NOT NULL,
  state       text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'done')),
  created_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz(3),
  -- Records by kind that were deleted, or that would be.
  counts      jsonb,
  CHECK ((state = 'done') = (finished_at IS NOT NULL) AND (state = 'done') = (counts IS NOT NULL))
);
CREATE INDEX retention_runs_created_at ON retention_runs (created_at);
CREATE INDEX retention_runs_queued ON retention_runs (created_at) WHERE (state = 'queued');

CREATE FUNCTION phi_consent_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.recorded_at < clock_timestamp() - interval '6 years' THEN RETURN OLD; END IF;
  RAISE EXCEPTION 'consents are append-only for six years' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER phi_consents_kept BEFORE UPDATE OR DELETE ON phi_consents
  FOR EACH ROW EXECUTE FUNCTION phi_consent_kept();

-- For the retention of health data.
CREATE INDEX phi_data_keys_created_at ON phi_data_keys (created_at) WHERE (shredded_at IS NULL);

SELECT grant_roles();
