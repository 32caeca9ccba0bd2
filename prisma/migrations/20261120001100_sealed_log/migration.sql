-- The sealed log: every event once, in an order without gaps, under a Merkle tree (RFC 6962) in C2SP forms.

-- One open log at a time. A log that lost leaves is closed, and the next one's first leaf names what was lost.
CREATE TABLE audit_log (
  origin     text PRIMARY KEY,
  first_seq  bigint NOT NULL,                            -- seq of the tree's leaf 0
  size       bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
  root       bytea NOT NULL CHECK (length(root) = 32),
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  closed_at  timestamptz,
  previous   text,                                       -- origin of the head it takes the place of
  previous_size bigint,
  previous_root bytea,
  stopped_at timestamptz,                                -- since when nothing is sealed, and why
  stopped_reason text,
  erasures   bigint NOT NULL DEFAULT 0,                  -- a batch read before one of them is not written after it
  EXCLUDE USING btree ((closed_at IS NULL) WITH =) WHERE (closed_at IS NULL)
) WITH (fillfactor = 50);

CREATE TABLE audit_events (
  seq         bigint PRIMARY KEY,                        -- 0, 1, 2 … over all origins
  event_id    uuid NOT NULL,
  type        text NOT NULL,
  outcome     text NOT NULL,
  actor_kind  text NOT NULL,
  actor_id    text,
  target_kind text,
  target_id   text,
  client_id   text,
  detail      jsonb NOT NULL,
  trace_id    text,
  traceparent text,
  occurred_at timestamptz NOT NULL,
  sealed_at   timestamptz NOT NULL,
  leaf        bytea NOT NULL CHECK (length(leaf) <= 65535)  -- the sealed bytes; the columns beside it are for reading
);
CREATE UNIQUE INDEX audit_events_event_id ON audit_events (event_id);
CREATE INDEX audit_events_occurred_at ON audit_events (occurred_at, seq);
CREATE INDEX audit_events_type ON audit_events (type, seq);

-- Values behind the salted commitments of a leaf. What is deleted here is forgotten, and every proof stays good.
CREATE TABLE audit_personal (
  event_id uuid NOT NULL,
  field    text NOT NULL,
  salt     bytea NOT NULL CHECK (length(salt) = 32),
  value    text NOT NULL,
  subject  text,                                         -- the user it is about, where one is known
  PRIMARY KEY (event_id, field)
);
CREATE INDEX audit_personal_subject ON audit_personal (subject) WHERE subject IS NOT NULL;

-- tlog-tiles: up to 256 hashes of 32 bytes. A partial tile is a prefix of its later self.
CREATE TABLE audit_tiles (
  origin text NOT NULL,
  level  smallint NOT NULL,
  n      bigint NOT NULL,
  hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
  PRIMARY KEY (origin, level, n)
);

-- Hashes do not compress.
ALTER TABLE audit_tiles ALTER hashes SET STORAGE EXTERNAL;

-- Signed tree heads. Two roots of one size are the proof of a fork: both are kept.
CREATE TABLE audit_checkpoints (
  origin     text NOT NULL,
  size       bigint NOT NULL,
  root       bytea NOT NULL,
  note       text NOT NULL,                              -- signed note, with the cosignatures that came in
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (origin, size, root)
);

-- How far each place outside has been told.
CREATE TABLE audit_sinks (
  sink          text PRIMARY KEY,
  origin        text NOT NULL,
  size          bigint NOT NULL,
  published_at  timestamptz,
  failing_since timestamptz,
  failures      bigint NOT NULL DEFAULT 0
);

-- The log only grows. A superuser gets round this; the proofs are what he does not get round.
CREATE FUNCTION audit_events_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit_events only grows' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_events_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION audit_events_only_grow();
