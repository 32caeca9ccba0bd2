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

CREATE FUNCTION audit_record(event_type text, event_outcome text, kind text, target text, event_detail jsonb DEFAULT '{}')
RETURNS void LANGUAGE sql AS $$
  INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash, detail, traceparent)
  VALUES (event_type, event_outcome, coalesce(audit_context('actor_kind'), 'system'), coalesce(audit_context('actor_id'), 'database'),
          kind, target, audit_context('client_id'), audit_context('ip_hash'), audit_context('agent_hash'), event_detail, audit_context('traceparent'))
$$;
