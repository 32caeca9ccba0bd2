-- The outbox that every security event goes through, and the sealed log that it is read from afterwards.

-- Every security event, written in the transaction of the change it reports. Sealing numbers rows from here; sealed rows
-- leave with their day's partition.
CREATE TABLE audit_outbox (
  id           bigint GENERATED ALWAYS AS IDENTITY,
  event_id     uuid NOT NULL DEFAULT gen_random_uuid(),
  type         text NOT NULL,
  outcome      text NOT NULL,
  actor_kind   text NOT NULL CHECK (actor_kind IN ('anonymous', 'user', 'client', 'system')),
  actor_id     text,
  target_kind  text,
  target_id    text,
  client_id    text,
  ip_hash      text,
  agent_hash   text,
  detail       jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(detail) = 'object'),
  traceparent  text,
  occurred_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- One row that cannot be written as RFC 3339 would hold up every later one.
  CHECK (occurred_at >= timestamptz '1970-01-01 00:00:00+00' AND occurred_at < timestamptz '9999-01-01 00:00:00+00'),
  seq          bigint,                                   -- place in the sealed log; null: not sealed yet
  PRIMARY KEY (id, occurred_at),
  -- A given id (UUIDv7) fixes the row's time too, so that a repeated write meets its first; see audit_event_at().
  UNIQUE (event_id, occurred_at)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX audit_outbox_unsealed ON audit_outbox (occurred_at, id) WHERE seq IS NULL;

-- Rows of days that nobody made a partition for. Should stay empty: a partition cannot be added over rows in here.
CREATE TABLE audit_outbox_default PARTITION OF audit_outbox DEFAULT;

CREATE FUNCTION audit_outbox_name(day date) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT 'audit_outbox_' || to_char(day, 'YYYYMMDD') $$;

-- One maker or dropper of partitions at a time, let go at commit; no writer waits for it. A lock of the table, since
-- waiting for any other would leave this session with an old view of which tables there are.
CREATE FUNCTION audit_outbox_lock() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE ONLY audit_outbox IN SHARE UPDATE EXCLUSIVE MODE;
END $$;

-- The partition of one day (UTC). Does nothing where it exists. True when made now; null where rows of that day lie in
-- the DEFAULT partition already. Made aside and attached: CREATE … PARTITION OF would keep every writer waiting.
CREATE FUNCTION audit_outbox_partition(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE name text := audit_outbox_name(day);
BEGIN
  PERFORM audit_outbox_lock();
  IF to_regclass(name) IS NOT NULL THEN RETURN false; END IF;
  EXECUTE format('CREATE TABLE %I (LIKE audit_outbox INCLUDING ALL EXCLUDING IDENTITY)', name);
  EXECUTE format('ALTER TABLE audit_outbox ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
    to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00');
  RETURN true;
EXCEPTION WHEN check_violation THEN RETURN NULL;
END $$;

-- Days with a table of their own; one that is detached but not dropped yet is not attached.
CREATE FUNCTION audit_outbox_days() RETURNS TABLE (day date, attached boolean) LANGUAGE sql STABLE AS $$
  SELECT to_date(right(c.relname, 8), 'YYYYMMDD'), c.relispartition FROM pg_class c
  WHERE c.relname ~ '^audit_outbox_[0-9]{8}$' AND c.relkind = 'r'
    AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'audit_outbox'::regclass)
$$;

-- Takes a day out of the table whose every row is sealed. False where one is not, null where the day is not in it.
-- Writers of any day wait for as long as this takes, which is a look at an index; the parent is locked first, as they do.
CREATE FUNCTION audit_outbox_detach(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE name text := audit_outbox_name(day); is_sealed boolean;
BEGIN
  PERFORM audit_outbox_lock();
  IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(name) AND inhparent = 'audit_outbox'::regclass) THEN
    RETURN NULL;
  END IF;
  LOCK TABLE ONLY audit_outbox IN ACCESS EXCLUSIVE MODE;
  EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
  EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I WHERE seq IS NULL)', name) INTO is_sealed;
  IF is_sealed THEN EXECUTE format('ALTER TABLE audit_outbox DETACH PARTITION %I', name); END IF;
  RETURN is_sealed;
END $$;

-- Drops a day that was taken out: apart, since removing big files takes longer than writers should wait.
CREATE FUNCTION audit_outbox_drop(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE name text := audit_outbox_name(day);
BEGIN
  PERFORM audit_outbox_lock();
  IF to_regclass(name) IS NULL OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(name)) THEN RETURN false; END IF;
  EXECUTE format('DROP TABLE %I', name);
  RETURN true;
END $$;

SELECT audit_outbox_partition((now() AT TIME ZONE 'UTC')::date + ahead) FROM generate_series(-1, 7) AS ahead;

-- When an event happened: the time inside a UUIDv7 (RFC 9562 5.7) that its writer fixed, else now.
CREATE FUNCTION audit_event_at(event_id uuid) RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT CASE WHEN event_id IS NULL THEN clock_timestamp()
  ELSE to_timestamp(('x' || translate(left(event_id::text, 13), '-', ''))::bit(48)::bigint::numeric / 1000) END $$;

-- The actor and trace of row triggers: settings of the transaction, absent when a row changes behind our back.
CREATE FUNCTION audit_context(field text) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('sallyport.' || field, true), '') $$;

-- Why a row changes, where somebody said.
CREATE FUNCTION audit_reason() RETURNS jsonb LANGUAGE sql STABLE AS
$$ SELECT jsonb_strip_nulls(jsonb_build_object('reason', audit_context('reason'))) $$;

CREATE FUNCTION audit_record(event_type text, event_outcome text, kind text, target text, event_detail jsonb DEFAULT '{}')
RETURNS void LANGUAGE sql AS $$
  INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash, detail, traceparent)
  VALUES (event_type, event_outcome, coalesce(audit_context('actor_kind'), 'system'), coalesce(audit_context('actor_id'), 'database'),
          kind, target, audit_context('client_id'), audit_context('ip_hash'), audit_context('agent_hash'), event_detail, audit_context('traceparent'))
$$;

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
-- Hashes do not compress. Apart from the table: CREATE TABLE takes this from Postgres 16 on only.
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
