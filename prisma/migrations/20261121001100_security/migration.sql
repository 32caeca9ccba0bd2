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
