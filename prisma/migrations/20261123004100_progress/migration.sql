-- Progress: what the system measures of itself, and what embedding applications report.

-- One row: how far the sealed log was counted, and the newest figures.
CREATE TABLE progress_state (
  one         boolean PRIMARY KEY DEFAULT true CHECK (one),
  -- Null until the first count, which begins at the end of the log.
  after_seq   bigint,
  measured    jsonb CHECK (jsonb_typeof(measured) = 'object'),
  measured_at timestamptz(3),
  reported    jsonb CHECK (jsonb_typeof(reported) = 'object'),
  reported_at timestamptz(3)
);
INSERT INTO progress_state DEFAULT VALUES;

-- Purged by the job that counts, after thirty days.
CREATE TABLE authentication_progress (
  hour   timestamptz(3) NOT NULL,
  event  text NOT NULL CHECK (event IN ('login', 'logout', 'refresh', 'verify', 'failure')),
  source text NOT NULL CHECK (source IN ('measured', 'reported')),
  events bigint NOT NULL CHECK (events >= 0),
  PRIMARY KEY (hour, event, source)
);

CREATE TABLE component_progress (
  component      text PRIMARY KEY CHECK (component IN
    ('jwt-service', 'better-auth', 'middleware', 'security', 'phase6', 'monitoring', 'deployment')),
  status         text NOT NULL CHECK (status IN ('not_started', 'in_progress', 'blocked', 'done')),
  percent        smallint NOT NULL CHECK (percent BETWEEN 0 AND 100),
  coverage       smallint CHECK (coverage BETWEEN 0 AND 100),
  security_score smallint CHECK (security_score BETWEEN 0 AND 100),
  at             timestamptz(3) NOT NULL
);

-- Reports that were stored: a job that runs twice counts once. Purged by the job that counts, after two days.
CREATE TABLE progress_reports (
  id        uuid PRIMARY KEY,
  stored_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX progress_reports_stored_at ON progress_reports (stored_at);

SELECT grant_roles();
