-- Compliance reports with their evidence, and what people attest. Kept for six years (45 CFR 164.316(b)(2)(i)).

-- The steps of a report are its status: a worker that dies leaves a row that the next one continues.
CREATE TABLE compliance_reports (
  id           uuid PRIMARY KEY,
  kind         text NOT NULL CHECK (kind IN ('demand', 'daily', 'monthly')),
  -- Day or month of a scheduled report: each is made once.
  period       text CHECK (period ~ '^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$'),
  status       text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'collecting', 'sealing', 'done', 'failed', 'cancelled')),
  progress     smallint NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
  requested_by text NOT NULL CHECK (length(requested_by) <= 300),
  requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at   timestamptz,
  ended_at     timestamptz,
  failure      text CHECK (length(failure) <= 64),
  -- Counts by status; what the list shows.
  summary      jsonb,
  -- The report signed by the key of the audit log, its digest, and what people read of it.
  bundle       text,
  sha256       text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  pdf          bytea,
  CHECK ((kind = 'demand') = (period IS NULL)),
  CHECK ((status = 'done') = (bundle IS NOT NULL AND sha256 IS NOT NULL AND pdf IS NOT NULL AND summary IS NOT NULL)),
  CHECK ((status IN ('done', 'failed', 'cancelled')) = (ended_at IS NOT NULL))
);
ALTER TABLE compliance_reports ALTER pdf SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX compliance_reports_period ON compliance_reports (kind, period) WHERE period IS NOT NULL;
CREATE INDEX compliance_reports_requested_at ON compliance_reports (requested_at, id);
CREATE INDEX compliance_reports_unfinished ON compliance_reports (requested_at, id) WHERE ended_at IS NULL;

-- What one control showed for one report. The event of the same transaction is sealed in the audit log.
CREATE TABLE compliance_evidence (
  report_id    uuid NOT NULL REFERENCES compliance_reports (id) ON DELETE CASCADE,
  control      text NOT NULL CHECK (control ~ '^[a-z0-9-]{1,64}$'),
  -- Canonical JSON: text, so that its bytes have the hash beside it.
  item         text NOT NULL CHECK (length(item) <= 262144),
  item_sha256  text NOT NULL CHECK (item_sha256 ~ '^[0-9a-f]{64}$'),
  event_id     uuid NOT NULL,
  collected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (report_id, control)
);

-- Only appended to: a later attestation takes the place of the one before.
CREATE TABLE compliance_attestations (
  id          uuid PRIMARY KEY,
  control     text NOT NULL CHECK (control ~ '^[a-z0-9-]{1,64}$'),
  attester    text NOT NULL CHECK (length(attester) <= 300),
  -- What was stated, as it read then.
  statement   text NOT NULL CHECK (length(statement) <= 2000),
  note        text NOT NULL CHECK (length(note) <= 256),
  attested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at  timestamptz NOT NULL,
  CHECK (expires_at > attested_at)
);
CREATE INDEX compliance_attestations_control ON compliance_attestations (control, attested_at DESC);
CREATE INDEX compliance_attestations_expires_at ON compliance_attestations (expires_at);

-- Refuses to delete a record before its six years are over. The argument names the column of its time.
CREATE FUNCTION compliance_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (to_jsonb(OLD) ->> TG_ARGV[0])::timestamptz > clock_timestamp() - interval '6 years' THEN
    RAISE EXCEPTION '% keeps its rows for six years', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER compliance_reports_kept BEFORE DELETE ON compliance_reports
  FOR EACH ROW EXECUTE FUNCTION compliance_kept('requested_at');
CREATE TRIGGER compliance_evidence_kept BEFORE DELETE ON compliance_evidence
  FOR EACH ROW EXECUTE FUNCTION compliance_kept('collected_at');
CREATE TRIGGER compliance_attestations_kept BEFORE DELETE ON compliance_attestations
  FOR EACH ROW EXECUTE FUNCTION compliance_kept('expires_at');

-- What is collected, attested or signed never changes.
CREATE FUNCTION compliance_unchanged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% does not change', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER compliance_evidence_unchanged BEFORE UPDATE ON compliance_evidence
  FOR EACH ROW EXECUTE FUNCTION compliance_unchanged();
CREATE TRIGGER compliance_attestations_unchanged BEFORE UPDATE ON compliance_attestations
  FOR EACH ROW EXECUTE FUNCTION compliance_unchanged();
CREATE TRIGGER compliance_reports_unchanged BEFORE UPDATE ON compliance_reports
  FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION compliance_unchanged();

SELECT grant_roles();
