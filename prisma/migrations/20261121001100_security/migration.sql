-- What detections see, and what is done about it.

-- What a detection saw, and what became of it. One that is not closed takes up every further sighting.
CREATE TABLE incidents (
  id             uuid PRIMARY KEY,
  detection      text NOT NULL,
  severity       text NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
  subject_kind   text NOT NULL CHECK (subject_kind IN ('user', 'client', 'identifier', 'network', 'installation')),
  subject_id     text NOT NULL,
  state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'acknowledged', 'closed')),
  count          integer NOT NULL DEFAULT 1,
  first_seen_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_seen_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  detail         jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(detail) = 'object'),
  actions        text[] NOT NULL DEFAULT '{}',
  reason         text,                                   -- of the last change of state, by whoever made it
  changed_at     timestamptz,
  changed_by     text
);
CREATE UNIQUE INDEX incidents_one_open ON incidents (detection, subject_kind, subject_id) WHERE state <> 'closed';
CREATE INDEX incidents_last_seen_at ON incidents (last_seen_at, id);

-- How far the detections have read the sealed log: whatever they do for an event is committed with this.
CREATE TABLE detection_progress (
  id  boolean PRIMARY KEY DEFAULT true CHECK (id),
  seq bigint NOT NULL DEFAULT -1
);
INSERT INTO detection_progress DEFAULT VALUES;

-- Events that detections passed over because handling them failed. They are tried again; without next_try_at they are
-- set aside until an operator asks.
CREATE TABLE unjudged_events (
  seq         bigint PRIMARY KEY,                        -- of audit_events
  tries       integer NOT NULL DEFAULT 1,
  failure     text NOT NULL,                             -- a code, of the last try
  failed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  next_try_at timestamptz
);
CREATE INDEX unjudged_events_next_try_at ON unjudged_events (next_try_at);

-- Whether a sign-in of a user that detections may act on still waits for them: sealed or not, or passed over. Whoever
-- holds the user knows that none is acted on meanwhile.
CREATE FUNCTION user_login_waits(subject text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM (
      SELECT target_id, outcome, detail FROM audit_outbox WHERE seq IS NULL AND type = 'user.login'
      UNION ALL
      SELECT target_id, outcome, detail FROM audit_events
      WHERE type = 'user.login' AND seq > (SELECT p.seq FROM detection_progress p)
      UNION ALL
      SELECT target_id, outcome, detail FROM audit_events
      WHERE type = 'user.login' AND seq IN (SELECT u.seq FROM unjudged_events u)) l
    WHERE target_id = subject AND outcome = 'ok' AND detail -> 'known_device' = 'false'
      AND detail ?| ARRAY['elsewhere', 'suspect_network'])
$$;
