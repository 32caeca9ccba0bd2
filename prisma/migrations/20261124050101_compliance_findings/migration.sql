-- Controls that read the sealed log read on from where they stopped, and remember the events that break them: by number
-- and type, never by what they contain. A violation stays open until its events are acknowledged.

CREATE TABLE compliance_log_reads (
  control       text PRIMARY KEY CHECK (control ~ '^[a-z0-9-]{1,64}$'),
  -- A newer probe reads the log from its beginning.
  probe_version smallint NOT NULL,
  read_to       bigint NOT NULL
);

CREATE TABLE compliance_findings (
  control         text NOT NULL CHECK (control ~ '^[a-z0-9-]{1,64}$'),
  seq             bigint NOT NULL,
  type            text NOT NULL CHECK (length(type) <= 100),
  -- Removed with its violation, six years after that was resolved.
  violation_id    uuid NOT NULL REFERENCES compliance_violations (id) ON DELETE CASCADE,
  found_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  acknowledged_at timestamptz,
  PRIMARY KEY (control, seq)
);
CREATE INDEX compliance_findings_open ON compliance_findings (control, seq) WHERE acknowledged_at IS NULL;
CREATE INDEX compliance_findings_violation ON compliance_findings (violation_id, seq);

SELECT grant_roles();
