-- The schema of the first release, by module: what a new installation begins with. Later migrations stand beside it.

-- ==== audit ================================================================================================================
-- The outbox that every security event goes through, and the sealed log that it is read from afterwards: every event once,
-- in an order without gaps, under a Merkle tree (RFC 6962) in C2SP forms.

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
COMMENT ON TABLE audit_outbox IS 'api: SELECT, INSERT; mcp: INSERT; worker: SELECT, INSERT; log_sealer: SELECT, INSERT, UPDATE (target_kind, target_id, ip_hash, agent_hash, detail, seq)';

-- Rows of days without a partition of their own. Should stay empty: a partition cannot be added over rows in here.
CREATE TABLE audit_outbox_default PARTITION OF audit_outbox DEFAULT;
COMMENT ON TABLE audit_outbox_default IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: SELECT, UPDATE, DELETE';

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

-- Why a row changes, if the caller said so.
CREATE FUNCTION audit_reason() RETURNS jsonb LANGUAGE sql STABLE AS
$$ SELECT jsonb_strip_nulls(jsonb_build_object('reason', audit_context('reason'))) $$;

CREATE FUNCTION audit_record(event_type text, event_outcome text, kind text, target text, event_detail jsonb DEFAULT '{}')
RETURNS void LANGUAGE sql AS $$
  INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash, detail, traceparent)
  VALUES (event_type, event_outcome, coalesce(audit_context('actor_kind'), 'system'), coalesce(audit_context('actor_id'), 'database'),
          kind, target, audit_context('client_id'), audit_context('ip_hash'), audit_context('agent_hash'), event_detail, audit_context('traceparent'))
$$;

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
COMMENT ON TABLE audit_log IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: SELECT, INSERT, UPDATE (size, root, stopped_at, stopped_reason)';

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
-- The list of events by actor, target, client or trace: each index is in the order of the list. Longer ids are personal
-- values, so the columns have at most 128 characters.
CREATE INDEX audit_events_actor ON audit_events (actor_id, seq) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_events_target ON audit_events (target_id, seq) WHERE target_id IS NOT NULL;
CREATE INDEX audit_events_client ON audit_events (client_id, seq) WHERE client_id IS NOT NULL;
CREATE INDEX audit_events_trace ON audit_events (trace_id, seq) WHERE trace_id IS NOT NULL;
COMMENT ON TABLE audit_events IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: SELECT, INSERT';

-- Values behind the salted commitments of a leaf. What is deleted here is forgotten, and every proof stays good.
CREATE TABLE audit_personal (
  event_id uuid NOT NULL,
  field    text NOT NULL,
  salt     bytea NOT NULL CHECK (length(salt) = 32),
  value    text NOT NULL,
  subject  text,                                         -- the user it is about, where one is known
  -- The same for ids that are personal values, such as the user of a refused sign-in. A value that its sender chose can be
  -- longer than an entry of a B-tree: it gets no place, and no filter finds it.
  seq      bigint,
  PRIMARY KEY (event_id, field)
);
CREATE INDEX audit_personal_subject ON audit_personal (subject) WHERE subject IS NOT NULL;
-- Finds the events about a subject of health data, whose id is a personal value. A hash index, because a target that the
-- sender of a refused request chose can be longer than an entry of a B-tree.
CREATE INDEX audit_personal_target ON audit_personal USING hash (value) WHERE field = 'target';
CREATE INDEX audit_personal_place ON audit_personal (field, value, seq) WHERE seq IS NOT NULL;
COMMENT ON TABLE audit_personal IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: INSERT';

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
COMMENT ON TABLE audit_tiles IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: SELECT, INSERT, UPDATE (hashes)';

-- Signed tree heads. Two roots of one size are the proof of a fork: both are kept.
CREATE TABLE audit_checkpoints (
  origin     text NOT NULL,
  size       bigint NOT NULL,
  root       bytea NOT NULL,
  note       text NOT NULL,                              -- signed note, with the cosignatures that came in
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (origin, size, root)
);
COMMENT ON TABLE audit_checkpoints IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: SELECT, INSERT, UPDATE (note), DELETE';

-- How far each place outside has been told.
CREATE TABLE audit_sinks (
  sink          text PRIMARY KEY,
  origin        text NOT NULL,
  size          bigint NOT NULL,
  published_at  timestamptz,
  failing_since timestamptz,
  failures      bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE audit_sinks IS 'worker: SELECT; log_sealer: SELECT, INSERT, UPDATE (origin, size, published_at, failing_since, failures)';

-- The log only grows. A superuser gets round this; the proofs are what he does not get round.
CREATE FUNCTION audit_events_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit_events only grows' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_events_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION audit_events_only_grow();

-- ==== revocations ==========================================================================================================
-- The feed that every copy and every offline verifier follows, and how long a revocation is remembered.

-- One row: what every copy polls. `revocation_epoch` is the revocation feed's order and commit order at once.
CREATE TABLE feed_state (
  id               boolean PRIMARY KEY DEFAULT true CHECK (id),
  incarnation      uuid NOT NULL DEFAULT gen_random_uuid(),
  -- Incarnations whose loss was accepted: marks that name one of them give way to this database.
  replaced         uuid[] NOT NULL DEFAULT '{}',
  revocation_epoch bigint NOT NULL DEFAULT 0,
  keys_version     bigint NOT NULL DEFAULT 0,
  access_version   bigint NOT NULL DEFAULT 0,
  beat             bigint NOT NULL DEFAULT 0,
  beat_at          timestamptz NOT NULL DEFAULT now(),
  -- The folder that holds the marks where they are files: one for all machines.
  mark_place       uuid
) WITH (fillfactor = 50);
COMMENT ON TABLE feed_state IS 'api: SELECT, UPDATE (revocation_epoch, keys_version, access_version, beat, beat_at); mcp: SELECT, UPDATE (beat, beat_at); worker: SELECT, UPDATE (incarnation, replaced, revocation_epoch, keys_version, access_version, beat, beat_at, mark_place); log_sealer: SELECT';
INSERT INTO feed_state DEFAULT VALUES;

CREATE TABLE revocations (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  epoch       bigint UNIQUE,
  kind        text NOT NULL CHECK (kind IN ('jti', 'sid', 'family', 'user', 'client', 'key')),
  value       text NOT NULL,
  -- For user and client: tokens born with a lower epoch are refused.
  token_epoch integer CHECK ((token_epoch IS NOT NULL) = (kind IN ('user', 'client'))),
  reason      text NOT NULL,
  -- The owner of the token, where the writer knows it: a later epoch of the owner covers the row, which can then be dropped.
  user_id     text,
  client_id   text,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at  timestamptz NOT NULL,
  -- The actor that ended it, and what decided it where `reason` is free text.
  actor_kind  text DEFAULT audit_context('actor_kind'),
  actor_id    text DEFAULT audit_context('actor_id'),
  rule        text DEFAULT audit_context('rule')
) WITH (fillfactor = 90);
CREATE INDEX revocations_expires_at ON revocations (expires_at);
CREATE INDEX revocations_kind_value ON revocations (kind, value);
COMMENT ON TABLE revocations IS 'api: SELECT, INSERT, UPDATE (epoch); mcp: SELECT; worker: SELECT, INSERT, UPDATE (epoch), DELETE';

-- Counts the transaction's rows, so that the counter is written once however many there are: a row written n times
-- in one transaction costs n² (20,000 revocations took 3.7 s that way). Settings roll back with their savepoint.
CREATE FUNCTION revocation_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('sallyport.revocations_unnumbered',
    (coalesce(nullif(current_setting('sallyport.revocations_unnumbered', true), '')::bigint, 0) + (SELECT count(*) FROM added))::text, true);
  RETURN NULL;
END $$;
CREATE TRIGGER revocations_count AFTER INSERT ON revocations
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION revocation_count();

-- Deferred to COMMIT: the counter's row lock is held from the first row here to the end of the commit, so numbers
-- follow commit order without gaps, and a rolled-back revocation takes none.
CREATE FUNCTION revocation_number() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  unnumbered bigint := nullif(current_setting('sallyport.revocations_unnumbered', true), '')::bigint;
  next_epoch bigint;
BEGIN
  IF unnumbered > 0 THEN
    UPDATE feed_state SET revocation_epoch = revocation_epoch + unnumbered RETURNING revocation_epoch - unnumbered + 1 INTO next_epoch;
    PERFORM set_config('sallyport.revocations_unnumbered', '0', true);
  ELSE
    next_epoch := current_setting('sallyport.revocation_next')::bigint;
  END IF;
  UPDATE revocations SET epoch = next_epoch WHERE id = NEW.id;
  PERFORM set_config('sallyport.revocation_next', (next_epoch + 1)::text, true);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER revocations_number AFTER INSERT ON revocations
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION revocation_number();

-- Longest token life plus leeway and five minutes, in seconds: how long a revocation must be remembered.
-- One row, written at start-up from the settings; it only grows while older tokens may live.
CREATE TABLE token_lifetimes (
  id                       boolean PRIMARY KEY DEFAULT true CHECK (id),
  revocation_keep_seconds  integer NOT NULL DEFAULT 1260
);
COMMENT ON TABLE token_lifetimes IS 'api: SELECT, UPDATE (revocation_keep_seconds); worker: SELECT';
INSERT INTO token_lifetimes DEFAULT VALUES;

CREATE FUNCTION revocation_keep_until() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT clock_timestamp() + make_interval(secs => revocation_keep_seconds) FROM token_lifetimes $$;

-- A revocation stays, and stays readable, until it expires.
CREATE FUNCTION revocation_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF is_process_role(TG_RELID) THEN
    RAISE EXCEPTION 'a revocation stays until it expires' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER revocations_stay BEFORE DELETE ON revocations FOR EACH ROW
  WHEN (OLD.expires_at > clock_timestamp()) EXECUTE FUNCTION revocation_stays();
CREATE TRIGGER revocations_last BEFORE UPDATE OF expires_at, epoch ON revocations FOR EACH ROW
  WHEN (NEW.expires_at < OLD.expires_at OR OLD.epoch IS NOT NULL AND NEW.epoch IS DISTINCT FROM OLD.epoch) EXECUTE FUNCTION revocation_stays();

-- Raises the epoch of users or clients (every client, without ids), which refuses every token born before it, and deletes the
-- single revocations that it covers. It trusts no epoch that another statement of the transaction wrote: a row written by hand
-- would let revocations go that must still hold.
CREATE FUNCTION collapse_revocations(of_kind text, ids text[], OUT raised bigint, OUT dropped bigint) LANGUAGE plpgsql AS $$
DECLARE
  -- What is committed later may be about a token or a client that does not know the raised epoch.
  newest bigint := (SELECT revocation_epoch FROM feed_state);
  cuts bigint[];
BEGIN
  raised := 0;
  IF of_kind = 'user' THEN
    UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id IN (SELECT id FROM users WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE);
    GET DIAGNOSTICS raised = ROW_COUNT;
    cuts := ARRAY(SELECT r.id FROM revocations r JOIN users u ON u.id = r.value
      WHERE r.kind = 'user' AND u.id = ANY (ids) AND r.epoch IS NULL AND r.token_epoch = u."tokenEpoch");
  ELSIF of_kind = 'client' THEN
    UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1
    WHERE id IN (SELECT id FROM oauth_clients WHERE "clientId" = ANY (ids) OR ids IS NULL ORDER BY id FOR NO KEY UPDATE);
    GET DIAGNOSTICS raised = ROW_COUNT;
    cuts := ARRAY(SELECT r.id FROM revocations r JOIN oauth_clients c ON c."clientId" = r.value
      WHERE r.kind = 'client' AND (c."clientId" = ANY (ids) OR ids IS NULL) AND r.epoch IS NULL AND r.token_epoch = c."tokenEpoch");
  END IF;
  IF ids IS NULL THEN
    -- Every token is of a client. The cookie of a session is not, nor what outlives the epochs.
    DELETE FROM revocations WHERE kind IN ('jti', 'family') AND epoch <= newest AND value !~ '^[0-9a-f]{64}$'
      AND expires_at <= (SELECT min(expires_at) FROM revocations WHERE id = ANY (cuts));
    GET DIAGNOSTICS dropped = ROW_COUNT;
  ELSE
    -- The epoch must live as long as the longest of the rows that it replaces.
    WITH gone AS (
      DELETE FROM revocations r USING revocations cut
      WHERE cut.id = ANY (cuts) AND r.epoch <= newest AND CASE of_kind
        WHEN 'user' THEN r.kind IN ('jti', 'sid', 'family') AND r.user_id = cut.value
        ELSE r.kind IN ('jti', 'family') AND r.user_id IS NULL AND r.client_id = cut.value END
      RETURNING cut.id AS cut_id, r.expires_at
    ), extended AS (
      UPDATE revocations cut SET expires_at = longest.expires_at
      FROM (SELECT cut_id, max(expires_at) AS expires_at FROM gone GROUP BY cut_id) longest
      WHERE cut.id = longest.cut_id AND cut.expires_at < longest.expires_at
    )
    SELECT count(*) INTO dropped FROM gone;
  END IF;
END $$;
COMMENT ON FUNCTION collapse_revocations(text, text[]) IS 'api: EXECUTE; app: EXECUTE';

-- ==== identity =============================================================================================================
-- Users, their credentials and sessions, and what ends them. Functions here name tables of later parts: none runs before all
-- are there.

-- Better Auth's tables under the names of the requirements, plus what our tokens need of a user.
CREATE TABLE users (
  id                  text PRIMARY KEY,
  -- ASCII alone: another alphabet has letters that fold into these.
  email               text NOT NULL UNIQUE CONSTRAINT users_email_ascii CHECK (octet_length(email) = char_length(email)),
  "emailVerified"     timestamptz(3),
  name                text,
  image               text,
  "createdAt"         timestamptz(3) NOT NULL DEFAULT now(),
  "updatedAt"         timestamptz(3) NOT NULL DEFAULT now(),
  "tokenEpoch"        integer NOT NULL DEFAULT 0,
  -- Copy of user_roles, kept by trigger, so that the refresh statement reads one row.
  roles               text[] NOT NULL DEFAULT '{}',
  "disabledAt"        timestamptz(3),
  -- Both set by triggers.
  "passwordChangedAt" timestamptz(3),
  "lastLoginAt"       timestamptz(3),
  -- The cookie of a browser that signed in before this is not accepted. Set when an attacker may hold one.
  "devicesSince"      timestamptz(3),
  "twoFactorEnabled"  boolean NOT NULL DEFAULT false,
  -- An import could not bring the second factor of this user, who enrols one before the first session.
  "owesFactor"        boolean NOT NULL DEFAULT false
);
-- Lists of the admin API, newest first, and their filters.
CREATE INDEX users_created_at ON users ("createdAt", id);
CREATE INDEX users_disabled ON users ("createdAt", id) WHERE ("disabledAt" IS NOT NULL);
CREATE INDEX users_email_prefix ON users (email COLLATE "C");
COMMENT ON TABLE users IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, UPDATE ("updatedAt"); worker: SELECT, INSERT, UPDATE (email, "emailVerified", name, image, "updatedAt", "tokenEpoch", "disabledAt", "passwordChangedAt", "lastLoginAt", "devicesSince", "twoFactorEnabled", "owesFactor"), DELETE';

CREATE TABLE sessions (
  id          text PRIMARY KEY,
  "userId"    text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  "expiresAt" timestamptz(3) NOT NULL,
  token       text NOT NULL UNIQUE,
  "createdAt" timestamptz(3) NOT NULL DEFAULT now(),
  "updatedAt" timestamptz(3) NOT NULL DEFAULT now(),
  "ipAddress" text,
  "userAgent" text,
  -- Methods (RFC 8176) and assurance of the login; its token families repeat them.
  amr         text[] NOT NULL DEFAULT '{}',
  acr         text NOT NULL DEFAULT 'aal1',
  -- By the clock here. "createdAt" is of the copy that opened it, whose clock may be seconds behind, or of an older login.
  "writtenAt" timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Null: at "createdAt".
  "authenticatedAt" timestamptz(3)
);
CREATE INDEX sessions_user_id ON sessions ("userId");
CREATE INDEX sessions_expires_at ON sessions ("expiresAt");
CREATE INDEX sessions_created_at ON sessions ("createdAt", id);
COMMENT ON TABLE sessions IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, INSERT, UPDATE ("updatedAt"), DELETE';

CREATE TABLE accounts (
  id                      text PRIMARY KEY,
  "accountId"             text NOT NULL,
  "providerId"            text NOT NULL,
  "userId"                text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  "accessToken"           text,
  "refreshToken"          text,
  "idToken"               text,
  "accessTokenExpiresAt"  timestamptz(3),
  "refreshTokenExpiresAt" timestamptz(3),
  scope                   text,
  password                text,
  "createdAt"             timestamptz(3) NOT NULL DEFAULT now(),
  "updatedAt"             timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE ("providerId", "accountId")
);
CREATE INDEX accounts_user_id ON accounts ("userId");
-- Whether a digest still names a key. It has entries only until these users sign in.
CREATE INDEX accounts_imported_hash_key ON accounts (id) WHERE (password LIKE '$fbscrypt$%');
COMMENT ON TABLE accounts IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (password, "createdAt", "updatedAt"), DELETE';

CREATE TABLE verifications (
  id          text PRIMARY KEY,
  identifier  text NOT NULL,
  value       text NOT NULL,
  "expiresAt" timestamptz(3) NOT NULL,
  "createdAt" timestamptz(3) NOT NULL DEFAULT now(),
  "updatedAt" timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX verifications_identifier ON verifications (identifier);
CREATE INDEX verifications_expires_at ON verifications ("expiresAt");
COMMENT ON TABLE verifications IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE ("updatedAt"), DELETE';

-- A session never comes or goes without its audit row; ending one ends its families and its access tokens.
CREATE FUNCTION session_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE users SET "lastLoginAt" = now() WHERE id = NEW."userId";
  PERFORM audit_record('session.created', 'ok', 'session', NEW.id, jsonb_build_object('user_id', NEW."userId"));
  RETURN NULL;
END $$;
CREATE TRIGGER sessions_created AFTER INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION session_created();

-- Ends the families of the session, and queues the logout tokens in the same transaction, whatever ended it. A session whose
-- time ran out so long ago that no token of it can live has ended by itself: its row goes in silence.
CREATE FUNCTION session_ended() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE why text := coalesce(audit_context('reason'), 'session_deleted');
BEGIN
  IF OLD."expiresAt" < clock_timestamp() - (SELECT make_interval(secs => revocation_keep_seconds) FROM token_lifetimes)
    AND NOT EXISTS (SELECT FROM refresh_families WHERE sid = OLD.id AND revoked_at IS NULL AND expires_at > clock_timestamp())
  THEN
    RETURN NULL;
  END IF;
  PERFORM families_end_by_session(OLD.id, why);
  INSERT INTO revocations (kind, value, reason, user_id, expires_at)
  VALUES ('sid', OLD.id, why, OLD."userId", revocation_keep_until());
  PERFORM audit_record('session.ended', 'ok', 'session', OLD.id, jsonb_build_object('user_id', OLD."userId", 'reason', why));
  INSERT INTO logout_tokens (client_id, unvetted, user_id, session_id, traceparent)
  SELECT DISTINCT clients."clientId", clients.origin <> 'admin', OLD."userId", OLD.id, audit_context('traceparent')
  FROM refresh_families families JOIN oauth_clients clients ON clients."clientId" = families.client_id
  WHERE families.sid = OLD.id AND families.client_bound AND clients.backchannel_logout_uri IS NOT NULL
    AND 'openid' = ANY (string_to_array(families.scope, ' '));
  RETURN NULL;
END $$;
CREATE TRIGGER sessions_ended AFTER DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION session_ended();

CREATE FUNCTION user_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO user_roles (user_id, role) VALUES (NEW.id, 'user');
  PERFORM audit_record('user.created', 'ok', 'user', NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER users_created AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION user_created();

-- Lock order everywhere: user, sessions by id, families by id. Ending sessions one by one would take families out of
-- order, and taking families first would meet a sign-out, which holds its session.
CREATE FUNCTION user_sessions_lock(subject text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM sessions WHERE "userId" = subject ORDER BY id FOR UPDATE;
END $$;

-- Ends every login of a user. Locks in the order of user_sessions_lock: user, sessions, families.
CREATE FUNCTION user_every_login_end(subject text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM users WHERE id = subject FOR NO KEY UPDATE;
  PERFORM user_sessions_lock(subject);
  UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = subject;
  DELETE FROM sessions WHERE "userId" = subject;
END $$;

-- A higher epoch ends every family of the user and refuses every token born before it.
CREATE FUNCTION user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE why text := coalesce(audit_context('reason'), 'user_changed');
BEGIN
  IF NEW."disabledAt" IS NOT NULL AND OLD."disabledAt" IS NULL AND NEW."tokenEpoch" = OLD."tokenEpoch" THEN
    PERFORM user_sessions_lock(NEW.id);
    UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = NEW.id;
    DELETE FROM sessions WHERE "userId" = NEW.id;
    PERFORM audit_record('user.disabled', 'ok', 'user', NEW.id, jsonb_build_object('reason', why));
  END IF;
  IF NEW."tokenEpoch" > OLD."tokenEpoch" THEN
    PERFORM families_end_by_user(NEW.id, why);
    INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
    VALUES ('user', NEW.id, NEW."tokenEpoch", why, revocation_keep_until());
    PERFORM audit_record('user.tokens_revoked', 'ok', 'user', NEW.id, jsonb_build_object('reason', why, 'token_epoch', NEW."tokenEpoch"));
  END IF;
  IF NEW.email IS DISTINCT FROM OLD.email THEN
    PERFORM audit_record('user.email_changed', 'ok', 'user', NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER users_changed AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION user_changed();

CREATE FUNCTION user_enabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_record('user.enabled', 'ok', 'user', NEW.id, audit_reason());
  RETURN NULL;
END $$;
CREATE TRIGGER users_enabled AFTER UPDATE ON users FOR EACH ROW
  WHEN (OLD."disabledAt" IS NOT NULL AND NEW."disabledAt" IS NULL) EXECUTE FUNCTION user_enabled();

-- Before the row goes: the cascade then finds everything locked in order.
CREATE FUNCTION user_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM user_sessions_lock(OLD.id);
  PERFORM families_end_by_user(OLD.id, 'user_deleted');
  INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
  VALUES ('user', OLD.id, OLD."tokenEpoch" + 1, 'user_deleted', revocation_keep_until());
  PERFORM audit_record('user.deleted', 'ok', 'user', OLD.id, audit_reason());
  RETURN OLD;
END $$;
CREATE TRIGGER users_deleted BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION user_deleted();

-- A changed password ends what was opened with the one before, whichever statement changes it. The same password under a
-- stronger hash is no change: account_password_upgrade says so for its one row.
CREATE FUNCTION account_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE event text; target text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    event := 'account.linked'; target := NEW."userId";
    IF NEW.password IS NOT NULL THEN UPDATE users SET "passwordChangedAt" = now() WHERE id = target; END IF;
  ELSIF TG_OP = 'DELETE' THEN event := 'account.unlinked'; target := OLD."userId";
  ELSIF NEW.password IS DISTINCT FROM OLD.password THEN
    IF coalesce(current_setting('sallyport.password_upgrade', true), '') = NEW.id THEN RETURN NULL; END IF;
    event := 'account.password_changed'; target := NEW."userId";
    PERFORM user_every_login_end(target);
    UPDATE users SET "passwordChangedAt" = now() WHERE id = target;
  ELSE RETURN NULL;
  END IF;
  PERFORM audit_record(event, 'ok', 'user', target, jsonb_build_object('provider', CASE WHEN TG_OP = 'DELETE' THEN OLD."providerId" ELSE NEW."providerId" END));
  RETURN NULL;
END $$;
CREATE TRIGGER accounts_changed AFTER INSERT OR UPDATE OR DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION account_changed();

-- Dated at commit: a link that a sign-in makes is then no older than the event of that sign-in, which is written after it.
CREATE FUNCTION account_dated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts SET "createdAt" = clock_timestamp() WHERE id = NEW.id;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER accounts_dated AFTER INSERT ON accounts DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW."providerId" <> 'credential') EXECUTE FUNCTION account_dated();

-- Puts another digest of the same, just proved password in place. False when the password is another one by now.
CREATE FUNCTION account_password_upgrade(subject text, proven text, upgraded text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE account text;
BEGIN
  SELECT id INTO account FROM accounts
  WHERE "userId" = subject AND "providerId" = 'credential' AND password = proven FOR NO KEY UPDATE;
  IF account IS NULL THEN RETURN false; END IF;
  PERFORM set_config('sallyport.password_upgrade', account, true);
  UPDATE accounts SET password = upgraded, "updatedAt" = now() WHERE id = account;
  PERFORM set_config('sallyport.password_upgrade', '', true);
  RETURN true;
END $$;

-- Codes that verify an address, once. Only the hash is here: a reader of this table can redeem nothing.
CREATE TABLE one_time_codes (
  id         uuid PRIMARY KEY,
  purpose    text NOT NULL CHECK (purpose ~ '^[a-z_]{1,40}$'),
  hash       bytea NOT NULL CHECK (length(hash) = 32),
  -- Null: a sign-up whose account begins with the proof.
  user_id    text REFERENCES users (id) ON DELETE CASCADE,
  -- Of that user when it was asked for: what ends every login ends the code.
  user_epoch integer,
  -- The address it was sent to, and proves.
  email      text NOT NULL,
  -- What takes effect with the proof (the name of a sign-up), under the key-encryption key.
  sealed     text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  -- Codes of mails that a reader can type: the hash of the short code is sealed with what the code carries, and wrong
  -- attempts are counted, so that it cannot be guessed.
  typed_tries smallint NOT NULL DEFAULT 0,
  UNIQUE (purpose, hash),
  CHECK ((user_id IS NULL) = (user_epoch IS NULL))
);
CREATE INDEX one_time_codes_user_id ON one_time_codes (user_id);
CREATE INDEX one_time_codes_email ON one_time_codes (email, purpose);
CREATE INDEX one_time_codes_expires_at ON one_time_codes (expires_at);
COMMENT ON TABLE one_time_codes IS 'api: SELECT, UPDATE (sealed, typed_tries), DELETE; worker: SELECT, INSERT, UPDATE (hash, user_epoch, sealed, expires_at, typed_tries), DELETE';

-- Accounts that an administrator made for others, until the address is verified. The roles take effect with the invitation
-- alone: a later owner of the address, who verifies it by other means, gets none of them.
CREATE TABLE invitations (
  -- Of the mail that carries it; a later one takes the place of the one before.
  id         uuid PRIMARY KEY,
  user_id    text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  roles      text[] NOT NULL DEFAULT '{}',
  -- Null: the account has its password, and its roles, already.
  expires_at timestamptz
);
CREATE INDEX invitations_user_id ON invitations (user_id);
CREATE INDEX invitations_expires_at ON invitations (expires_at);
COMMENT ON TABLE invitations IS 'api: SELECT, INSERT, DELETE; worker: SELECT, UPDATE (expires_at), DELETE';

-- Mails that were asked for, in the transaction that gives cause to them. Recipient and content are sealed; what a
-- mail says, codes included, is made when it is sent.
CREATE TABLE mail_outbox (
  id              uuid PRIMARY KEY,
  template        text NOT NULL CHECK (template ~ '^[a-z_]{1,40}$'),
  sealed          text NOT NULL,
  traceparent     text,
  attempts        smallint NOT NULL DEFAULT 0,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Null: given up, and kept a while for operators.
  next_attempt_at timestamptz DEFAULT clock_timestamp(),
  failure         text
);
CREATE INDEX mail_outbox_due ON mail_outbox (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX mail_outbox_created_at ON mail_outbox (created_at);
COMMENT ON TABLE mail_outbox IS 'api: SELECT, INSERT, UPDATE (sealed); worker: SELECT, INSERT, UPDATE (sealed, attempts, next_attempt_at, failure), DELETE';

-- Wrong passwords, counted for every name that was tried whether or not an account has it; keys are keyed hashes.
-- `account:…` of a login name, `device:…` of one known browser, `network:…` of an address prefix.
CREATE TABLE login_failures (
  key             text PRIMARY KEY,
  failures        integer NOT NULL DEFAULT 0,            -- consecutive: only a success, or somebody who unlocks, ends them
  recent          integer NOT NULL DEFAULT 0,            -- within the window, towards the next lock
  window_began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  locks           integer NOT NULL DEFAULT 0,            -- so far; each is longer than the one before
  locked_until    timestamptz,
  last_failed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Of a network within the window: whose passwords were tried, up to 64 of them, and how many were right.
  tried           text[] NOT NULL DEFAULT '{}',
  successes       integer NOT NULL DEFAULT 0,
  -- Whose account or device it is; its counter lasts as long as the account. Null: of an unknown name, of a network.
  user_id         text REFERENCES users (id) ON DELETE CASCADE,
  -- Of an account that the act `step_up` of an incident has closed: what wrong passwords alone cannot bring about.
  stepped_up      boolean NOT NULL DEFAULT false
) WITH (fillfactor = 80);
CREATE INDEX login_failures_user_id ON login_failures (user_id) WHERE user_id IS NOT NULL;
-- What clean-up removes lies among what stays.
CREATE INDEX login_failures_networks ON login_failures (last_failed_at) WHERE key LIKE 'network:%';
CREATE INDEX login_failures_devices ON login_failures (last_failed_at) WHERE key LIKE 'device:%';
CREATE INDEX login_failures_names ON login_failures (last_failed_at) WHERE key LIKE 'account:%' AND user_id IS NULL;
COMMENT ON TABLE login_failures IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (failures, recent, window_began_at, locks, locked_until, last_failed_at, tried, successes, user_id, stepped_up), DELETE';

-- Counts one failure on each key and returns what it met. A failure at the same time waits for the row and finds the count of
-- the one before. Failures during a lock count and do not lengthen it. Keys are locked in order, as by every writer of several,
-- and after the user, who is not deleted meanwhile.
CREATE FUNCTION login_failures_count(
  keys text[], who text, subject text, window_seconds float8, to_lock integer, network_to_lock integer,
  first_lock_seconds float8, longest_lock_seconds float8)
RETURNS TABLE (counter text, total integer, was_locked boolean, began_lock boolean, locked_seconds integer)
LANGUAGE plpgsql AS $$
DECLARE f login_failures; moment timestamptz; is_network boolean; lock_seconds float8; owner text;
BEGIN
  SELECT id INTO owner FROM users WHERE id = subject FOR KEY SHARE;
  FOREACH counter IN ARRAY ARRAY(SELECT k FROM unnest(keys) k ORDER BY k COLLATE "C") LOOP
    is_network := counter LIKE 'network:%';
    INSERT INTO login_failures AS l (key, failures, user_id) VALUES (counter, 1, CASE WHEN NOT is_network THEN owner END)
      ON CONFLICT (key) DO UPDATE SET failures = l.failures + 1, user_id = coalesce(excluded.user_id, l.user_id)
      RETURNING * INTO f;
    moment := clock_timestamp();
    was_locked := coalesce(f.locked_until > moment, false);
    IF f.window_began_at <= moment - make_interval(secs => window_seconds) THEN
      f.window_began_at := moment; f.recent := 0; f.tried := '{}'; f.successes := 0;
    END IF;
    f.recent := f.recent + (NOT was_locked)::integer;
    began_lock := NOT was_locked AND f.recent >= CASE WHEN is_network THEN network_to_lock ELSE to_lock END;
    IF began_lock THEN
      lock_seconds := least(longest_lock_seconds, first_lock_seconds * 2 ^ least(f.locks, 20));
      f.locked_until := moment + make_interval(secs => lock_seconds);
      f.locks := f.locks + 1;
      f.recent := 0;
    END IF;
    IF is_network AND NOT who = ANY (f.tried) AND cardinality(f.tried) < 64 THEN f.tried := f.tried || who; END IF;
    UPDATE login_failures SET recent = f.recent, window_began_at = f.window_began_at, locks = f.locks,
      locked_until = f.locked_until, last_failed_at = moment, tried = f.tried, successes = f.successes WHERE key = counter;
    total := f.failures;
    locked_seconds := greatest(0, ceil(extract(epoch FROM coalesce(f.locked_until, moment) - moment)));
    RETURN NEXT;
  END LOOP;
END $$;

-- What a right password does: nothing, and says so, while one of `judged` is locked or has failed `ever` times running;
-- else the counters of account and device go and those of networks note it.
CREATE FUNCTION login_failures_forgive(keys text[], judged text[], ever integer, window_seconds float8)
RETURNS TABLE (is_refused boolean, locked_seconds integer, tried_names integer) LANGUAGE plpgsql AS $$
-- Only what is held: a row that came while this waited for a later one is locked by somebody who waits for us.
DECLARE held text[] := ARRAY(SELECT key FROM login_failures WHERE key = ANY (keys) ORDER BY key COLLATE "C" FOR UPDATE);
BEGIN
  SELECT coalesce(bool_or(l.locked_until > clock_timestamp() OR l.failures >= ever AND l.key NOT LIKE 'network:%'), false),
    coalesce(max(ceil(extract(epoch FROM l.locked_until - clock_timestamp()))), 0) INTO is_refused, locked_seconds
  FROM login_failures l WHERE l.key = ANY (judged);
  -- Of the network within its window: whoever gets in from where many names are tried is looked at.
  SELECT coalesce(max(cardinality(l.tried)), 0) INTO tried_names FROM login_failures l
  WHERE l.key = ANY (keys) AND l.key LIKE 'network:%' AND l.window_began_at > clock_timestamp() - make_interval(secs => window_seconds);
  IF NOT is_refused THEN
    DELETE FROM login_failures WHERE key = ANY (held) AND key NOT LIKE 'network:%';
    UPDATE login_failures SET successes = successes + 1 WHERE key = ANY (held) AND key LIKE 'network:%';
  END IF;
  RETURN NEXT;
END $$;

-- Second factors: the tables of Better Auth's plugins, and the step between two factors.
CREATE TABLE two_factors (
  id                        text PRIMARY KEY,
  "userId"                  text NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
  -- Encrypted by the plugin, both.
  secret                    text NOT NULL,
  "backupCodes"             text NOT NULL,
  -- False until a code of the authenticator was shown; the recovery codes count beside any factor.
  verified                  boolean NOT NULL DEFAULT false,
  "failedVerificationCount" integer NOT NULL DEFAULT 0,
  "lockedUntil"             timestamptz(3),
  -- The newest 30-second step whose code was accepted: no code counts twice (RFC 6238 §5.2).
  "lastUsedStep"            integer NOT NULL DEFAULT 0,
  "codesLeft"               smallint NOT NULL DEFAULT 10,
  "createdAt"               timestamptz(3) NOT NULL DEFAULT now(),
  -- Both set by a trigger; the row may be older than either.
  "verifiedAt"              timestamptz(3),
  "codesMadeAt"             timestamptz(3) NOT NULL DEFAULT now()
);
COMMENT ON TABLE two_factors IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, INSERT';

CREATE TABLE passkeys (
  id             text PRIMARY KEY,
  "userId"       text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name           text,
  "publicKey"    text NOT NULL,
  "credentialID" text NOT NULL UNIQUE,
  -- Of 32 bits without a sign (WebAuthn §6.1): beyond an integer.
  counter        double precision NOT NULL,
  "deviceType"   text NOT NULL,
  "backedUp"     boolean NOT NULL,
  transports     text,
  aaguid         text,
  "createdAt"    timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX passkeys_user_id ON passkeys ("userId");
COMMENT ON TABLE passkeys IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, INSERT';

-- Between the password and the second factor. Only its hash is kept; it counts as long as nothing of the user changed.
CREATE TABLE login_challenges (
  hash       bytea PRIMARY KEY CHECK (length(hash) = 32),
  user_id    text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  user_epoch integer NOT NULL,
  amr        text NOT NULL,
  attempts   smallint NOT NULL DEFAULT 0,
  expires_at timestamptz NOT NULL,
  -- The session of an old provider that asked for the second factor: the session that the answer opens continues it.
  legacy_session bytea
);
CREATE INDEX login_challenges_user_id ON login_challenges (user_id);
CREATE INDEX login_challenges_expires_at ON login_challenges (expires_at);
COMMENT ON TABLE login_challenges IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE (expires_at), DELETE';

CREATE FUNCTION user_factors(subject text) RETURNS integer LANGUAGE sql STABLE AS $$
  SELECT (SELECT count(*)::int FROM two_factors WHERE "userId" = subject AND verified)
    + (SELECT count(*)::int FROM passkeys WHERE "userId" = subject)
$$;

-- What was open before the first factor, or with one that is gone, ends. A user with a factor owes none.
CREATE FUNCTION factor_enrolled(subject text, factor text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_record('factor.enrolled', 'ok', 'user', subject, jsonb_build_object('factor', factor));
  UPDATE users SET "owesFactor" = false WHERE id = subject AND "owesFactor";
  IF user_factors(subject) = 1 THEN PERFORM user_every_login_end(subject); END IF;
END $$;

-- Of a user who is being deleted everything has ended already.
CREATE FUNCTION factor_removed(subject text, factor text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_record('factor.removed', 'ok', 'user', subject, jsonb_build_object('factor', factor));
  IF EXISTS (SELECT FROM users WHERE id = subject) THEN PERFORM user_every_login_end(subject); END IF;
END $$;

-- The plugin writes new codes without counting them; using one is the only change that counts down.
CREATE FUNCTION two_factor_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW."backupCodes" <> OLD."backupCodes" AND NEW."codesLeft" = OLD."codesLeft" THEN
    NEW."codesLeft" := 10;
    NEW."codesMadeAt" := clock_timestamp();
  END IF;
  IF NEW.verified AND NOT OLD.verified THEN NEW."verifiedAt" := clock_timestamp(); END IF;
  -- Another secret has shown no code yet.
  IF NEW.secret <> OLD.secret THEN NEW."lastUsedStep" := 0; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER two_factors_counts BEFORE UPDATE ON two_factors FOR EACH ROW EXECUTE FUNCTION two_factor_counts();

CREATE FUNCTION two_factor_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE subject text := CASE WHEN TG_OP = 'DELETE' THEN OLD."userId" ELSE NEW."userId" END;
  is_enabled boolean := TG_OP <> 'DELETE' AND NEW.verified;
BEGIN
  -- Better Auth's flag on the user says what this row says, whichever statement changes it.
  UPDATE users SET "twoFactorEnabled" = is_enabled WHERE id = subject AND "twoFactorEnabled" <> is_enabled;
  IF TG_OP = 'DELETE' THEN
    IF OLD.verified THEN PERFORM factor_removed(OLD."userId", 'totp'); END IF;
    RETURN NULL;
  END IF;
  IF TG_OP = 'INSERT' THEN
    PERFORM audit_record('recovery_codes.made', 'ok', 'user', NEW."userId");
    IF NEW.verified THEN PERFORM factor_enrolled(NEW."userId", 'totp'); END IF;
    RETURN NULL;
  END IF;
  IF NEW."backupCodes" <> OLD."backupCodes" THEN
    IF NEW."codesLeft" = OLD."codesLeft" - 1 THEN
      PERFORM audit_record('recovery_code.used', 'ok', 'user', NEW."userId", jsonb_build_object('left', NEW."codesLeft"));
    ELSE
      PERFORM audit_record('recovery_codes.made', 'ok', 'user', NEW."userId");
    END IF;
  ELSIF NEW."codesLeft" = 0 AND OLD."codesLeft" > 0 THEN
    PERFORM audit_record('recovery_codes.voided', 'ok', 'user', NEW."userId",
      jsonb_build_object('left', OLD."codesLeft") || audit_reason());
  END IF;
  IF NEW.verified AND NOT OLD.verified THEN PERFORM factor_enrolled(NEW."userId", 'totp'); END IF;
  IF OLD.verified AND NOT NEW.verified THEN PERFORM factor_removed(NEW."userId", 'totp'); END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER two_factors_changed AFTER INSERT OR UPDATE OR DELETE ON two_factors
  FOR EACH ROW EXECUTE FUNCTION two_factor_changed();

CREATE FUNCTION passkey_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN PERFORM factor_enrolled(NEW."userId", 'passkey');
  ELSE PERFORM factor_removed(OLD."userId", 'passkey');
  END IF;
  RETURN NULL;
END $$;

-- The time of the database: the writer has the clock of its copy.
CREATE FUNCTION passkey_dated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."createdAt" := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER passkeys_dated BEFORE INSERT ON passkeys FOR EACH ROW EXECUTE FUNCTION passkey_dated();
CREATE TRIGGER passkeys_changed AFTER INSERT OR DELETE ON passkeys FOR EACH ROW EXECUTE FUNCTION passkey_changed();

-- One attempt to sign in by another provider, between the way there and the way back. What it proves with the provider
-- (PKCE verifier, nonce) is derived from the state and the browser's own secret: neither is here.
CREATE TABLE social_sign_ins (
  state_hash   bytea PRIMARY KEY CHECK (octet_length(state_hash) = 32),
  browser_hash bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
  provider     text NOT NULL,
  callback_url text,
  -- The user who links an account; null for a sign-in.
  link_user_id text REFERENCES users (id) ON DELETE CASCADE,
  expires_at   timestamptz(6) NOT NULL
);
CREATE INDEX social_sign_ins_expires_at ON social_sign_ins (expires_at);
CREATE INDEX social_sign_ins_link_user_id ON social_sign_ins (link_user_id);
COMMENT ON TABLE social_sign_ins IS 'api: SELECT, INSERT, DELETE; worker: SELECT, UPDATE (expires_at), DELETE';

-- A consent from before the address was verified may be that of another person.
CREATE FUNCTION user_consents_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM oauth_consents WHERE user_id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER users_consents_end AFTER UPDATE OF "emailVerified" ON users FOR EACH ROW
  WHEN (OLD."emailVerified" IS NULL AND NEW."emailVerified" IS NOT NULL) EXECUTE FUNCTION user_consents_end();

-- Rows are locked here, in id order, and counted at commit: the holder of the counter waits for no key. Copies know
-- state and rights of a client already.
CREATE FUNCTION api_keys_owner_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM api_keys WHERE user_id = NEW.id AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  UPDATE api_keys SET owner_changed_at = clock_timestamp() WHERE user_id = NEW.id AND revoked_at IS NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER users_api_keys AFTER UPDATE ON users FOR EACH ROW
  WHEN (OLD.roles <> NEW.roles OR OLD."tokenEpoch" <> NEW."tokenEpoch" OR OLD."disabledAt" IS DISTINCT FROM NEW."disabledAt")
  EXECUTE FUNCTION api_keys_owner_changed();

-- A disabled owner's agents are killed; after the owner lost a permission, agent_client_kept takes it from the agents.
-- Every loss of a permission raises the epoch. Clients are locked after their owner, in id order.
CREATE FUNCTION agents_follow_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW."disabledAt" IS NOT NULL THEN
    UPDATE agents SET killed_at = clock_timestamp() WHERE client_id IN (
      SELECT client_id FROM agents WHERE owner_id = NEW.id AND killed_at IS NULL ORDER BY client_id FOR UPDATE);
  ELSE
    UPDATE oauth_clients SET scopes = scopes WHERE "clientId" IN (
      SELECT "clientId" FROM oauth_clients JOIN agents ON client_id = "clientId"
      WHERE owner_id = NEW.id AND killed_at IS NULL ORDER BY "clientId" FOR UPDATE OF oauth_clients);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER users_agents AFTER UPDATE ON users FOR EACH ROW
  WHEN (NEW."tokenEpoch" > OLD."tokenEpoch" OR NEW."disabledAt" IS NOT NULL AND OLD."disabledAt" IS NULL)
  EXECUTE FUNCTION agents_follow_owner();

-- Writes the audit row, and refuses the former cookie on every copy, as other revocations: a cached session may still have
-- it. No token has its hash as jti. No token family outlives its session, which two factors shorten.
CREATE FUNCTION session_renewed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE users SET "lastLoginAt" = now() WHERE id = NEW."userId";
  IF NEW.token <> OLD.token THEN
    INSERT INTO revocations (kind, value, reason, user_id, expires_at)
    VALUES ('jti', encode(sha256(convert_to(OLD.token, 'UTF8')), 'hex'), 'session_renewed', NEW."userId", revocation_keep_until());
  END IF;
  PERFORM 1 FROM refresh_families WHERE sid = NEW.id AND revoked_at IS NULL AND expires_at > NEW."expiresAt"
    ORDER BY id FOR NO KEY UPDATE;
  UPDATE refresh_families SET expires_at = NEW."expiresAt"
  WHERE sid = NEW.id AND revoked_at IS NULL AND expires_at > NEW."expiresAt";
  PERFORM audit_record('session.renewed', 'ok', 'session', NEW.id, jsonb_build_object('user_id', NEW."userId",
    'reason', coalesce(audit_context('reason'), 'session_renewed')));
  RETURN NULL;
END $$;
CREATE TRIGGER sessions_renewed AFTER UPDATE OF token ON sessions FOR EACH ROW EXECUTE FUNCTION session_renewed();

-- Keys that imported password digests name, such as the signer key of a Firebase project, sealed under the key-encryption
-- key. The id is derived from the key.
CREATE TABLE imported_hash_keys (
  id         text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_-]{22}$'),
  sealed     text NOT NULL CHECK (sealed <> '' AND length(sealed) <= 4096),
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE imported_hash_keys IS 'api: SELECT, UPDATE (sealed); worker: SELECT, INSERT, UPDATE (sealed, created_at), DELETE';

-- A session that ended here ends what it came from. One that expired does not: its user may still be signed in there.
CREATE FUNCTION session_ended_legacy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE legacy_sessions SET ended_at = clock_timestamp(), touched_at = clock_timestamp()
  WHERE session_id = OLD.id AND ended_at IS NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER sessions_ended_legacy AFTER DELETE ON sessions FOR EACH ROW
  WHEN (OLD."expiresAt" > now()) EXECUTE FUNCTION session_ended_legacy();

CREATE FUNCTION user_ended_legacy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO legacy_user_ends (user_id, ended_at)
  SELECT NEW.id, clock_timestamp() WHERE EXISTS (SELECT FROM legacy_users WHERE user_id = NEW.id)
  ON CONFLICT (user_id) DO UPDATE SET ended_at = excluded.ended_at;
  RETURN NULL;
END $$;
CREATE TRIGGER users_ended_legacy AFTER UPDATE ON users FOR EACH ROW
  WHEN (NEW."tokenEpoch" > OLD."tokenEpoch") EXECUTE FUNCTION user_ended_legacy();

-- A session with one factor belongs to a user who has no second one and owes none.
CREATE FUNCTION user_owes_factor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM user_every_login_end(NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER users_owe_factor AFTER UPDATE ON users FOR EACH ROW
  WHEN (NEW."owesFactor" AND NOT OLD."owesFactor") EXECUTE FUNCTION user_owes_factor();

-- No session of one factor begins for an account that has a second one or owes it, whichever statement writes it. The
-- use-case asks for the factor before (`admitSession`); this refuses what forgot to. A session that exists keeps its strength.
CREATE FUNCTION user_needs_factor(subject text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT user_factors(subject) > 0 OR EXISTS (SELECT FROM users WHERE id = subject AND "owesFactor")
$$;

CREATE FUNCTION session_factors() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.acr IS DISTINCT FROM 'aal2' AND user_needs_factor(NEW."userId") THEN
    RAISE EXCEPTION 'a session of user % would go round the second factor', NEW."userId" USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER sessions_factors BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION session_factors();

-- A process that opens no token family opens a session only for a user of the same transaction, as a compliance check does.
CREATE FUNCTION session_allowed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF is_process_role(TG_RELID) AND NOT has_table_privilege('refresh_families', 'INSERT')
    AND NOT EXISTS (SELECT FROM users WHERE id = NEW."userId" AND "createdAt" >= date_trunc('milliseconds', now())) THEN
    RAISE EXCEPTION 'this process opens no session' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER sessions_allowed BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION session_allowed();

-- A lower epoch would let tokens live again that a higher one had refused.
CREATE FUNCTION epoch_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a token epoch never falls' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER users_epoch_rises BEFORE UPDATE OF "tokenEpoch" ON users FOR EACH ROW
  WHEN (NEW."tokenEpoch" < OLD."tokenEpoch") EXECUTE FUNCTION epoch_rises();

-- ==== access ===============================================================================================================
-- Who may do what: roles, permissions, applications and OAuth clients.

CREATE TABLE applications (
  name       text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,29}$'),
  -- `aud` of the tokens that carry its permissions.
  audience   text NOT NULL UNIQUE CHECK (length(audience) BETWEEN 1 AND 512),
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE applications IS 'api: SELECT, INSERT, DELETE; mcp: SELECT; worker: SELECT';

-- Who may do what. Copies hold roles and clients in memory; `access_version` tells them when to look again.
CREATE TABLE roles (
  -- A name is part of keys, tokens and addresses: no spaces, no surprises.
  name        text PRIMARY KEY,
  description text NOT NULL,
  -- Null: a role of the installation itself.
  application text REFERENCES applications (name),
  -- The dot tells roles of applications (`notes.editor`) from roles of the installation.
  CONSTRAINT roles_name_form CHECK (
    length(name) <= 63
    AND name ~ CASE WHEN application IS NULL THEN '^[a-z][a-z0-9_-]*$' ELSE '^' || application || '\.[a-z][a-z0-9_-]*$' END)
);
CREATE INDEX roles_application ON roles (application, name);
COMMENT ON TABLE roles IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, UPDATE (description)';

CREATE TABLE permissions (
  name        text PRIMARY KEY CHECK (name ~ '^([a-z][a-z_]*:[a-z][a-z_]*|ssf\.[a-z]+)$'),
  description text NOT NULL,
  -- Null: a permission of the installation itself.
  application text REFERENCES applications (name),
  -- What a permission of an application allows as a scope, in words for the users who are asked: {"en": …, "de": …}.
  scope_words jsonb
);
CREATE INDEX permissions_application ON permissions (application, name);
COMMENT ON TABLE permissions IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT';

CREATE TABLE role_permissions (
  role       text NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
  permission text NOT NULL REFERENCES permissions (name) ON DELETE CASCADE,
  PRIMARY KEY (role, permission)
);
COMMENT ON TABLE role_permissions IS 'api: SELECT, INSERT, DELETE; mcp: SELECT; worker: SELECT';

CREATE TABLE user_roles (
  user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role    text NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
  PRIMARY KEY (user_id, role)
);
CREATE INDEX user_roles_role ON user_roles (role, user_id);
COMMENT ON TABLE user_roles IS 'api: SELECT, INSERT, DELETE; mcp: SELECT; worker: SELECT, INSERT';

-- Before the triggers: what an installation begins with is no change of it, and no event. A start adds the permissions that the
-- code declares besides.
INSERT INTO permissions (name, description) VALUES
  ('tokens:issue', 'Issue a token pair for any user'),
  ('tokens:read', 'Read token metadata, statistics and status by id'),
  ('tokens:revoke', 'Revoke any token, session, family, user or client'),
  ('tokens:introspect', 'Introspect tokens (RFC 7662)'),
  ('revocations:read', 'Read the signed revocation feed'),
  ('keys:read', 'Read the key ring'),
  ('keys:manage', 'Rotate and compromise signing keys'),
  ('audit:read', 'Read sealed security events and their proofs'),
  ('incidents:read', 'Read security incidents'),
  ('incidents:manage', 'Acknowledge and close security incidents'),
  ('users:read', 'See every account'),
  ('users:manage', 'Disable, enable and delete accounts, grant and remove roles'),
  ('users:unlock', 'Let a locked account try its password again'),
  ('sessions:read', 'See everybody''s sessions'),
  ('sessions:manage', 'End anybody''s sessions'),
  ('clients:read', 'See OAuth clients'),
  ('clients:manage', 'Make, change, disable and delete OAuth clients, and give them new secrets'),
  ('clients:register', 'Register clients without rights of their own (RFC 7591)'),
  ('api_keys:read', 'See everybody''s API keys, never their secrets'),
  ('api_keys:manage', 'Revoke anybody''s API keys'),
  ('roles:read', 'See roles and what each may do'),
  ('roles:manage', 'Make and delete roles, and set what each may do'),
  ('queues:manage', 'See queues and jobs, retry and remove jobs'),
  ('limits:bypass', 'Go past a used-up rate limit'),
  ('agents:read', 'Read agents and their status'),
  ('agents:manage', 'Register agents and kill them'),
  ('signoffs:read', 'Read sign-offs and their receipts'),
  ('signoffs:request', 'Request sign-offs, and run what was approved'),
  ('signoffs:approve', 'Approve and deny in a role that one has'),
  ('phi:read', 'Decrypt health data'),
  ('phi:manage', 'Rotate the keys of health data, and destroy those of a person'),
  ('phi:break_glass', 'Open emergency access to the health data of one person'),
  ('phi:write', 'Encrypt health data, record consents, and ask which uses are allowed'),
  ('imports:read', 'Read imports of users and their progress'),
  ('imports:write', 'Import users of other systems'),
  ('siem:manage', 'See how far the targets of the SIEM export are, and send events again'),
  ('compliance:read', 'Read compliance controls, reports and their evidence'),
  ('compliance:manage', 'Request compliance reports, attest controls and manage violations'),
  ('monitoring:read', 'Read the dashboard of security and performance, security reports and the capacity forecast'),
  ('monitoring:report', 'Request security reports'),
  ('alerts:read', 'Read alerts, their targets, silences and what was sent'),
  ('alerts:manage', 'Acknowledge and silence alerts, and say where they are sent'),
  ('alerts:receive', 'Report alerts of a monitoring system'),
  ('signals:read', 'Read transmitters of shared signals and what they sent'),
  ('signals:manage', 'Say which transmitters may end sessions here'),
  ('ssf.read', 'Read own streams of shared signals'),
  ('ssf.manage', 'Receive security events of all users by streams of shared signals'),
  ('applications:read', 'Read applications with their permissions and roles'),
  ('applications:manage', 'Declare and delete applications, and hand on their permissions');
INSERT INTO roles (name, description) VALUES
  ('user', 'Everybody with an account'),
  ('agent', 'Software that acts for people: nothing but what is its own'),
  ('auditor', 'Reads what was recorded, and changes nothing'),
  ('compliance', 'Reviews who may do what, and what was done'),
  ('operator', 'Keeps the installation running: keys, queues, sessions'),
  ('admin', 'Runs the installation'),
  ('clinician', 'Reads and writes health data'),
  ('privacy_officer', 'Manages the keys of health data and the consents to its use, and reads none of it'),
  ('developer', 'Signs off as a developer'),
  ('tech_lead', 'Signs off as a tech lead'),
  ('qa', 'Signs off as quality assurance'),
  ('security_reviewer', 'Signs off as a security reviewer'),
  ('product_owner', 'Signs off as a product owner'),
  ('architect', 'Signs off as an architect');
INSERT INTO role_permissions (role, permission) SELECT 'admin', name FROM permissions;
INSERT INTO role_permissions (role, permission) SELECT role, unnest(permissions) FROM (VALUES
  ('auditor', ARRAY[
    'audit:read', 'incidents:read', 'agents:read', 'signoffs:read', 'imports:read', 'compliance:read',
    'monitoring:read', 'monitoring:report', 'alerts:read', 'signals:read']),
  ('compliance', ARRAY[
    'audit:read', 'users:read', 'clients:read', 'api_keys:read', 'roles:read', 'compliance:read', 'compliance:manage',
    'applications:read']),
  ('operator', ARRAY[
    'tokens:read', 'revocations:read', 'keys:read', 'users:read', 'sessions:read', 'sessions:manage', 'clients:read',
    'api_keys:read', 'queues:manage', 'agents:read', 'signoffs:read', 'signoffs:request', 'imports:read',
    'siem:manage', 'monitoring:read', 'monitoring:report', 'alerts:read', 'signals:read']),
  ('clinician', '{phi:read,phi:break_glass,phi:write}'::text[]),
  ('privacy_officer', '{phi:manage,phi:write}'::text[])
) AS given (role, permissions);
INSERT INTO role_permissions (role, permission)
SELECT role, permission FROM unnest('{developer,tech_lead,qa,security_reviewer,product_owner,architect}'::text[]) role,
  unnest('{signoffs:read,signoffs:request,signoffs:approve}'::text[]) permission;

CREATE FUNCTION access_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE feed_state SET access_version = access_version + 1;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER roles_version AFTER INSERT OR UPDATE OR DELETE ON roles
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE CONSTRAINT TRIGGER role_permissions_version AFTER INSERT OR UPDATE OR DELETE ON role_permissions
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();

-- Taking a right away ends what was issued with it; adding one does not.
CREATE FUNCTION user_roles_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE subject text := CASE WHEN TG_OP = 'DELETE' THEN OLD.user_id ELSE NEW.user_id END;
BEGIN
  UPDATE users SET roles = ARRAY(SELECT role FROM user_roles WHERE user_id = subject ORDER BY role),
    "tokenEpoch" = "tokenEpoch" + (TG_OP <> 'INSERT')::int
  WHERE id = subject;
  RETURN NULL;
END $$;
CREATE TRIGGER user_roles_copied AFTER INSERT OR UPDATE OR DELETE ON user_roles FOR EACH ROW EXECUTE FUNCTION user_roles_changed();

-- The role that comes with an account is part of its making, and those that go with it of its deletion.
CREATE FUNCTION user_role_recorded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND EXISTS (SELECT FROM users WHERE id = OLD.user_id) THEN
    PERFORM audit_record('user.role_removed', 'ok', 'user', OLD.user_id, jsonb_build_object('role', OLD.role) || audit_reason());
  END IF;
  IF TG_OP = 'UPDATE' OR TG_OP = 'INSERT' AND NOT (NEW.role = 'user' AND pg_trigger_depth() > 1) THEN
    PERFORM audit_record('user.role_granted', 'ok', 'user', NEW.user_id, jsonb_build_object('role', NEW.role) || audit_reason());
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER user_roles_recorded AFTER INSERT OR UPDATE OR DELETE ON user_roles FOR EACH ROW EXECUTE FUNCTION user_role_recorded();

CREATE FUNCTION role_recorded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN PERFORM audit_record('role.created', 'ok', 'role', NEW.name, audit_reason());
  ELSE PERFORM audit_record('role.deleted', 'ok', 'role', OLD.name, audit_reason());
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER roles_recorded AFTER INSERT OR DELETE ON roles FOR EACH ROW EXECUTE FUNCTION role_recorded();

-- Ends what these users were given before. Users, then families, each in id order, as every writer of several.
CREATE FUNCTION users_rights_shrink(subjects text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM users WHERE id = ANY (subjects) ORDER BY id FOR NO KEY UPDATE;
  PERFORM 1 FROM refresh_families WHERE user_id = ANY (subjects) AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = ANY (subjects);
END $$;

CREATE FUNCTION role_holders(names text[]) RETURNS text[] LANGUAGE sql STABLE AS
$$ SELECT ARRAY(SELECT DISTINCT user_id FROM user_roles WHERE role = ANY (names)) $$;

-- Of a whole statement at once: holders of a role that loses three rights are cut off once, and one event says which.
CREATE FUNCTION role_permissions_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_record('role.changed', 'ok', 'role', role, jsonb_build_object('added', added) || audit_reason())
  FROM (SELECT role, jsonb_agg(permission ORDER BY permission) AS added FROM given GROUP BY role ORDER BY role) changed;
  RETURN NULL;
END $$;
CREATE TRIGGER role_permissions_added AFTER INSERT ON role_permissions
  REFERENCING NEW TABLE AS given FOR EACH STATEMENT EXECUTE FUNCTION role_permissions_added();

-- A role that goes says so itself.
CREATE FUNCTION role_permissions_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM users_rights_shrink(role_holders(ARRAY(SELECT role FROM taken)));
  PERFORM audit_record('role.changed', 'ok', 'role', role, jsonb_build_object('removed', removed) || audit_reason())
  FROM (SELECT role, jsonb_agg(permission ORDER BY permission) AS removed FROM taken JOIN roles ON name = role
        GROUP BY role ORDER BY role) changed;
  RETURN NULL;
END $$;
CREATE TRIGGER role_permissions_removed AFTER DELETE ON role_permissions
  REFERENCING OLD TABLE AS taken FOR EACH STATEMENT EXECUTE FUNCTION role_permissions_removed();

-- A right exchanged for another is one taken away.
CREATE FUNCTION role_permissions_exchanged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM users_rights_shrink(role_holders(ARRAY(
    SELECT role FROM (SELECT role, permission FROM taken EXCEPT SELECT role, permission FROM given) lost)));
  PERFORM audit_record('role.changed', 'ok', 'role', role, jsonb_build_object(
      'added', coalesce((SELECT jsonb_agg(permission ORDER BY permission) FROM given g WHERE g.role = changed.role), '[]'),
      'removed', coalesce((SELECT jsonb_agg(permission ORDER BY permission) FROM taken t WHERE t.role = changed.role), '[]'))
    || audit_reason())
  FROM (SELECT role FROM given UNION SELECT role FROM taken ORDER BY role) changed;
  RETURN NULL;
END $$;
CREATE TRIGGER role_permissions_exchanged AFTER UPDATE ON role_permissions
  REFERENCING OLD TABLE AS taken NEW TABLE AS given FOR EACH STATEMENT EXECUTE FUNCTION role_permissions_exchanged();

-- OAuth clients. Their settings have one name from the column to the wire: that of the API, which is that of RFC 7591 where
-- it has one.
CREATE TABLE oauth_clients (
  id                                         text PRIMARY KEY,
  "clientId"                                 text NOT NULL UNIQUE,
  secret_hash                                text,
  disabled                                   boolean DEFAULT false,
  skip_consent                               boolean NOT NULL DEFAULT false,
  scopes                                     text[] NOT NULL DEFAULT '{}',
  credential_scopes                          text[] NOT NULL DEFAULT '{}',
  "userId"                                   text REFERENCES users (id) ON DELETE SET NULL,
  "createdAt"                                timestamptz(3) DEFAULT now(),
  "updatedAt"                                timestamptz(3) DEFAULT now(),
  name                                       text,
  -- A small PNG in a data URL. A client that registered itself has none: it chose its own name.
  logo                                       text,
  redirect_uris                              text[] NOT NULL DEFAULT '{}',
  post_logout_redirect_uris                  text[] NOT NULL DEFAULT '{}',
  backchannel_logout_uri                     text,
  backchannel_logout_session_required        boolean NOT NULL DEFAULT false,
  auth_method                                text NOT NULL DEFAULT 'none',
  jwks                                       text,
  jwks_uri                                   text,
  grant_types                                text[] NOT NULL DEFAULT '{}',
  pkce                                       text NOT NULL DEFAULT 'required',
  dpop_bound_access_tokens                   boolean NOT NULL DEFAULT false,
  "tokenEpoch"                               integer NOT NULL DEFAULT 0,
  -- The audiences besides the installation that it may ask tokens for; `*`: every one.
  audiences                                  text[] NOT NULL DEFAULT '{}',
  -- RFC 9126 §6: its authorization requests come no other way.
  require_pushed_authorization_requests      boolean NOT NULL DEFAULT false,
  -- RFC 8705 §3.4: its every token is bound to a certificate.
  tls_client_certificate_bound_access_tokens boolean NOT NULL DEFAULT false,
  -- Created by an administrator, registered by itself (RFC 7591), or read from the document that its id is the address of.
  -- No administrator has looked at the latter two.
  origin                                     text NOT NULL DEFAULT 'admin' CHECK (origin IN ('admin', 'registration', 'document')),
  -- The document is read again after this.
  document_until                             timestamptz(3),
  -- Keyed hash of the address that a client registered itself from, without a credential.
  registered_from                            text,
  -- The secret before, accepted until then.
  previous_secret_hash                       text,
  previous_secret_until                      timestamptz(3),
  -- `off`: a refresh leaves the refresh token as it is (FAPI 2.0 §5.3.2.1).
  refresh_rotation                           text NOT NULL DEFAULT 'on',
  -- `fapi2`: no setting of the client contradicts the FAPI 2.0 Security Profile (§5.3.2).
  profile                                    text NOT NULL DEFAULT 'default' CHECK (profile IN ('default', 'fapi2')),
  -- The algorithms of its tokens; null: the default of the installation.
  id_token_signed_response_alg               text CONSTRAINT "oauth_clients_idTokenSignedResponseAlg_check"
    CHECK (id_token_signed_response_alg IN ('RS256', 'ES256', 'EdDSA')),
  access_token_signed_response_alg           text CONSTRAINT "oauth_clients_accessTokenSignedResponseAlg_check"
    CHECK (access_token_signed_response_alg IN ('RS256', 'ES256', 'EdDSA')),
  -- How a client is recognised by its certificate (RFC 8705 §2), instead of a secret: {"name", "value"} for tls_client_auth;
  -- {"thumbprints"}, or the address of its certificates, for self_signed_tls_client_auth.
  certificate_identity                       jsonb,
  -- Users who have set the credentials of the client: they can act as the client.
  credential_setters                         text[] NOT NULL DEFAULT '{}',
  -- RFC 7591 §2: the page of a client, which the consent page links to.
  client_uri                                 text CHECK (length(client_uri) <= 512 AND client_uri ~ '^https://[!-~]+$'),
  -- Claims about the user that an administrator set for its ID tokens (OpenID Connect Core §5.4).
  id_token_claims                            text[] NOT NULL DEFAULT '{}',
  CHECK ((origin = 'document') = (document_until IS NOT NULL)),
  CHECK ((previous_secret_hash IS NULL) = (previous_secret_until IS NULL)),
  CONSTRAINT oauth_clients_logo CHECK (
    logo IS NULL OR (origin = 'admin' AND length(logo) <= 32768 AND starts_with(logo, 'data:image/png;base64,'))),
  -- An administrator may exempt a confidential client from PKCE. A public client and pushed requests always use it (RFC
  -- 9700 §2.1.1, FAPI 2.0 §5.3.2.2).
  CONSTRAINT oauth_clients_pkce CHECK (CASE pkce
    WHEN 'required' THEN true
    WHEN 'optional' THEN origin = 'admin' AND auth_method <> 'none' AND NOT require_pushed_authorization_requests
    ELSE false END),
  -- RFC 9700 §4.14.2 allows a refresh token that stays only where a stolen one is useless: the client authenticates, and its
  -- tokens are bound to a key or certificate.
  CONSTRAINT oauth_clients_refresh_rotation CHECK (CASE refresh_rotation
    WHEN 'on' THEN true
    WHEN 'off' THEN origin = 'admin' AND auth_method <> 'none'
      AND (dpop_bound_access_tokens OR tls_client_certificate_bound_access_tokens)
    ELSE false END),
  -- RFC 7523 §3: a client that signs assertions has keys, or the address of its keys, instead of a secret.
  CONSTRAINT oauth_clients_keys CHECK (
    coalesce(auth_method, '') <> 'private_key_jwt'
    OR (num_nonnulls(jwks, jwks_uri) = 1 AND secret_hash IS NULL AND previous_secret_hash IS NULL)),
  CONSTRAINT oauth_clients_fapi2 CHECK (profile <> 'fapi2' OR (
    require_pushed_authorization_requests AND pkce = 'required' AND refresh_rotation = 'off' AND secret_hash IS NULL
    AND (dpop_bound_access_tokens OR tls_client_certificate_bound_access_tokens))),
  CONSTRAINT oauth_clients_certificate CHECK (
    CASE coalesce(auth_method, '')
      WHEN 'tls_client_auth' THEN coalesce(certificate_identity ?& ARRAY['name', 'value'], false)
        AND num_nonnulls(secret_hash, previous_secret_hash, jwks, jwks_uri) = 0
      WHEN 'self_signed_tls_client_auth' THEN num_nonnulls(certificate_identity, jwks_uri) = 1
        AND coalesce(certificate_identity ? 'thumbprints', true)
        AND num_nonnulls(secret_hash, previous_secret_hash, jwks) = 0
      ELSE certificate_identity IS NULL
    END),
  CONSTRAINT oauth_clients_id_token_claims
    CHECK (id_token_claims <@ ARRAY['email', 'email_verified', 'name', 'picture', 'updated_at'])
);
CREATE INDEX oauth_clients_user_id ON oauth_clients ("userId");
-- For their number, and for removing those that are not used.
CREATE INDEX oauth_clients_unvetted ON oauth_clients ("updatedAt") WHERE origin <> 'admin';
CREATE INDEX oauth_clients_registered_from ON oauth_clients (registered_from);
COMMENT ON TABLE oauth_clients IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, UPDATE (disabled, scopes, "tokenEpoch"), DELETE';

-- Before the triggers: what an installation begins with is no change of it, and no event. The pages and apps of the
-- installation have a public client that may use nothing but refresh. The client of the admin console has no secret: only the
-- API itself acts as it. Each copy adds its redirect URI, which follows from the public address, and the permissions of the
-- installation as scopes.
INSERT INTO oauth_clients (id, "clientId", name, auth_method, grant_types, scopes, audiences, dpop_bound_access_tokens, skip_consent) VALUES
  ('sallyport', 'sallyport', 'Sallyport first party', 'none',
    '{refresh_token}', '{openid,profile,email,offline_access}', '{*}', false, false),
  ('sallyport-console', 'sallyport-console', 'Sallyport console', 'client_secret_basic',
    '{authorization_code,refresh_token}', '{profile,email}', '{}', true, true);

-- A document that is unchanged changes no version: copies read all clients again when the version moves.
CREATE CONSTRAINT TRIGGER oauth_clients_version AFTER INSERT OR DELETE ON oauth_clients
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();

-- A right taken away from a client ends what was issued with it, as with users: its own tokens carry their scopes, and
-- its logins keep theirs for as long as they are refreshed. Adding a right, or any other change, ends nothing.
CREATE FUNCTION client_rights_shrink() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW."tokenEpoch" = OLD."tokenEpoch" AND NOT (
    NEW.scopes @> OLD.scopes AND NEW.credential_scopes @> OLD.credential_scopes AND NEW.grant_types @> OLD.grant_types
    AND (NEW.audiences @> OLD.audiences OR '*' = ANY (NEW.audiences))
  ) THEN
    NEW."tokenEpoch" := OLD."tokenEpoch" + 1;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER oauth_clients_rights BEFORE UPDATE ON oauth_clients FOR EACH ROW EXECUTE FUNCTION client_rights_shrink();

-- A key or certificate that is asked for from now on: of what was issued without, a thief could come with one of their own.
CREATE FUNCTION client_demand_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."tokenEpoch" := OLD."tokenEpoch" + 1;
  RETURN NEW;
END $$;
CREATE TRIGGER oauth_clients_demands BEFORE UPDATE ON oauth_clients FOR EACH ROW
  WHEN (NEW."tokenEpoch" = OLD."tokenEpoch" AND (
    NEW.dpop_bound_access_tokens AND NOT coalesce(OLD.dpop_bound_access_tokens, false)
    OR NEW.tls_client_certificate_bound_access_tokens AND NOT OLD.tls_client_certificate_bound_access_tokens))
  EXECUTE FUNCTION client_demand_grows();

-- Names of the columns that changed, never their values. The event of a new secret says by itself who set it.
CREATE FUNCTION changed_columns(before jsonb, after jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(key ORDER BY key), '[]') FROM jsonb_each(after)
  WHERE value IS DISTINCT FROM before -> key AND key NOT IN
    ('updatedAt', 'tokenEpoch', 'previous_secret_hash', 'previous_secret_until', 'document_until', 'credential_setters')
$$;

-- Events name the settings whose values the log records with their new values.
CREATE FUNCTION oauth_client_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  why text := coalesce(audit_context('reason'), 'client_changed');
  columns jsonb;
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM families_end_by_client(OLD."clientId", 'client_deleted');
    INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
    VALUES ('client', OLD."clientId", OLD."tokenEpoch" + 1, 'client_deleted', revocation_keep_until());
    PERFORM audit_record('client.deleted', 'ok', 'client', OLD."clientId", audit_reason());
  ELSIF TG_OP = 'INSERT' THEN
    PERFORM audit_record('client.created', 'ok', 'client', NEW."clientId",
      CASE NEW.origin WHEN 'admin' THEN '{}' ELSE jsonb_build_object('origin', NEW.origin) END
        || client_settings_changed('{}', to_jsonb(NEW)) || audit_reason());
  ELSE
    columns := changed_columns(to_jsonb(OLD), to_jsonb(NEW));
    IF NEW.disabled AND NOT coalesce(OLD.disabled, false) AND NEW."tokenEpoch" = OLD."tokenEpoch" THEN
      UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = NEW.id;
    END IF;
    IF NEW."tokenEpoch" > OLD."tokenEpoch" THEN
      PERFORM families_end_by_client(NEW."clientId", why);
      INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
      VALUES ('client', NEW."clientId", NEW."tokenEpoch", why, revocation_keep_until());
      PERFORM audit_record('client.tokens_revoked', 'ok', 'client', NEW."clientId", jsonb_build_object('reason', why));
    END IF;
    IF columns ? 'secret_hash' THEN
      PERFORM audit_record('client.secret_rotated', 'ok', 'client', NEW."clientId",
        jsonb_strip_nulls(jsonb_build_object('previous_until', NEW.previous_secret_until)) || audit_reason());
      columns := columns - 'secret_hash';
    END IF;
    IF columns <> '[]' THEN
      PERFORM audit_record('client.changed', 'ok', 'client', NEW."clientId", jsonb_build_object('columns', columns)
        || client_settings_changed(to_jsonb(OLD), to_jsonb(NEW)) || audit_reason());
    END IF;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER oauth_clients_changed AFTER INSERT OR UPDATE OR DELETE ON oauth_clients FOR EACH ROW EXECUTE FUNCTION oauth_client_changed();

-- Settings of a client whose values the audit log records. A row without these columns gives the defaults.
CREATE FUNCTION client_settings(client jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object(
    'pkce', coalesce(client->>'pkce', 'required'),
    'refresh_rotation', coalesce(client->>'refresh_rotation', 'on'),
    'profile', coalesce(client->>'profile', 'default'))
$$;

CREATE FUNCTION client_settings_changed(before jsonb, after jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(client_settings(after))
  WHERE value IS DISTINCT FROM client_settings(before) -> key
$$;

-- A role of an application has permissions of that application only; a role of the installation has none of them.
CREATE FUNCTION role_permission_fits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT application FROM roles WHERE name = NEW.role)
    IS DISTINCT FROM (SELECT application FROM permissions WHERE name = NEW.permission) THEN
    RAISE EXCEPTION 'permission and role belong to different applications' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER role_permissions_fit BEFORE INSERT OR UPDATE ON role_permissions
  FOR EACH ROW EXECUTE FUNCTION role_permission_fits();

-- Tokens that clients got for themselves end with the permission in them; `role_permissions_removed` ends those of users.
-- Clients are locked in id order, as everywhere.
CREATE FUNCTION permissions_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" IN (
    SELECT "clientId" FROM oauth_clients WHERE credential_scopes && ARRAY(SELECT name FROM taken)
    ORDER BY "clientId" FOR UPDATE);
  RETURN NULL;
END $$;
CREATE TRIGGER permissions_removed AFTER DELETE ON permissions
  REFERENCING OLD TABLE AS taken FOR EACH STATEMENT EXECUTE FUNCTION permissions_removed();
CREATE CONSTRAINT TRIGGER applications_version AFTER INSERT OR UPDATE OR DELETE ON applications
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE CONSTRAINT TRIGGER permissions_version AFTER INSERT OR DELETE ON permissions
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE CONSTRAINT TRIGGER permissions_words_version AFTER UPDATE OF scope_words ON permissions
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE CONSTRAINT TRIGGER oauth_clients_changed_version AFTER UPDATE ON oauth_clients
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN ((to_jsonb(OLD) - '{document_until,updatedAt}'::text[]) IS DISTINCT FROM (to_jsonb(NEW) - '{document_until,updatedAt}'::text[]))
  EXECUTE FUNCTION access_changed();

-- A process that gives no permission to a role gives a user only the roles that the mapping of a running import names. The
-- only role that comes with an account is `user`: a trigger of the caller is no way round.
CREATE FUNCTION user_role_allowed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.role <> 'user' AND is_process_role(TG_RELID) AND NOT has_table_privilege('role_permissions', 'INSERT')
    AND NOT EXISTS (SELECT FROM imports i, jsonb_each_text(i.map -> 'roles') r WHERE i.state = 'running' AND r.value = NEW.role) THEN
    RAISE EXCEPTION 'no running import gives the role %', NEW.role USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER user_roles_allowed BEFORE INSERT ON user_roles FOR EACH ROW EXECUTE FUNCTION user_role_allowed();
CREATE TRIGGER oauth_clients_epoch_rises BEFORE UPDATE OF "tokenEpoch" ON oauth_clients FOR EACH ROW
  WHEN (NEW."tokenEpoch" < OLD."tokenEpoch") EXECUTE FUNCTION epoch_rises();

-- ==== keys =================================================================================================================
-- Signing keys and the secrets of the server.

-- Signing keys. When a key signs is a range in its row: two signers of one purpose at once cannot be written,
-- and every copy changes over at the same moment without a message.
CREATE TABLE jwks (
  id                text PRIMARY KEY,                    -- kid
  purpose           text NOT NULL,                       -- 'access', 'audit-log', or 'hs256:<audience>'
  alg               text NOT NULL CHECK (alg IN ('RS256', 'ES256', 'EdDSA', 'HS256')),
  "publicKey"       text NOT NULL,                       -- JWK; for HS256 the sealed fingerprint of the secret
  "privateKey"      text NOT NULL,                       -- sealed under the key-encryption key; '' once destroyed
  "createdAt"       timestamptz NOT NULL DEFAULT clock_timestamp(),  -- published
  "expiresAt"       timestamptz,                         -- leaves the key set; null while no successor is planned
  signs             tstzrange NOT NULL CHECK (NOT isempty(signs) AND NOT lower_inf(signs)),
  longest_token_seconds integer NOT NULL,                -- of any token it signed
  compromised_at    timestamptz,
  compromise_reason text,
  -- Signed when the key is made, while the private key before it exists; null for the first key, and for other purposes.
  rotation_note     text,
  -- A signer needs its private part; only a closed range or a compromise lets go of it.
  CHECK ("privateKey" <> '' OR compromised_at IS NOT NULL OR NOT upper_inf(signs)),
  CHECK ((compromised_at IS NULL) = (compromise_reason IS NULL)),
  EXCLUDE USING gist (int8range(hashtextextended(purpose, 0), hashtextextended(purpose, 0), '[]') WITH &&, signs WITH &&)
    WHERE (compromised_at IS NULL),
  CHECK (rotation_note IS NULL OR purpose = 'audit-log')
);
COMMENT ON TABLE jwks IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, INSERT, UPDATE ("publicKey", "privateKey", "expiresAt", signs, longest_token_seconds, compromised_at, compromise_reason, rotation_note), DELETE; log_sealer: SELECT';

-- What the running API was configured with: a command line without its environment follows the same rules.
CREATE TABLE key_policy (
  id                    boolean PRIMARY KEY DEFAULT true CHECK (id),
  algorithm             text NOT NULL CHECK (algorithm IN ('RS256', 'ES256', 'EdDSA')),  -- of new asymmetric keys
  prepublish_seconds    integer NOT NULL,
  rotation_days         double precision NOT NULL,
  longest_token_seconds integer NOT NULL,
  leeway_seconds        integer NOT NULL,
  ring_bound_seconds    integer NOT NULL,
  refresh_seconds       integer NOT NULL                 -- longest absolute life of a login
);
COMMENT ON TABLE key_policy IS 'api: SELECT, INSERT, UPDATE (algorithm, prepublish_seconds, rotation_days, longest_token_seconds, leeway_seconds, ring_bound_seconds, refresh_seconds); worker: SELECT';

-- Symmetric secrets of the server itself: refresh MAC, password pepper, keyed hashes.
CREATE TABLE server_secrets (
  purpose      text NOT NULL,
  version      smallint NOT NULL CHECK (version > 0),
  secret       text NOT NULL,                            -- sealed; '' once destroyed
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  activates_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (purpose, version)
);
COMMENT ON TABLE server_secrets IS 'api: SELECT, INSERT, UPDATE (secret); mcp: SELECT; worker: SELECT, INSERT, UPDATE (secret); log_sealer: SELECT';

CREATE FUNCTION keys_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE feed_state SET keys_version = keys_version + 1;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER jwks_version AFTER INSERT OR UPDATE OR DELETE ON jwks
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keys_changed();
CREATE CONSTRAINT TRIGGER server_secrets_version AFTER INSERT OR UPDATE OR DELETE ON server_secrets
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keys_changed();

-- A compromised key is a revocation too: offline verifiers learn it from the feed.
CREATE FUNCTION key_compromised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.compromised_at IS NOT NULL AND OLD.compromised_at IS NULL THEN
    INSERT INTO revocations (kind, value, reason, expires_at)
    VALUES ('key', NEW.id, 'key_compromised', clock_timestamp() + make_interval(secs => NEW.longest_token_seconds) + (revocation_keep_until() - clock_timestamp()));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER jwks_compromised AFTER UPDATE ON jwks FOR EACH ROW EXECUTE FUNCTION key_compromised();

-- ==== tokens ===============================================================================================================
-- Token families, one row each, and what repeats or binds a request for tokens.

-- A login is one row, however often it is refreshed. No index on a column that rotation writes: every rotation is HOT.
CREATE TABLE refresh_families (
  id              uuid PRIMARY KEY,
  generation      integer NOT NULL DEFAULT 0,
  rotated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  grace_uses      smallint NOT NULL DEFAULT 0,
  grace_streak    smallint NOT NULL DEFAULT 0,           -- contested generations running
  idle_expires_at timestamptz NOT NULL,
  expires_at      timestamptz NOT NULL,
  revoked_at      timestamptz,
  revoke_reason   text,
  nonce_hash      bytea NOT NULL CHECK (length(nonce_hash) = 32),
  kv              smallint NOT NULL,                     -- server key of the current generation's MAC
  prev_kv         smallint NOT NULL,                     -- and of the one before
  client_id       text NOT NULL,
  client_bound    boolean NOT NULL,                      -- refreshed only by that client, authenticated
  jkt             text,                                  -- DPoP key thumbprint (RFC 9449 §6.1)
  x5t             text,                                  -- client certificate thumbprint (RFC 8705 §3.1)
  sid             text,
  user_id         text NOT NULL,
  user_epoch      integer NOT NULL,
  client_epoch    integer NOT NULL,
  scope           text NOT NULL,
  audience        text NOT NULL,
  auth_time       timestamptz NOT NULL,
  device          jsonb NOT NULL DEFAULT '{}',
  context_hash    text,                                  -- of the last context that rotated
  grace_contested boolean NOT NULL DEFAULT false,        -- grace of this generation was used from another context
  lost_answer_at  timestamptz,                           -- last repetition of an answer past its grace
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Of the session, as one text, as scope: rotation only reads it. acr is null where no person signed in, but a client.
  amr             text NOT NULL DEFAULT '',
  acr             text,
  -- Hash of the authorization code it was exchanged for: one that comes again ends what its first use began, however late.
  code_id         bytea CHECK (length(code_id) = 32),
  -- Where a caller acts for the user and no user signed in: the user's roles and permissions at issue. The login never
  -- has more. Rotation only reads it.
  rights_limit    jsonb
) WITH (fillfactor = 90);
CREATE INDEX refresh_families_user_id ON refresh_families (user_id);
CREATE INDEX refresh_families_client_id ON refresh_families (client_id);
CREATE INDEX refresh_families_expires_at ON refresh_families (expires_at);
CREATE UNIQUE INDEX refresh_families_code_id ON refresh_families (code_id) WHERE code_id IS NOT NULL;
-- Ending is not rotating: an index whose predicate ends with the family costs rotation nothing.
CREATE UNIQUE INDEX refresh_families_one_live ON refresh_families (sid, client_id) WHERE revoked_at IS NULL AND sid IS NOT NULL;
-- The OAuth clients of a session, whether their token families have ended or not. Rotation changes none of its columns.
CREATE INDEX refresh_families_client_session ON refresh_families (sid) WHERE (client_bound AND (sid IS NOT NULL));
COMMENT ON TABLE refresh_families IS 'api: SELECT, INSERT, UPDATE (generation, rotated_at, grace_uses, grace_streak, idle_expires_at, expires_at, revoked_at, revoke_reason, kv, prev_kv, context_hash, grace_contested, lost_answer_at); mcp: SELECT; worker: SELECT, UPDATE (expires_at, revoked_at, revoke_reason), DELETE';

-- Every writer of many families locks them in id order first; without it they deadlock.
CREATE FUNCTION families_end_by_session(session text, why text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE ended integer;
BEGIN
  PERFORM 1 FROM refresh_families WHERE sid = session AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  UPDATE refresh_families SET revoked_at = clock_timestamp(), revoke_reason = why WHERE sid = session AND revoked_at IS NULL;
  GET DIAGNOSTICS ended = ROW_COUNT;
  RETURN ended;
END $$;

CREATE FUNCTION families_end_by_user(subject text, why text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE ended integer;
BEGIN
  PERFORM 1 FROM refresh_families WHERE user_id = subject AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  UPDATE refresh_families SET revoked_at = clock_timestamp(), revoke_reason = why WHERE user_id = subject AND revoked_at IS NULL;
  GET DIAGNOSTICS ended = ROW_COUNT;
  RETURN ended;
END $$;

CREATE FUNCTION families_end_by_client(subject text, why text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE ended integer;
BEGIN
  PERFORM 1 FROM refresh_families WHERE client_id = subject AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  UPDATE refresh_families SET revoked_at = clock_timestamp(), revoke_reason = why WHERE client_id = subject AND revoked_at IS NULL;
  GET DIAGNOSTICS ended = ROW_COUNT;
  RETURN ended;
END $$;

-- Answers to Idempotency-Key, sealed under a key derived from it: a dump opens none.
CREATE TABLE idempotency_keys (
  key_hash     bytea PRIMARY KEY,
  request_hash bytea NOT NULL,
  status       smallint,
  response     bytea,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at   timestamptz NOT NULL
);
CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at);
COMMENT ON TABLE idempotency_keys IS 'api: SELECT, INSERT, UPDATE (request_hash, status, response, created_at, expires_at); worker: SELECT, UPDATE (created_at), DELETE';

-- What statistics must not forget: tokens that leave no row of their own, and families and revocations cleaned up.
-- Sixteen rows so that concurrent commits rarely meet; readers add them up.
CREATE TABLE token_totals (
  slot      smallint PRIMARY KEY,
  issued    bigint NOT NULL DEFAULT 0,
  refreshed bigint NOT NULL DEFAULT 0,
  revoked   bigint NOT NULL DEFAULT 0,
  expired   bigint NOT NULL DEFAULT 0,
  replays   bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE token_totals IS 'api: SELECT, UPDATE (issued, revoked); mcp: SELECT; worker: SELECT, UPDATE (issued, refreshed, revoked, expired, replays)';
INSERT INTO token_totals (slot) SELECT generate_series(0, 15);

-- Proofs of possession that were used (RFC 9449 §11.1): the unique insert is the use.
CREATE TABLE dpop_proofs (
  proof_hash bytea PRIMARY KEY CHECK (length(proof_hash) = 32),  -- SHA-256 of key thumbprint and jti
  expires_at timestamptz(3) NOT NULL
);
CREATE INDEX dpop_proofs_expires_at ON dpop_proofs (expires_at);
COMMENT ON TABLE dpop_proofs IS 'api: SELECT, INSERT; mcp: SELECT, INSERT; worker: SELECT, UPDATE (expires_at), DELETE';

-- ==== oauth ================================================================================================================
-- What an OAuth client asks for on its way to a code, and what tells it that a session ended.

-- Authorization requests that clients sent ahead of their browsers (RFC 9126). One conditional DELETE uses one up.
CREATE TABLE oauth_pushed_requests (
  uri_hash   bytea PRIMARY KEY CHECK (length(uri_hash) = 32),  -- SHA-256 of the request_uri
  client_id  text NOT NULL,
  query      text NOT NULL CHECK (length(query) <= 8192),
  share      text,                                       -- keyed hash of where a request came from that showed no secret
  expires_at timestamptz(3) NOT NULL
);
CREATE INDEX oauth_pushed_requests_expires_at ON oauth_pushed_requests (expires_at);
CREATE INDEX oauth_pushed_requests_share ON oauth_pushed_requests (client_id, share, expires_at);
COMMENT ON TABLE oauth_pushed_requests IS 'api: SELECT, INSERT, DELETE; worker: SELECT, UPDATE (expires_at), DELETE';

-- Authorization codes (RFC 6749 §4.1): one conditional DELETE consumes a code; what it was exchanged for keeps its hash.
CREATE TABLE oauth_codes (
  code_hash      bytea PRIMARY KEY CHECK (length(code_hash) = 32),  -- SHA-256 of the code
  client_id      text NOT NULL,
  redirect_uri   text NOT NULL,
  code_challenge text CHECK (length(code_challenge) = 43),  -- S256 (RFC 7636 §4.2); null: requested without PKCE
  user_id        text NOT NULL,
  session_id     text NOT NULL,
  client_epoch   integer NOT NULL,
  scope          text NOT NULL,
  audience       text NOT NULL,
  nonce          text,
  dpop_jkt       text,                                   -- RFC 9449 §10
  auth_time      timestamptz(0) NOT NULL,
  expires_at     timestamptz(3) NOT NULL,
  id_token_claims text[] NOT NULL DEFAULT '{}'
);
CREATE INDEX oauth_codes_expires_at ON oauth_codes (expires_at);
-- A user who withdraws a consent ends the codes that the client has not exchanged.
CREATE INDEX oauth_codes_user_id ON oauth_codes (user_id, client_id);
COMMENT ON TABLE oauth_codes IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE (expires_at), DELETE';

-- What people let a client do; kept until it is withdrawn or either of them is gone.
CREATE TABLE oauth_consents (
  user_id    text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  client_id  text NOT NULL REFERENCES oauth_clients ("clientId") ON DELETE CASCADE,
  audience   text NOT NULL,
  scopes     text[] NOT NULL,
  granted_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (user_id, client_id, audience)
);
CREATE INDEX oauth_consents_client_id ON oauth_consents (client_id);
COMMENT ON TABLE oauth_consents IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, UPDATE (granted_at), DELETE';

-- Device grants (RFC 8628): decided by a person in a browser, asked for by a device.
CREATE TABLE oauth_device_grants (
  device_code_hash bytea PRIMARY KEY CHECK (length(device_code_hash) = 32),
  user_code        text NOT NULL UNIQUE,
  client_id        text NOT NULL,
  scope            text NOT NULL,
  audience         text NOT NULL,
  share            text,                                 -- keyed hash of where it was asked for without a secret
  status           text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'denied')),
  user_id          text,
  user_epoch       integer,                              -- as they stood when it was decided:
  client_epoch     integer,                              -- logins ended since end the grant too
  auth_time        timestamptz(0),
  decided_at       timestamptz,                          -- by the clock here; auth_time is of a copy's
  interval_seconds smallint NOT NULL,
  polled_at        timestamptz(3),
  expires_at       timestamptz(3) NOT NULL,
  CHECK (status <> 'approved' OR num_nulls(user_id, user_epoch, client_epoch, auth_time, decided_at) = 0)
);
CREATE INDEX oauth_device_grants_expires_at ON oauth_device_grants (expires_at);
CREATE INDEX oauth_device_grants_share ON oauth_device_grants (client_id, share, expires_at);
-- A user who withdraws a consent ends the device grants that the client has not fetched.
CREATE INDEX oauth_device_grants_user_id ON oauth_device_grants (user_id, client_id) WHERE user_id IS NOT NULL;
COMMENT ON TABLE oauth_device_grants IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE (decided_at), DELETE';

-- Used client assertions: inserting the unique row marks an assertion as used.
CREATE TABLE client_assertions (
  assertion_hash bytea PRIMARY KEY CHECK (length(assertion_hash) = 32),  -- SHA-256 of client id and jti
  expires_at     timestamptz(3) NOT NULL
);
CREATE INDEX client_assertions_expires_at ON client_assertions (expires_at);
COMMENT ON TABLE client_assertions IS 'api: SELECT, INSERT; worker: SELECT, UPDATE (expires_at), DELETE';

-- One row for each client that an ended session had signed in to. Deleted when the client has accepted the logout token.
CREATE TABLE logout_tokens (
  id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),  -- jti of the token, the same in every attempt
  client_id       text NOT NULL,
  unvetted        boolean NOT NULL,                      -- no administrator registered the client
  user_id         text NOT NULL,
  session_id      text NOT NULL,
  traceparent     text,                                  -- of the request that ended the session
  attempts        smallint NOT NULL DEFAULT 0,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Null: given up; kept for a while for operators.
  next_attempt_at timestamptz DEFAULT clock_timestamp(),
  failure         text,
  failed_at       timestamptz
);
CREATE INDEX logout_tokens_due ON logout_tokens (unvetted, next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX logout_tokens_client_id ON logout_tokens (client_id) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX logout_tokens_given_up ON logout_tokens (failed_at) WHERE (next_attempt_at IS NULL);
CREATE INDEX logout_tokens_created_at ON logout_tokens (created_at);
COMMENT ON TABLE logout_tokens IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (attempts, created_at, next_attempt_at, failure, failed_at), DELETE';

-- ==== api-keys =============================================================================================================
-- API keys, the signatures that they were shown with, and what ends them.

-- Keys that speak for a user or a client, narrowed to some of its rights. Copies hold them in memory: `version` is the
-- access_version of their last change, so a copy reads only what changed since it last looked.
CREATE TABLE api_keys (
  id                  uuid PRIMARY KEY,
  name                text NOT NULL,
  owner_kind          text NOT NULL CHECK (owner_kind IN ('user', 'client')),
  -- Null once the owner is deleted: the row stays for a while, for investigations.
  user_id             text REFERENCES users (id) ON DELETE SET NULL,
  client_id           text REFERENCES oauth_clients ("clientId") ON DELETE SET NULL,
  -- Epoch of the owner that it was made under; a later one ends it.
  owner_epoch         integer NOT NULL,
  permissions         text[] NOT NULL,
  -- SHA-256 of 256 random bits.
  secret_hash         bytea NOT NULL CHECK (length(secret_hash) = 32),
  -- The secret before, accepted until then.
  previous_hash       bytea CHECK (length(previous_hash) = 32),
  previous_until      timestamptz,
  -- JWK whose owner signs every request (RFC 9421); null: the secret is enough.
  public_key          jsonb,
  requests_per_minute integer NOT NULL,
  lifetime_seconds    integer NOT NULL,
  created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  rotated_at          timestamptz,
  expires_at          timestamptz NOT NULL,
  revoked_at          timestamptz,
  revoke_reason       text,
  -- When rights or state of the user who owns it last changed.
  owner_changed_at    timestamptz,
  version             bigint NOT NULL DEFAULT 0,
  CHECK (CASE owner_kind WHEN 'user' THEN client_id IS NULL ELSE user_id IS NULL END),
  CHECK ((previous_hash IS NULL) = (previous_until IS NULL))
);
CREATE INDEX api_keys_user_id ON api_keys (user_id, id);
CREATE INDEX api_keys_client_id ON api_keys (client_id, id);
CREATE INDEX api_keys_version ON api_keys (version);
CREATE INDEX api_keys_expires_at ON api_keys (expires_at);
COMMENT ON TABLE api_keys IS 'api: SELECT, INSERT, UPDATE (secret_hash, previous_hash, previous_until, rotated_at, expires_at, revoked_at, revoke_reason, owner_changed_at, version); mcp: SELECT; worker: SELECT, UPDATE (revoked_at, revoke_reason, owner_changed_at, version), DELETE';

-- Apart from the keys, so that use is no change of a key; written for many at once, never for one request.
CREATE TABLE api_key_uses (
  key_id       uuid PRIMARY KEY REFERENCES api_keys (id) ON DELETE CASCADE,
  last_used_at timestamptz NOT NULL,
  uses         bigint NOT NULL
);
COMMENT ON TABLE api_key_uses IS 'api: SELECT, INSERT, UPDATE (last_used_at, uses); mcp: SELECT; worker: SELECT';

-- Nonces of signed requests: each is good once.
CREATE TABLE api_key_nonces (
  nonce_hash bytea PRIMARY KEY CHECK (length(nonce_hash) = 32),
  expires_at timestamptz NOT NULL
);
CREATE INDEX api_key_nonces_expires_at ON api_key_nonces (expires_at);
COMMENT ON TABLE api_key_nonces IS 'api: INSERT; worker: SELECT, UPDATE (expires_at), DELETE';

CREATE FUNCTION api_key_orphaned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.revoked_at := coalesce(NEW.revoked_at, clock_timestamp());
  NEW.revoke_reason := coalesce(NEW.revoke_reason, 'owner_deleted');
  RETURN NEW;
END $$;
CREATE TRIGGER api_keys_orphaned BEFORE UPDATE ON api_keys FOR EACH ROW
  WHEN (NEW.user_id IS NULL AND NEW.client_id IS NULL) EXECUTE FUNCTION api_key_orphaned();

CREATE FUNCTION api_key_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE owned jsonb := jsonb_strip_nulls(jsonb_build_object('user_id', NEW.user_id, 'owner_client_id', NEW.client_id));
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM audit_record('api_key.created', 'ok', 'api_key', NEW.id::text, owned || jsonb_build_object(
      'permissions', to_jsonb(NEW.permissions), 'signed', NEW.public_key IS NOT NULL) || audit_reason());
  ELSIF NEW.revoked_at IS NOT NULL AND OLD.revoked_at IS NULL THEN
    PERFORM audit_record('api_key.revoked', 'ok', 'api_key', NEW.id::text, owned || jsonb_build_object('reason', NEW.revoke_reason));
  ELSIF NEW.secret_hash <> OLD.secret_hash THEN
    PERFORM audit_record('api_key.rotated', 'ok', 'api_key', NEW.id::text, owned || audit_reason());
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER api_keys_changed AFTER INSERT OR UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION api_key_changed();

-- At commit, while the counter's row is held to its end: versions follow commit order, so none is overlooked.
CREATE FUNCTION api_key_versioned() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE next_version bigint;
BEGIN
  UPDATE feed_state SET access_version = access_version + 1 RETURNING access_version INTO next_version;
  UPDATE api_keys SET version = next_version WHERE id = NEW.id;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER api_keys_versioned
  AFTER INSERT OR UPDATE OF secret_hash, revoked_at, user_id, client_id, owner_changed_at ON api_keys
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION api_key_versioned();

-- ==== security =============================================================================================================
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
COMMENT ON TABLE incidents IS 'api: SELECT, UPDATE (state, reason, changed_at, changed_by); mcp: SELECT; worker: SELECT, INSERT, UPDATE (count, last_seen_at, detail, actions), DELETE';

-- How far the detections have read the sealed log: whatever they do for an event is committed with this.
CREATE TABLE detection_progress (
  id  boolean PRIMARY KEY DEFAULT true CHECK (id),
  seq bigint NOT NULL DEFAULT -1
);
COMMENT ON TABLE detection_progress IS 'api: SELECT; worker: SELECT, UPDATE (seq)';
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
COMMENT ON TABLE unjudged_events IS 'api: SELECT; worker: SELECT, INSERT, UPDATE (tries, failure, failed_at, next_try_at), DELETE';

-- Whether a sign-in of a user that detections may act on still waits for them: sealed or not, or passed over. The holder of
-- the lock of the user knows that none is acted on meanwhile. Detections may also act on a sign-in because of its country:
-- until it is evaluated, the address of the account stays. Leaves commit to ids that are not ours, so the sign-in of an
-- imported user has its id in audit_personal.
CREATE FUNCTION user_login_waits(subject text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM (
      SELECT event_id, target_id, outcome, detail FROM audit_outbox WHERE seq IS NULL AND type = 'user.login'
      UNION ALL
      SELECT event_id, target_id, outcome, detail FROM audit_events
      WHERE type = 'user.login' AND seq > (SELECT p.seq FROM detection_progress p)
      UNION ALL
      SELECT event_id, target_id, outcome, detail FROM audit_events
      WHERE type = 'user.login' AND seq IN (SELECT u.seq FROM unjudged_events u)) l
    WHERE outcome = 'ok' AND detail -> 'known_device' = 'false'
      AND detail ?| ARRAY['elsewhere', 'suspect_network', 'is_placed']
      AND (target_id = subject OR target_id IS NULL AND EXISTS (
        SELECT FROM audit_personal p WHERE p.event_id = l.event_id AND p.field = 'target' AND p.value = 'user:' || subject)))
$$;

-- Removes the passkeys and the authenticator app that an account got since a time, and voids its newer recovery codes: only
-- beside an open incident about that very account, which this transaction raised or counted. One that another transaction is
-- changing does not count, and nothing waits for it.
CREATE FUNCTION remove_factors_since(account text, since timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE began timestamptz := date_trunc('milliseconds', since); has_passkeys boolean;
BEGIN
  PERFORM FROM incidents WHERE subject_kind = 'user' AND subject_id = account AND state <> 'closed'
    AND last_seen_at BETWEEN now() AND clock_timestamp() FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'second factors are removed beside an open incident about their account alone' USING ERRCODE = 'insufficient_privilege';
  END IF;
  DELETE FROM passkeys WHERE id IN (SELECT id FROM passkeys WHERE "userId" = account AND "createdAt" >= began ORDER BY id FOR UPDATE);
  has_passkeys := EXISTS (SELECT FROM passkeys WHERE "userId" = account);
  -- The recovery codes stay if a passkey needs them.
  IF has_passkeys THEN
    UPDATE two_factors SET verified = false WHERE "userId" = account AND verified AND coalesce("verifiedAt", "createdAt") >= began;
  ELSE
    DELETE FROM two_factors WHERE "userId" = account AND (NOT verified OR coalesce("verifiedAt", "createdAt") >= began);
  END IF;
  UPDATE two_factors SET "codesLeft" = 0 WHERE "userId" = account AND "codesMadeAt" >= began;
END $$;
COMMENT ON FUNCTION remove_factors_since(text, timestamptz) IS 'worker: EXECUTE; app: EXECUTE';

-- ==== agents ===============================================================================================================
-- Software agents, each with its client and its owner.

CREATE TABLE agents (
  -- Its client has its name, its credentials and its scopes.
  client_id         text PRIMARY KEY REFERENCES oauth_clients ("clientId") ON DELETE CASCADE,
  owner_id          text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  capabilities      text[] NOT NULL DEFAULT '{}' CHECK (cardinality(capabilities) <= 50),
  heartbeat_seconds integer NOT NULL DEFAULT 60 CHECK (heartbeat_seconds BETWEEN 10 AND 86400),
  last_seen_at      timestamptz(3),
  created_at        timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- Its credentials are refused from then on.
  expires_at        timestamptz(3) NOT NULL,
  -- For good: a killed agent is replaced by a new one.
  killed_at         timestamptz(3)
) WITH (fillfactor = 80);
CREATE INDEX agents_owner_id ON agents (owner_id, client_id);
COMMENT ON TABLE agents IS 'api: SELECT, INSERT, UPDATE (capabilities, last_seen_at, killed_at); mcp: SELECT, UPDATE (last_seen_at); worker: SELECT, UPDATE (killed_at)';

-- The permissions of a user, whatever the assurance of a sign-in.
CREATE FUNCTION user_permissions(subject text) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT ARRAY(SELECT DISTINCT permission FROM user_roles JOIN role_permissions USING (role) WHERE user_id = subject)
$$;

-- Of these scopes, all but the permissions that the user lacks.
CREATE FUNCTION scopes_within(scopes text[], subject text) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT ARRAY(SELECT scope FROM unnest(scopes) WITH ORDINALITY AS given (scope, place)
    WHERE NOT EXISTS (SELECT FROM permissions WHERE name = scope) OR scope = ANY (user_permissions(subject)) ORDER BY place)
$$;

-- Whatever changes the client of an agent: it never has more than its owner, and a killed one stays disabled. By its
-- name this trigger runs before those that compare rights, so a narrowed client loses its tokens.
CREATE FUNCTION agent_client_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE agent agents;
BEGIN
  SELECT * INTO agent FROM agents WHERE client_id = NEW."clientId";
  IF NOT FOUND THEN RETURN NEW; END IF;
  NEW.scopes := scopes_within(NEW.scopes, agent.owner_id);
  NEW.credential_scopes := scopes_within(NEW.credential_scopes, agent.owner_id);
  NEW.disabled := coalesce(NEW.disabled, false) OR agent.killed_at IS NOT NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER oauth_clients_agent BEFORE UPDATE ON oauth_clients FOR EACH ROW EXECUTE FUNCTION agent_client_kept();

-- Disabling the client ends every token of it and every token exchanged by it, on every copy and at every verifier.
CREATE FUNCTION agent_killed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE oauth_clients SET disabled = true WHERE "clientId" = NEW.client_id;
  PERFORM audit_record('agent.killed', 'ok', 'client', NEW.client_id,
    jsonb_build_object('owner_id', NEW.owner_id) || audit_reason());
  RETURN NULL;
END $$;
CREATE TRIGGER agents_killed AFTER UPDATE ON agents FOR EACH ROW
  WHEN (OLD.killed_at IS NULL AND NEW.killed_at IS NOT NULL) EXECUTE FUNCTION agent_killed();

CREATE FUNCTION agent_stays_killed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'an agent is killed for good, and keeps its owner' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER agents_stay_killed BEFORE UPDATE ON agents FOR EACH ROW
  WHEN (OLD.killed_at IS NOT NULL AND NEW.killed_at IS DISTINCT FROM OLD.killed_at OR NEW.owner_id <> OLD.owner_id)
  EXECUTE FUNCTION agent_stays_killed();

-- No agent stays as a plain client after its owner.
CREATE FUNCTION agent_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM oauth_clients WHERE "clientId" = OLD.client_id;
  RETURN NULL;
END $$;
CREATE TRIGGER agents_deleted AFTER DELETE ON agents FOR EACH ROW EXECUTE FUNCTION agent_deleted();

-- Directories keep owner and expiry of agents beside their clients.
CREATE CONSTRAINT TRIGGER agents_version AFTER INSERT OR DELETE ON agents
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();

-- ==== signoff ==============================================================================================================
-- Acts that people must approve before they run. A sign-off counts only what is true now: a live requester, and approvals by
-- active people in roles that they have.

-- Versions increase with each change of a policy, also if it was removed in between.
CREATE SEQUENCE signoff_policy_versions AS integer;

-- Policies of sign-off by act, which applications declare: no request is below the policy of its act.
CREATE TABLE signoff_policies (
  -- An act, or the beginning of acts followed by `*`.
  act                text PRIMARY KEY CHECK (act ~ '^[a-z][a-z0-9_-]*([.:][a-z0-9_.:-]*\*?)?$' AND length(act) <= 128),
  application        text NOT NULL REFERENCES applications (name) ON DELETE CASCADE,
  roles              text[] NOT NULL CHECK (cardinality(roles) BETWEEN 1 AND 6
                       AND roles <@ '{developer,tech_lead,qa,security_reviewer,product_owner,architect}'),
  quorum             smallint NOT NULL CHECK (quorum BETWEEN 1 AND cardinality(roles)),
  lifetime_minutes   smallint NOT NULL CHECK (lifetime_minutes BETWEEN 1 AND 1440),
  min_security_score smallint CHECK (min_security_score BETWEEN 0 AND 100),
  no_open_incident   boolean NOT NULL,
  -- How pages show arguments: path, label by language, format.
  arguments          jsonb NOT NULL,
  version            integer NOT NULL
);
CREATE INDEX signoff_policies_application ON signoff_policies (application, act);
COMMENT ON TABLE signoff_policies IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, UPDATE (version); worker: SELECT';

CREATE TABLE signoffs (
  id                 uuid PRIMARY KEY,
  act                text NOT NULL CHECK (act ~ '^[a-z][a-z0-9_.:-]{0,127}$'),
  title              text NOT NULL CHECK (length(title) <= 256),
  -- Canonical JSON (RFC 8785): text, so that its bytes have the hash beside it.
  arguments          text NOT NULL CHECK (octet_length(arguments) <= 32768),
  arguments_sha256   text NOT NULL CHECK (arguments_sha256 = encode(sha256(convert_to(arguments, 'UTF8')), 'hex')),
  requested_by_kind  text NOT NULL CHECK (requested_by_kind IN ('user', 'client', 'system')),
  requested_by       text NOT NULL,
  -- The client that asked: an agent by itself, or for a user.
  client_id          text,
  -- Users for whom the act is asked; they may not approve it.
  barred_users       text[] NOT NULL,
  required_roles     text[] NOT NULL CHECK (cardinality(required_roles) BETWEEN 1 AND 6
                       AND required_roles <@ '{developer,tech_lead,qa,security_reviewer,product_owner,architect}'),
  quorum             smallint NOT NULL CHECK (quorum BETWEEN 1 AND cardinality(required_roles)),
  min_security_score smallint CHECK (min_security_score BETWEEN 0 AND 100),
  no_open_incident   boolean NOT NULL,
  state              text NOT NULL DEFAULT 'pending'
                       CHECK (state IN ('pending', 'approved', 'denied', 'running', 'done', 'failed')),
  requested_at       timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- An act starts before this, or never.
  expires_at         timestamptz(3) NOT NULL,
  decided_at         timestamptz(3),
  started_at         timestamptz(3),
  finished_at        timestamptz(3),
  failure            text CHECK (length(failure) <= 128),
  -- The event of the end: what a receipt proves.
  event_id           uuid,
  policy_act         text,
  policy_version     integer,
  -- As the policy was at the request.
  argument_labels    jsonb NOT NULL DEFAULT '[]',
  CHECK (expires_at > requested_at AND expires_at <= requested_at + interval '25 hours'),
  CHECK ((state IN ('done', 'failed')) = (finished_at IS NOT NULL)),
  CHECK ((state = 'failed') = (failure IS NOT NULL)),
  CHECK (state <> 'done' OR started_at IS NOT NULL),
  CONSTRAINT signoffs_policy CHECK ((policy_act IS NULL) = (policy_version IS NULL))
);
CREATE INDEX signoffs_requested_at ON signoffs (requested_at, id);
CREATE INDEX signoffs_client_id ON signoffs (client_id) WHERE (state IN ('pending', 'approved', 'running'));
CREATE INDEX signoffs_open ON signoffs (requested_by_kind, requested_by, expires_at)
  WHERE (state IN ('pending', 'approved', 'running'));
-- Users list the sign-offs that they asked for, newest first.
CREATE INDEX signoffs_requested_by ON signoffs (requested_by_kind, requested_by, requested_at, id);
COMMENT ON TABLE signoffs IS 'api: SELECT, INSERT, UPDATE (state, decided_at, started_at, finished_at, failure, event_id); mcp: SELECT, INSERT, UPDATE (state, finished_at, failure); worker: SELECT, UPDATE (state, decided_at, started_at, finished_at, failure, event_id), DELETE';

-- One decision for each role, and one for each person.
CREATE TABLE signoff_decisions (
  signoff_id uuid NOT NULL REFERENCES signoffs (id) ON DELETE CASCADE,
  role       text NOT NULL,
  user_id    text NOT NULL,
  decision   text NOT NULL CHECK (decision IN ('approve', 'deny')),
  comment    text CHECK (length(comment) <= 1000),
  decided_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (signoff_id, role)
);
CREATE UNIQUE INDEX signoff_decisions_person ON signoff_decisions (signoff_id, user_id);
COMMENT ON TABLE signoff_decisions IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, UPDATE (decided_at); worker: SELECT, UPDATE (decided_at), DELETE';

-- What people approved does not change after they saw it, and an act starts once, whatever writes the row. The one way
-- back is from approved to pending, when an approval does not count any more.
CREATE FUNCTION signoff_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (to_jsonb(NEW) - '{state,decided_at,started_at,finished_at,failure,event_id}'::text[])
    <> (to_jsonb(OLD) - '{state,decided_at,started_at,finished_at,failure,event_id}'::text[])
  THEN
    RAISE EXCEPTION 'what a sign-off is about does not change' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NEW.state = OLD.state THEN RETURN NEW; END IF;
  IF NOT (CASE OLD.state
    WHEN 'pending' THEN NEW.state IN ('approved', 'denied', 'failed')
    WHEN 'approved' THEN NEW.state IN ('pending', 'running', 'failed')
    WHEN 'running' THEN NEW.state IN ('done', 'failed')
    ELSE false END)
  THEN
    RAISE EXCEPTION 'a sign-off does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'insufficient_privilege';
  END IF;
  -- Both locks are those of `startSignOff`, which takes them before the row: people, then agent, then sign-off.
  IF NEW.state = 'running' THEN
    PERFORM FROM users WHERE id IN (SELECT user_id FROM signoff_decisions WHERE signoff_id = NEW.id) ORDER BY id FOR SHARE;
  END IF;
  IF NEW.state IN ('running', 'done')
    AND NOT signoff_requester_lives(NEW.requested_by_kind, NEW.requested_by, NEW.client_id)
  THEN
    RAISE EXCEPTION 'the requester of this sign-off has ended' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NEW.state IN ('approved', 'running') AND NOT signoff_is_approved(NEW) THEN
    RAISE EXCEPTION 'a sign-off is approved by its quorum' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NEW.state = 'pending' AND signoff_is_approved(NEW) THEN
    RAISE EXCEPTION 'a sign-off stays approved while its approvals count' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER signoffs_kept BEFORE UPDATE ON signoffs FOR EACH ROW EXECUTE FUNCTION signoff_kept();

CREATE FUNCTION signoff_decision_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE signoff signoffs;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    RAISE EXCEPTION 'a decision does not change' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'DELETE' THEN
    SELECT * INTO signoff FROM signoffs WHERE id = OLD.signoff_id FOR UPDATE;
    -- With its sign-off, or because it does not count any more.
    IF NOT FOUND OR signoff.state IN ('pending', 'approved')
      AND EXISTS (SELECT FROM signoff_void_approvals(signoff) void WHERE void.role = OLD.role)
    THEN
      RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a decision that counts stays' USING ERRCODE = 'insufficient_privilege';
  END IF;
  SELECT * INTO signoff FROM signoffs WHERE id = NEW.signoff_id FOR UPDATE;
  IF signoff.state <> 'pending' OR NOT NEW.role = ANY (signoff.required_roles)
    OR NEW.user_id = ANY (signoff_barred(signoff))
    OR NOT EXISTS (SELECT FROM users WHERE id = NEW.user_id AND "disabledAt" IS NULL AND NEW.role = ANY (roles))
  THEN
    RAISE EXCEPTION 'this decision does not belong to the sign-off' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;

-- What a killed agent asked for does not run, and what it runs has failed. The event says what was required.
CREATE FUNCTION signoffs_end_with_agent() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE ended signoffs;
BEGIN
  FOR ended IN
    UPDATE signoffs SET state = 'failed', failure = 'agent_killed', finished_at = clock_timestamp()
    WHERE id IN (SELECT id FROM signoffs WHERE client_id = OLD.client_id AND state IN ('pending', 'approved', 'running')
                 ORDER BY id FOR UPDATE)
    RETURNING *
  LOOP
    PERFORM audit_record('signoff.finished', 'failed', 'signoff', ended.id::text,
      jsonb_build_object('act', ended.act, 'arguments_sha256', ended.arguments_sha256, 'required_roles', ended.required_roles,
        'quorum', ended.quorum, 'policy_version', ended.policy_version, 'act_failure', 'agent_killed') || audit_reason());
  END LOOP;
  RETURN NULL;
END $$;
CREATE TRIGGER agents_killed_signoffs AFTER UPDATE ON agents FOR EACH ROW
  WHEN (OLD.killed_at IS NULL AND NEW.killed_at IS NOT NULL) EXECUTE FUNCTION signoffs_end_with_agent();
CREATE TRIGGER agents_deleted_signoffs AFTER DELETE ON agents FOR EACH ROW EXECUTE FUNCTION signoffs_end_with_agent();

-- People who can act as a client: the owner of an agent, and the users who have set credentials of the client.
CREATE FUNCTION people_behind_client(client text) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT coalesce((
    SELECT array_remove(credential_setters || owner_id, NULL) FROM oauth_clients LEFT JOIN agents ON client_id = "clientId"
    WHERE "clientId" = client), '{}')
$$;

-- The user who changes a row, or the people behind the agent that does.
CREATE FUNCTION people_behind_actor() RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN audit_context('actor_kind') = 'user' THEN ARRAY[audit_context('actor_id')]
    WHEN audit_context('actor_kind') IN ('client', 'agent') THEN people_behind_client(audit_context('actor_id'))
    ELSE '{}' END
$$;

CREATE FUNCTION client_credentials_set() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.credential_setters := ARRAY(
    SELECT DISTINCT person FROM unnest(NEW.credential_setters || people_behind_actor()) person ORDER BY person);
  RETURN NEW;
END $$;
CREATE TRIGGER oauth_clients_credentials_created BEFORE INSERT ON oauth_clients
  FOR EACH ROW EXECUTE FUNCTION client_credentials_set();
CREATE TRIGGER oauth_clients_credentials_set BEFORE UPDATE ON oauth_clients FOR EACH ROW
  WHEN ((OLD.secret_hash, OLD.jwks, OLD.jwks_uri, OLD.certificate_identity, OLD.auth_method)
    IS DISTINCT FROM (NEW.secret_hash, NEW.jwks, NEW.jwks_uri, NEW.certificate_identity, NEW.auth_method))
  EXECUTE FUNCTION client_credentials_set();

-- In the transaction of the decision, so no decision is missed. The time of the next check always changes: a check that
-- read the sign-off before the decision then stores nothing.
CREATE FUNCTION mcp_tasks_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE mcp_tasks SET next_look_at = least(clock_timestamp(), next_look_at - interval '1 millisecond')
  WHERE subject_id = (to_jsonb(NEW) ->> TG_ARGV[0])::uuid AND state IN ('working', 'input_required');
  RETURN NULL;
END $$;
CREATE TRIGGER signoffs_wake_tasks AFTER UPDATE OF state ON signoffs FOR EACH ROW
  WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION mcp_tasks_wake('id');
CREATE TRIGGER signoff_decisions_wake_tasks AFTER INSERT ON signoff_decisions FOR EACH ROW
  EXECUTE FUNCTION mcp_tasks_wake('signoff_id');

-- The roles of people who approve.
CREATE FUNCTION is_signoff_role(role text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT role = ANY ('{developer,tech_lead,qa,security_reviewer,product_owner,architect}'::text[])
$$;

-- People do not give themselves, nor have a client of theirs give them, a role in which they would approve.
CREATE FUNCTION is_own_signoff_role(subject text, role text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT is_signoff_role(role) AND subject = ANY (people_behind_actor())
$$;

CREATE FUNCTION signoff_role_granted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF is_own_signoff_role(NEW.user_id, NEW.role) THEN
    RAISE EXCEPTION 'users do not grant themselves a role of sign-off' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER user_roles_signoff BEFORE INSERT OR UPDATE ON user_roles FOR EACH ROW EXECUTE FUNCTION signoff_role_granted();

-- Whether the requester is not disabled, killed or expired. Locks its agent until commit, so that a request is either
-- before a kill, which then fails it, or refused. Not FOR SHARE: overlapping requests would hold up a kill for good.
CREATE FUNCTION signoff_requester_lives(kind text, requester text, client text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF kind = 'user' AND NOT EXISTS (SELECT FROM users WHERE id = requester AND "disabledAt" IS NULL) THEN
    RETURN false;
  END IF;
  IF client IS NULL THEN RETURN true; END IF;
  PERFORM FROM agents WHERE client_id = client FOR NO KEY UPDATE;
  RETURN EXISTS (
    SELECT FROM oauth_clients LEFT JOIN agents ON client_id = "clientId"
    WHERE "clientId" = client AND NOT coalesce(disabled, false)
      AND (client_id IS NULL OR killed_at IS NULL AND expires_at > clock_timestamp()));
END $$;

-- Users who must not decide: those at the request, those who have become able to act as its client since, and the one who
-- asked.
CREATE FUNCTION signoff_barred(signoff signoffs) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT signoff.barred_users || people_behind_client(signoff.client_id)
    || CASE WHEN signoff.requested_by_kind = 'user' THEN ARRAY[signoff.requested_by] ELSE '{}' END
$$;

-- Approvals that do not count now, each with its reason.
CREATE FUNCTION signoff_void_approvals(signoff signoffs) RETURNS TABLE (role text, user_id text, why text)
LANGUAGE sql STABLE AS $$
  SELECT * FROM (
    SELECT d.role, d.user_id, CASE
      WHEN u.id IS NULL OR u."disabledAt" IS NOT NULL THEN 'account_inactive'
      WHEN NOT d.role = ANY (u.roles) THEN 'role_lost'
      WHEN d.user_id = ANY (signoff_barred(signoff)) THEN 'barred' END AS why
    FROM signoff_decisions d LEFT JOIN users u ON u.id = d.user_id
    WHERE d.signoff_id = signoff.id AND d.decision = 'approve') approval
  WHERE why IS NOT NULL
$$;

CREATE FUNCTION signoff_is_approved(signoff signoffs) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT signoff.quorum <= (SELECT count(*) FROM signoff_decisions WHERE signoff_id = signoff.id AND decision = 'approve')
    - (SELECT count(*) FROM signoff_void_approvals(signoff))
$$;

-- Roles that the policy does not name may approve too, but the quorum of the policy is by its own roles, whichever of the
-- required roles approve.
CREATE FUNCTION signoff_begun() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE policy signoff_policies;
BEGIN
  IF NEW.state <> 'pending' OR NOT signoff_requester_lives(NEW.requested_by_kind, NEW.requested_by, NEW.client_id) THEN
    RAISE EXCEPTION 'this sign-off cannot be requested' USING ERRCODE = 'insufficient_privilege';
  END IF;
  SELECT * INTO policy FROM signoff_policy_of(NEW.act);
  IF FOUND AND (
    NEW.quorum - (SELECT count(*) FROM unnest(NEW.required_roles) role WHERE role <> ALL (policy.roles)) < policy.quorum
    OR NEW.expires_at > NEW.requested_at + make_interval(mins => policy.lifetime_minutes)
    OR coalesce(NEW.min_security_score, -1) < coalesce(policy.min_security_score, -1)
    OR policy.no_open_incident AND NOT NEW.no_open_incident)
  THEN
    RAISE EXCEPTION 'this sign-off is below the policy of its act' USING ERRCODE = 'insufficient_privilege';
  END IF;
  NEW.policy_act := policy.act;
  NEW.policy_version := policy.version;
  NEW.argument_labels := coalesce(policy.arguments, '[]');
  RETURN NEW;
END $$;
CREATE TRIGGER signoffs_begun BEFORE INSERT ON signoffs FOR EACH ROW EXECUTE FUNCTION signoff_begun();
CREATE TRIGGER signoff_decisions_kept BEFORE INSERT OR UPDATE OR DELETE ON signoff_decisions
  FOR EACH ROW EXECUTE FUNCTION signoff_decision_kept();

CREATE FUNCTION signoff_policy_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := nextval('signoff_policy_versions');
  RETURN NEW;
END $$;
CREATE TRIGGER signoff_policies_changed BEFORE INSERT OR UPDATE ON signoff_policies
  FOR EACH ROW EXECUTE FUNCTION signoff_policy_changed();

-- The policy of an act: the one that names it, else the one that names most of its beginning. By the primary key.
CREATE FUNCTION signoff_policy_of(name text) RETURNS SETOF signoff_policies LANGUAGE sql STABLE AS $$
  SELECT * FROM signoff_policies
  WHERE act = ANY (ARRAY(SELECT left(name, n) || '*' FROM generate_series(1, length(name)) n) || name)
  ORDER BY act <> name, length(act) DESC LIMIT 1
$$;

-- The event that a receipt proves is that of the end.
CREATE FUNCTION signoff_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a sign-off that has ended does not change' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER signoffs_ended BEFORE UPDATE ON signoffs FOR EACH ROW
  WHEN (OLD.state IN ('denied', 'done', 'failed') AND NEW IS DISTINCT FROM OLD) EXECUTE FUNCTION signoff_ended();

-- ==== privacy ==============================================================================================================
-- The keys of health data, who may open what for which purpose, and how long it is kept.

-- Key-encryption keys: each wraps data keys, and is itself sealed under the key-encryption key of the installation.
CREATE TABLE phi_keys (
  version      integer PRIMARY KEY CHECK (version > 0),
  sealed       text NOT NULL,                            -- '' once destroyed
  created_at   timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  destroyed_at timestamptz(3),
  CHECK ((sealed = '') = (destroyed_at IS NOT NULL))
);
COMMENT ON TABLE phi_keys IS 'api: SELECT, INSERT, UPDATE (sealed); worker: SELECT, INSERT, UPDATE (sealed, destroyed_at)';

-- One live data key for each subject and level. A shredded row stays as a tombstone, so that its version is not reused.
CREATE TABLE phi_data_keys (
  id          uuid PRIMARY KEY,
  subject_id  text NOT NULL,
  level       text NOT NULL CHECK (level IN ('standard', 'high')),
  version     integer NOT NULL CHECK (version > 0),
  kek_version integer REFERENCES phi_keys (version),     -- null once shredded
  wrapped     text NOT NULL,                             -- '' once shredded
  created_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  shredded_at timestamptz(3),
  CHECK ((wrapped = '') = (shredded_at IS NOT NULL)),
  CHECK ((kek_version IS NULL) = (shredded_at IS NOT NULL))
);
CREATE UNIQUE INDEX phi_data_keys_version ON phi_data_keys (subject_id, level, version);
CREATE UNIQUE INDEX phi_data_keys_live ON phi_data_keys (subject_id, level) WHERE (shredded_at IS NULL);
CREATE INDEX phi_data_keys_kek_version ON phi_data_keys (kek_version, id) WHERE (shredded_at IS NULL);
CREATE INDEX phi_data_keys_shredded_at ON phi_data_keys (shredded_at) WHERE (shredded_at IS NOT NULL);
-- For the retention of health data.
CREATE INDEX phi_data_keys_created_at ON phi_data_keys (created_at) WHERE (shredded_at IS NULL);
COMMENT ON TABLE phi_data_keys IS 'api: SELECT, INSERT, UPDATE (kek_version, wrapped, shredded_at); worker: SELECT, INSERT, UPDATE (kek_version, wrapped, shredded_at), DELETE';

-- Progress of a rotation: a row first, so that a job that was killed continues where it stopped.
CREATE TABLE phi_rotations (
  id             uuid PRIMARY KEY,
  target_version integer NOT NULL REFERENCES phi_keys (version),
  state          text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done')),
  data_keys      bigint,                                 -- null until counted
  rewrapped      bigint NOT NULL DEFAULT 0,
  started_at     timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  finished_at    timestamptz(3),
  CHECK ((state = 'done') = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX phi_rotations_one_running ON phi_rotations (state) WHERE (state = 'running');
CREATE INDEX phi_rotations_started_at ON phi_rotations (started_at);
CREATE INDEX phi_rotations_finished_at ON phi_rotations (finished_at) WHERE (state = 'done');
COMMENT ON TABLE phi_rotations IS 'api: SELECT, INSERT; worker: SELECT, INSERT, UPDATE (state, data_keys, rewrapped, finished_at), DELETE';

-- Fields of health data that holders of a role may see for a purpose. `*` is every field.
CREATE TABLE phi_field_policies (
  role       text NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
  purpose    text NOT NULL CHECK (purpose IN ('treatment', 'payment', 'operations', 'individual_request', 'public_health', 'research', 'legal', 'emergency')),
  fields     text[] NOT NULL CHECK (cardinality(fields) BETWEEN 1 AND 200),
  changed_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (role, purpose)
);
COMMENT ON TABLE phi_field_policies IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (fields, changed_at), DELETE';
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
COMMENT ON TABLE phi_restrictions IS 'api: SELECT, INSERT, UPDATE (ended_at); worker: SELECT, INSERT, UPDATE (created_at), DELETE';

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
COMMENT ON TABLE phi_break_glass IS 'api: SELECT, INSERT, UPDATE (expires_at, outcome, reviewed_at, reviewed_by); worker: SELECT, INSERT, UPDATE (opened_at, expires_at), DELETE';

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
COMMENT ON TABLE phi_disclosures IS 'api: SELECT, INSERT; worker: SELECT, UPDATE (recorded_at), DELETE';

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
COMMENT ON TABLE phi_requests IS 'api: SELECT, INSERT; worker: SELECT, UPDATE (state, finished_at, event_id, summary, result), DELETE';

-- Evidence of disclosures is not changed, and is deleted after six years at the earliest.
CREATE FUNCTION phi_disclosure_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.disclosed_at < clock_timestamp() - interval '6 years' THEN RETURN OLD; END IF;
  RAISE EXCEPTION 'disclosures are append-only for six years' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER phi_disclosures_kept BEFORE UPDATE OR DELETE ON phi_disclosures
  FOR EACH ROW EXECUTE FUNCTION phi_disclosure_kept();

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
COMMENT ON TABLE phi_consents IS 'api: SELECT, INSERT; worker: SELECT, UPDATE (recorded_at), DELETE';

-- While a hold is open, nothing about the person is deleted.
CREATE TABLE legal_holds (
  id         uuid PRIMARY KEY,
  subject_id text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  ended_at   timestamptz(3)
);
CREATE INDEX legal_holds_open ON legal_holds (subject_id) WHERE (ended_at IS NULL);
CREATE INDEX legal_holds_subject_id ON legal_holds (subject_id, created_at);
COMMENT ON TABLE legal_holds IS 'api: SELECT, INSERT, UPDATE (ended_at); worker: SELECT, UPDATE (created_at), DELETE';

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
COMMENT ON TABLE retention_policies IS 'api: SELECT, UPDATE (keep_days, changed_at); worker: SELECT';
INSERT INTO retention_policies (kind, keep_days) VALUES ('users', NULL), ('phi', NULL), ('exports', 7), ('audit_events', NULL);
INSERT INTO retention_policies (kind, keep_days)
SELECT kind, 2192 FROM unnest('{shredded_keys,restrictions,emergency_accesses,disclosures,privacy_requests,consents,legal_holds,retention_runs}'::text[]) kind;

CREATE TABLE retention_runs (
  id          uuid PRIMARY KEY,
  dry_run     boolean NOT NULL,
  state       text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'done')),
  created_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz(3),
  -- Records by kind that were deleted, or that would be.
  counts      jsonb,
  -- Records by kind that a retention run removed so far; each batch adds to it in its own transaction, so the counts of a run
  -- whose worker died are exact.
  removed     jsonb NOT NULL DEFAULT '{}',
  CHECK ((state = 'done') = (finished_at IS NOT NULL) AND (state = 'done') = (counts IS NOT NULL))
);
CREATE INDEX retention_runs_created_at ON retention_runs (created_at);
CREATE INDEX retention_runs_queued ON retention_runs (created_at) WHERE (state = 'queued');
COMMENT ON TABLE retention_runs IS 'api: SELECT, INSERT; worker: SELECT, INSERT, UPDATE (state, finished_at, counts, removed), DELETE';

CREATE FUNCTION phi_consent_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.recorded_at < clock_timestamp() - interval '6 years' THEN RETURN OLD; END IF;
  RAISE EXCEPTION 'consents are append-only for six years' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER phi_consents_kept BEFORE UPDATE OR DELETE ON phi_consents
  FOR EACH ROW EXECUTE FUNCTION phi_consent_kept();

-- ==== migration ============================================================================================================
-- Users, sessions and records of other systems.

-- Imports: users of another system, read from its export. A run keeps how far it is in the transaction of each batch.
CREATE TABLE imports (
  id            uuid PRIMARY KEY,
  kind          text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9-]{0,31}$'),
  -- SHA-256, hex: of the file, and of the mapping with which it was read. A run goes on only with the same two.
  source_sha256 text NOT NULL CHECK (source_sha256 ~ '^[0-9a-f]{64}$'),
  map_sha256    text NOT NULL CHECK (map_sha256 ~ '^[0-9a-f]{64}$'),
  source_bytes  bigint NOT NULL CHECK (source_bytes >= 0),
  -- The mapping itself: names of columns and roles, never a value of a user.
  map           jsonb NOT NULL DEFAULT '{}' CHECK (octet_length(map::text) <= 65536),
  state         text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
  -- Records of the source that are imported or rejected, and the bytes read for them.
  position      bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
  position_bytes bigint NOT NULL DEFAULT 0 CHECK (position_bytes >= 0),
  new_count     bigint NOT NULL DEFAULT 0 CHECK (new_count >= 0),
  changed_count bigint NOT NULL DEFAULT 0 CHECK (changed_count >= 0),
  same_count    bigint NOT NULL DEFAULT 0 CHECK (same_count >= 0),
  linked_count  bigint NOT NULL DEFAULT 0 CHECK (linked_count >= 0),
  rejected_count bigint NOT NULL DEFAULT 0 CHECK (rejected_count >= 0),
  -- Users by the format of their password hash, and rejected records by reason.
  hash_formats  jsonb NOT NULL DEFAULT '{}' CHECK (octet_length(hash_formats::text) <= 4096),
  reject_reasons jsonb NOT NULL DEFAULT '{}' CHECK (octet_length(reject_reasons::text) <= 4096),
  -- SHA-256 over the digests of the users, in their order.
  users_sha256  text CHECK (users_sha256 ~ '^[0-9a-f]{64}$'),
  actor_kind    text NOT NULL,
  actor_id      text,
  reason        text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  failure       text CHECK (length(failure) <= 128),
  -- The event of the end in the sealed log.
  event_id      uuid,
  created_at    timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  touched_at    timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  finished_at   timestamptz(3),
  -- Null: a run of before, which did not count them.
  factors_lost_count bigint CHECK (factors_lost_count >= 0),
  notices       jsonb CHECK (octet_length(notices::text) <= 4096),
  CHECK ((finished_at IS NULL) = (state IN ('waiting', 'running')))
);
CREATE INDEX imports_touched_at ON imports (touched_at);
CREATE INDEX imports_created_at ON imports (created_at, id);
-- One open run of a file with a mapping.
CREATE UNIQUE INDEX imports_open ON imports (kind, source_sha256, map_sha256) WHERE (finished_at IS NULL);
COMMENT ON TABLE imports IS 'api: SELECT, INSERT; worker: SELECT, UPDATE (source_sha256, source_bytes, state, position, position_bytes, new_count, changed_count, same_count, linked_count, rejected_count, hash_formats, reject_reasons, users_sha256, failure, event_id, touched_at, finished_at, factors_lost_count, notices), DELETE';

-- Uploaded bytes of a run, encrypted; deleted when it ends.
CREATE TABLE import_chunks (
  import_id uuid NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
  chunk     integer NOT NULL CHECK (chunk >= 0),
  sealed    text NOT NULL,
  PRIMARY KEY (import_id, chunk)
);
COMMENT ON TABLE import_chunks IS 'api: SELECT, INSERT, UPDATE (sealed); worker: SELECT, UPDATE (sealed), DELETE';

-- Which user here a user of the other system is.
CREATE TABLE legacy_users (
  id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  provider        text NOT NULL CHECK (provider ~ '^[a-z][a-z0-9-]{0,31}$'),
  legacy_id       text NOT NULL CHECK (length(legacy_id) BETWEEN 1 AND 255),
  -- Null: deleted here; a later import does not create the user again.
  user_id         text REFERENCES users (id) ON DELETE SET NULL,
  -- SHA-256 of what was imported, hex: the same again changes nothing.
  content_sha256  text CHECK (content_sha256 ~ '^[0-9a-f]{64}$'),
  -- SHA-256 of the imported password hash, hex, and when it was stored. A password that the user changed here is newer.
  password_sha256 text CHECK (password_sha256 ~ '^[0-9a-f]{64}$'),
  password_set_at timestamptz(3),
  -- Has no password here yet: the other system checks it at the first sign-in.
  lazy            boolean NOT NULL DEFAULT false,
  imported_at     timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  ended_at        timestamptz(3),
  -- SHA-256, hex.
  email_sha256    text,
  -- Several rows of one source may be one person, one for each way in: the first that was imported is the one that an export
  -- names, and the others are joined to its user. Only rows whose address the source has verified are joined.
  joined          boolean NOT NULL DEFAULT false,
  email_verified  boolean NOT NULL DEFAULT false,
  -- Whether the import counted the user among those whose second factor it could not bring.
  factors_lost    boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX legacy_users_legacy_id ON legacy_users (provider, legacy_id);
CREATE INDEX legacy_users_ended_at ON legacy_users (ended_at) WHERE (ended_at IS NOT NULL);
-- A user here is the first row of at most one user of each source; rows that are joined are not counted.
CREATE UNIQUE INDEX legacy_users_first ON legacy_users (user_id, provider) WHERE (NOT joined);
CREATE INDEX legacy_users_of_user ON legacy_users (user_id, provider);
COMMENT ON TABLE legacy_users IS 'api: SELECT, INSERT, UPDATE (lazy); worker: SELECT, INSERT, UPDATE (content_sha256, password_sha256, password_set_at, lazy, email_sha256, email_verified, factors_lost), DELETE';

-- A deleted user leaves only the id that must not come back.
CREATE FUNCTION legacy_user_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.content_sha256 := NULL;
  NEW.email_sha256 := NULL;
  NEW.password_sha256 := NULL;
  NEW.password_set_at := NULL;
  NEW.lazy := false;
  NEW.ended_at := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER legacy_users_ended BEFORE UPDATE ON legacy_users FOR EACH ROW
  WHEN (OLD.user_id IS NOT NULL AND NEW.user_id IS NULL) EXECUTE FUNCTION legacy_user_ended();

-- What the other system knew of a user and no column here holds.
CREATE TABLE user_metadata (
  user_id  text PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  metadata jsonb NOT NULL CHECK (jsonb_typeof(metadata) = 'object' AND octet_length(metadata::text) <= 32768)
);
COMMENT ON TABLE user_metadata IS 'worker: SELECT, INSERT, UPDATE (metadata)';

CREATE TABLE import_rejects (
  import_id uuid NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
  -- Its place among the records of the source, from 1.
  record    bigint NOT NULL CHECK (record >= 0),
  line      bigint NOT NULL CHECK (line >= 0),
  reason    text NOT NULL CHECK (reason ~ '^[a-z][a-z0-9_]{0,63}$'),
  value     text NOT NULL DEFAULT '' CHECK (length(value) <= 256),
  PRIMARY KEY (import_id, record)
);
COMMENT ON TABLE import_rejects IS 'api: SELECT; worker: SELECT, INSERT';

-- Sessions of the provider that this installation replaces: which session here each became, and which have ended.
CREATE TABLE legacy_sessions (
  -- SHA-256 of issuer and session id; of a token without one, of the token.
  id         bytea PRIMARY KEY CHECK (octet_length(id) = 32),
  -- Null: ended at the old provider before it came here.
  user_id    text REFERENCES users (id) ON DELETE CASCADE,
  session_id text,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- Exchanged or ended most recently.
  touched_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  ended_at   timestamptz(3)
);
CREATE INDEX legacy_sessions_user_id ON legacy_sessions (user_id);
CREATE INDEX legacy_sessions_session_id ON legacy_sessions (session_id);
CREATE INDEX legacy_sessions_touched_at ON legacy_sessions (touched_at);
COMMENT ON TABLE legacy_sessions IS 'api: SELECT, INSERT, UPDATE (session_id, touched_at, ended_at); worker: SELECT, INSERT, UPDATE (touched_at, ended_at), DELETE';

-- When all sessions of a user were ended here: earlier sign-ins at the old provider prove nothing any more.
CREATE TABLE legacy_user_ends (
  user_id  text PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  ended_at timestamptz(3) NOT NULL
);
COMMENT ON TABLE legacy_user_ends IS 'api: SELECT, INSERT, UPDATE (ended_at); worker: SELECT, INSERT, UPDATE (ended_at)';

-- The feed carries the end to every copy, under a name that no session here has.
CREATE FUNCTION legacy_session_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO revocations (kind, value, reason, user_id, expires_at)
  VALUES ('sid', 'legacy:' || encode(NEW.id, 'hex'), coalesce(audit_context('reason'), 'legacy_session_ended'), NEW.user_id,
    revocation_keep_until());
  RETURN NULL;
END $$;
CREATE TRIGGER legacy_sessions_inserted AFTER INSERT ON legacy_sessions FOR EACH ROW
  WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION legacy_session_revoked();
CREATE TRIGGER legacy_sessions_ended AFTER UPDATE ON legacy_sessions FOR EACH ROW
  WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION legacy_session_revoked();

-- Events of the provider that this installation replaces, as its webhooks bring them: each once, in order for each user.
CREATE TABLE legacy_events (
  -- SHA-256 of the id that the provider gave the event.
  id              bytea PRIMARY KEY CHECK (octet_length(id) = 32),
  seq             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  kind            text NOT NULL CHECK (kind IN ('user_created', 'user_updated', 'user_deleted', 'session_ended')),
  -- Id of the user there; null for the end of a session, which waits for nothing.
  subject         text CHECK (length(subject) BETWEEN 1 AND 255),
  -- Id of the session in legacy_sessions.
  session         bytea CHECK (octet_length(session) = 32),
  -- Name and picture; null once the event is finished.
  changes         jsonb CHECK (octet_length(changes::text) <= 8192),
  occurred_at     timestamptz(3) NOT NULL,
  received_at     timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- Why it waits, or what became of it: applied, or why it was dropped.
  state           text NOT NULL DEFAULT 'received' CHECK (length(state) <= 64),
  -- Null once it is finished.
  next_attempt_at timestamptz DEFAULT clock_timestamp(),
  CHECK ((kind = 'session_ended') = (subject IS NULL) AND (subject IS NULL) = (session IS NOT NULL))
);
CREATE INDEX legacy_events_next_attempt_at ON legacy_events (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX legacy_events_subject ON legacy_events (subject, occurred_at, seq);
CREATE INDEX legacy_events_received_at ON legacy_events (received_at);
COMMENT ON TABLE legacy_events IS 'api: SELECT, INSERT, UPDATE (next_attempt_at); worker: SELECT, UPDATE (changes, state, next_attempt_at), DELETE';

-- Events that came before their user was imported wait no longer. Once for each statement, because imports write many.
CREATE FUNCTION legacy_users_arrived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE legacy_events SET next_attempt_at = clock_timestamp() FROM added
  WHERE subject = added.legacy_id AND state = 'user_not_imported' AND next_attempt_at IS NOT NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER legacy_users_arrived AFTER INSERT ON legacy_users
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION legacy_users_arrived();

CREATE TABLE import_notices (
  import_id uuid NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
  -- The place of the record in the source, and of the notice in the record.
  record    bigint NOT NULL CHECK (record >= 1),
  place     smallint NOT NULL CHECK (place >= 0),
  line      bigint NOT NULL CHECK (line >= 0),
  notice    text NOT NULL CHECK (notice ~ '^[a-z][a-z0-9_]{0,63}$'),
  member    text NOT NULL CHECK (length(member) <= 256),
  value     text NOT NULL DEFAULT '' CHECK (length(value) <= 256),
  PRIMARY KEY (import_id, record, place)
);
COMMENT ON TABLE import_notices IS 'api: SELECT; worker: SELECT, INSERT';

-- ==== handoff ==============================================================================================================
-- The sealed log on its way to the endpoints of other systems.

-- Hand-off: security events that the workers push to configured endpoints, in the order of the sealed log.
CREATE TABLE handoff_endpoints (
  name        text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,31}$'),
  -- Events of the sealed log up to here have a delivery, or are of a type that is not pushed.
  reached_seq bigint NOT NULL CHECK (reached_seq >= -1),
  -- Failed batches in a row. Nothing is sent before open_until; then one event tries whether the endpoint is up.
  failures    integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  open_until  timestamptz(3),
  followed_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX handoff_endpoints_followed_at ON handoff_endpoints (followed_at);
COMMENT ON TABLE handoff_endpoints IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (reached_seq, failures, open_until, followed_at), DELETE';

-- Deleted when the endpoint has accepted the event.
CREATE TABLE handoff_deliveries (
  id              uuid PRIMARY KEY,
  endpoint        text NOT NULL REFERENCES handoff_endpoints (name) ON DELETE CASCADE,
  seq             bigint NOT NULL,
  -- SHA-256 of the subject, hex: events of one subject are sent in order.
  subject         text NOT NULL CHECK (subject ~ '^[0-9a-f]{64}$'),
  attempts        integer NOT NULL DEFAULT 0,
  created_at      timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- Null: given up; kept for a while for operators.
  next_attempt_at timestamptz(3) DEFAULT clock_timestamp(),
  -- Of the last attempt; null while an attempt is made.
  failure         text CHECK (length(failure) <= 128),
  failed_at       timestamptz(3)
);
CREATE UNIQUE INDEX handoff_deliveries_seq ON handoff_deliveries (endpoint, seq);
CREATE INDEX handoff_deliveries_waiting ON handoff_deliveries (endpoint, seq) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX handoff_deliveries_subject ON handoff_deliveries (endpoint, subject, seq) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX handoff_deliveries_given_up ON handoff_deliveries (failed_at) WHERE (next_attempt_at IS NULL);
CREATE INDEX handoff_deliveries_created_at ON handoff_deliveries (created_at);
COMMENT ON TABLE handoff_deliveries IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (attempts, created_at, next_attempt_at, failure, failed_at), DELETE';

-- Deleted when the search for the events of the subject has reached what was planned; ends with its endpoint.
CREATE TABLE handoff_parked (
  endpoint  text NOT NULL REFERENCES handoff_endpoints (name) ON DELETE CASCADE,
  subject   text NOT NULL CHECK (subject ~ '^[0-9a-f]{64}$'),
  -- Events of the subject after this one have no delivery.
  after_seq bigint NOT NULL CHECK (after_seq >= -1),
  PRIMARY KEY (endpoint, subject)
);
COMMENT ON TABLE handoff_parked IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (after_seq), DELETE';

-- How far each target of the SIEM export is in the sealed log, and whether it fails. One row for each target of
-- SIEM_TARGETS: an export writes nothing for an event.
CREATE TABLE siem_targets (
  name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,31}$'),
  reached_seq bigint NOT NULL CHECK (reached_seq >= -1),
  failures integer NOT NULL DEFAULT 0,
  rejections integer NOT NULL DEFAULT 0,
  failure text,
  failed_at timestamptz(3),
  retry_at timestamptz(3),
  accepted_at timestamptz(3),
  followed_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX siem_targets_followed_at ON siem_targets (followed_at);
COMMENT ON TABLE siem_targets IS 'api: SELECT, UPDATE (reached_seq, rejections, retry_at); worker: SELECT, INSERT, UPDATE (reached_seq, failures, rejections, failure, failed_at, retry_at, accepted_at, followed_at), DELETE';

-- ==== compliance ===========================================================================================================
-- Controls, their evidence, reports and violations.

-- The state of each control: the result of its last check, and since when it has its status.
CREATE TABLE compliance_controls (
  control         text PRIMARY KEY CHECK (control ~ '^[a-z0-9-]{1,64}$'),
  status          text NOT NULL CHECK (status IN ('pass', 'fail', 'error', 'not_applicable', 'unknown')),
  -- Why the status is not `pass`.
  reason          text CHECK (length(reason) <= 500),
  population      bigint NOT NULL CHECK (population >= 0),
  sampled         bigint NOT NULL CHECK (sampled >= 0),
  exceptions      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(exceptions) = 'array'),
  exception_count bigint NOT NULL CHECK (exception_count >= 0),
  -- Canonical JSON: text, so that its bytes have the hash beside it.
  observed        text NOT NULL CHECK (length(observed) <= 65535),
  observed_sha256 text NOT NULL CHECK (observed_sha256 ~ '^[0-9a-f]{64}$'),
  probe_version   smallint NOT NULL,
  release         text NOT NULL,
  collector       text NOT NULL,
  started_at      timestamptz NOT NULL,
  ended_at        timestamptz NOT NULL,
  changed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (status <> 'pass' OR (population > 0 AND sampled > 0 AND exception_count = 0))
) WITH (fillfactor = 50);
COMMENT ON TABLE compliance_controls IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT, UPDATE (status, reason, population, sampled, exceptions, exception_count, observed, observed_sha256, probe_version, release, collector, started_at, ended_at, changed_at)';

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
COMMENT ON TABLE compliance_reports IS 'api: SELECT, INSERT, UPDATE (status, ended_at, failure); mcp: SELECT, INSERT, UPDATE (status, ended_at, failure); worker: SELECT, INSERT, UPDATE (status, progress, started_at, ended_at, failure, summary, bundle, sha256, pdf), DELETE';

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
COMMENT ON TABLE compliance_evidence IS 'worker: SELECT, INSERT';

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
COMMENT ON TABLE compliance_attestations IS 'api: SELECT, INSERT; mcp: SELECT; worker: SELECT, UPDATE (expires_at), DELETE';

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

-- Violations: what a control found, who follows it up, and until when. Kept for six years.
CREATE TABLE compliance_violations (
  id              uuid PRIMARY KEY,
  control         text NOT NULL CHECK (control ~ '^[a-z0-9-]{1,64}$'),
  state           text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'assigned', 'accepted', 'resolved')),
  -- Of the newest check that failed.
  exception_count bigint NOT NULL CHECK (exception_count >= 0),
  detail          text CHECK (length(detail) <= 500),
  -- Who follows it up: an id or a team, no name.
  owner           text CHECK (length(owner) <= 255),
  opened_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  due_at          timestamptz NOT NULL,
  -- Of the last change by a person or by the check that passed.
  reason          text CHECK (length(reason) <= 256),
  changed_by      text CHECK (length(changed_by) <= 300),
  changed_at      timestamptz,
  resolved_at     timestamptz,
  CHECK ((state = 'resolved') = (resolved_at IS NOT NULL)),
  CHECK (state <> 'assigned' OR owner IS NOT NULL)
);
-- One for each control until it is resolved.
CREATE UNIQUE INDEX compliance_violations_one_open ON compliance_violations (control) WHERE resolved_at IS NULL;
CREATE INDEX compliance_violations_opened_at ON compliance_violations (opened_at, id);
CREATE INDEX compliance_violations_resolved_at ON compliance_violations (resolved_at) WHERE resolved_at IS NOT NULL;
COMMENT ON TABLE compliance_violations IS 'api: SELECT, UPDATE (state, owner, due_at, reason, changed_by, changed_at); worker: SELECT, INSERT, UPDATE (state, exception_count, detail, reason, changed_by, changed_at, resolved_at), DELETE';

CREATE TRIGGER compliance_violations_kept BEFORE DELETE ON compliance_violations
  FOR EACH ROW EXECUTE FUNCTION compliance_kept('opened_at');
CREATE TRIGGER compliance_violations_unchanged BEFORE UPDATE ON compliance_violations
  FOR EACH ROW WHEN (OLD.resolved_at IS NOT NULL) EXECUTE FUNCTION compliance_unchanged();

-- Controls that read the sealed log read on from where they stopped, and remember the events that break them: by number
-- and type, never by what they contain. A violation stays open until its events are acknowledged.
CREATE TABLE compliance_log_reads (
  control       text PRIMARY KEY CHECK (control ~ '^[a-z0-9-]{1,64}$'),
  -- A newer probe reads the log from its beginning.
  probe_version smallint NOT NULL,
  read_to       bigint NOT NULL
);
COMMENT ON TABLE compliance_log_reads IS 'worker: SELECT, INSERT, UPDATE (probe_version, read_to)';

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
COMMENT ON TABLE compliance_findings IS 'api: SELECT, UPDATE (acknowledged_at); worker: SELECT, INSERT';

-- ==== monitoring ===========================================================================================================
-- What the dashboard of security and performance shows.

-- What the dashboard reads: events of the sealed log by hour, and what copies measured.
CREATE TABLE monitoring_state (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  after_seq bigint,
  counted_at timestamptz(3),
  locked_accounts integer,
  -- The dashboard shows counts of token families that a job took: counting reads every family.
  tokens          jsonb CHECK (jsonb_typeof(tokens) = 'object'),
  tokens_at       timestamptz(3)
);
COMMENT ON TABLE monitoring_state IS 'api: SELECT; worker: SELECT, UPDATE (after_seq, counted_at, locked_accounts, tokens, tokens_at)';
INSERT INTO monitoring_state DEFAULT VALUES;

CREATE TABLE event_hours (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  hour timestamptz(3) NOT NULL,
  type text NOT NULL,
  outcome text NOT NULL,
  events bigint NOT NULL,
  active bigint NOT NULL
);
CREATE UNIQUE INDEX event_hours_hour ON event_hours (hour, type, outcome);
COMMENT ON TABLE event_hours IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT, UPDATE (events, active), DELETE';

CREATE TABLE copy_samples (
  id uuid PRIMARY KEY,
  copy_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('api', 'worker')),
  at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  seconds double precision NOT NULL,
  sample jsonb NOT NULL
);
CREATE INDEX copy_samples_at ON copy_samples (at);
COMMENT ON TABLE copy_samples IS 'api: SELECT, INSERT; worker: SELECT, INSERT, UPDATE (at), DELETE';

-- Reports of security: counts of a period, as a file whose hash the audit log has.
CREATE TABLE security_reports (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('weekly', 'demand')),
  period_from timestamptz(3) NOT NULL,
  period_to timestamptz(3) NOT NULL CHECK (period_from < period_to),
  status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'done', 'failed')),
  requested_by text NOT NULL,
  requested_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz(3) CHECK ((ended_at IS NULL) = (status = 'queued')),
  content text CHECK ((content IS NULL) = (status <> 'done')),
  sha256 text
);
CREATE UNIQUE INDEX security_reports_weekly ON security_reports (period_from) WHERE kind = 'weekly';
CREATE INDEX security_reports_queued ON security_reports (requested_at) WHERE status = 'queued';
CREATE INDEX security_reports_requested_at ON security_reports (requested_at, id);
COMMENT ON TABLE security_reports IS 'api: SELECT, INSERT; worker: SELECT, INSERT, UPDATE (status, ended_at, content, sha256), DELETE';

-- What the capacity forecast reads: one row for each hour.
CREATE TABLE capacity_samples (
  id uuid PRIMARY KEY,
  hour timestamptz(3) NOT NULL,
  measured jsonb NOT NULL,
  sums jsonb NOT NULL
);
CREATE UNIQUE INDEX capacity_samples_hour ON capacity_samples (hour);
COMMENT ON TABLE capacity_samples IS 'api: SELECT; worker: SELECT, INSERT, UPDATE (hour), DELETE';

-- ==== alerts ===============================================================================================================
-- Alerts, the targets that they are sent to, and silences.

-- Alerts: what needs a person, where it is sent, and what was sent.
CREATE TABLE alert_targets (
  id                      uuid PRIMARY KEY,
  name                    text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  kind                    text NOT NULL CHECK (kind IN ('webhook', 'mail', 'slack')),
  -- The URL or address, encrypted: the URL of a Slack webhook is a secret.
  sealed                  text NOT NULL,
  -- What of it may be read.
  shown                   text NOT NULL CHECK (length(shown) <= 512),
  sources                 text[] NOT NULL,
  severities              text[] NOT NULL,
  quiet_from              text CHECK (quiet_from ~ '^\d\d:\d\d$'),
  quiet_until             text CHECK (quiet_until ~ '^\d\d:\d\d$'),
  time_zone               text NOT NULL CHECK (length(time_zone) <= 64),
  escalates_to            uuid REFERENCES alert_targets ON DELETE SET NULL,
  escalates_after_minutes integer CHECK (escalates_after_minutes BETWEEN 1 AND 1440),
  only_escalated          boolean NOT NULL,
  failures                integer NOT NULL DEFAULT 0,
  open_until              timestamptz(3),
  created_at              timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- The address that a target had before it was removed or moved: for a day it is told what is done to the oversight, so the
  -- person who removes every target does not do it in silence.
  removed_at              timestamptz(3),
  CHECK ((quiet_from IS NULL) = (quiet_until IS NULL))
);
CREATE UNIQUE INDEX alert_targets_name ON alert_targets (name);
CREATE INDEX alert_targets_escalates_to ON alert_targets (escalates_to);
COMMENT ON TABLE alert_targets IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE (sealed, failures, open_until), DELETE';

-- One row for each cause until it is resolved.
CREATE TABLE alerts (
  id              uuid PRIMARY KEY,
  seq             bigint GENERATED ALWAYS AS IDENTITY,
  source          text NOT NULL CHECK (source IN ('incident', 'control', 'alertmanager', 'oversight')),
  cause           text NOT NULL CHECK (length(cause) BETWEEN 1 AND 255),
  name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
  severity        text NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
  summary         text NOT NULL CHECK (length(summary) <= 1024),
  labels          jsonb NOT NULL CHECK (octet_length(labels::text) <= 16384),
  state           text NOT NULL DEFAULT 'firing' CHECK (state IN ('firing', 'acknowledged', 'resolved')),
  -- Reports of the cause while it lasts.
  count           integer NOT NULL DEFAULT 1,
  raised_at       timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  acknowledged_at timestamptz(3),
  acknowledged_by text,
  resolved_at     timestamptz(3),
  -- Resolved, and a target that got it does not know yet.
  is_closing      boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX alerts_one_open ON alerts (source, cause) WHERE (state <> 'resolved'::text);
CREATE INDEX alerts_closing ON alerts (id) WHERE is_closing;
CREATE INDEX alerts_raised_at ON alerts (raised_at, id);
CREATE INDEX alerts_resolved_at ON alerts (resolved_at);
COMMENT ON TABLE alerts IS 'api: SELECT, INSERT, UPDATE (state, count, acknowledged_at, acknowledged_by, resolved_at, is_closing); worker: SELECT, INSERT, UPDATE (state, count, acknowledged_at, acknowledged_by, resolved_at, is_closing), DELETE';

-- What a target is told of an alert, each once. Without a delivery it waits for the next message of its group.
CREATE TABLE alert_notices (
  target_id   uuid NOT NULL REFERENCES alert_targets ON DELETE CASCADE,
  alert_id    uuid NOT NULL REFERENCES alerts ON DELETE CASCADE,
  kind        text NOT NULL CHECK (kind IN ('firing', 'escalated', 'resolved')),
  seq         bigint GENERATED ALWAYS AS IDENTITY,
  grouped     text NOT NULL,
  delivery_id uuid,
  planned_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (target_id, alert_id, kind)
);
CREATE INDEX alert_notices_waiting ON alert_notices (target_id, grouped, seq) WHERE (delivery_id IS NULL);
CREATE INDEX alert_notices_delivery_id ON alert_notices (delivery_id, seq);
CREATE INDEX alert_notices_alert_id ON alert_notices (alert_id);
COMMENT ON TABLE alert_notices IS 'api: SELECT; worker: SELECT, INSERT, UPDATE (delivery_id)';

-- One message to a target: waiting, sent or given up. Its id is the same in each attempt.
CREATE TABLE alert_deliveries (
  id              uuid PRIMARY KEY,
  target_id       uuid NOT NULL REFERENCES alert_targets ON DELETE CASCADE,
  kind            text NOT NULL CHECK (kind IN ('alerts', 'test')),
  grouped         text NOT NULL,
  firing          integer NOT NULL DEFAULT 0,
  resolved        integer NOT NULL DEFAULT 0,
  -- The mail that carries it, while it waits in the outbox of mails.
  mail_id         uuid,
  attempts        integer NOT NULL DEFAULT 0,
  created_at      timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- Null once it was sent or given up.
  next_attempt_at timestamptz(3) DEFAULT clock_timestamp(),
  failure         text,
  failed_at       timestamptz(3),
  sent_at         timestamptz(3)
);
CREATE UNIQUE INDEX alert_deliveries_open ON alert_deliveries (target_id, grouped, kind) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX alert_deliveries_target ON alert_deliveries (target_id, created_at, id);
CREATE INDEX alert_deliveries_created_at ON alert_deliveries (created_at);
COMMENT ON TABLE alert_deliveries IS 'api: SELECT, INSERT, UPDATE (next_attempt_at); worker: SELECT, INSERT, UPDATE (mail_id, attempts, next_attempt_at, failure, failed_at, sent_at), DELETE';

CREATE TABLE alert_silences (
  id         uuid PRIMARY KEY,
  -- Labels that an alert must have.
  matchers   jsonb NOT NULL CHECK (octet_length(matchers::text) <= 4096),
  until      timestamptz(3) NOT NULL,
  reason     text NOT NULL CHECK (length(reason) <= 256),
  created_by text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  ended_at   timestamptz(3)
);
CREATE INDEX alert_silences_until ON alert_silences (until);
COMMENT ON TABLE alert_silences IS 'api: SELECT, INSERT, UPDATE (ended_at); worker: SELECT, UPDATE (created_at), DELETE';

-- One row: how far alerts have read the sealed log.
CREATE TABLE alert_progress (
  id  boolean PRIMARY KEY DEFAULT true CHECK (id),
  seq bigint NOT NULL
);
COMMENT ON TABLE alert_progress IS 'worker: SELECT, INSERT, UPDATE (seq)';

-- ==== signals ==============================================================================================================
-- Shared signals: transmitters that may end sessions here, and the streams of receivers.

-- Shared signals (OpenID SSF 1.0) that others send: who may, and what they sent, each once.
CREATE TABLE signal_transmitters (
  id          uuid PRIMARY KEY,
  issuer      text NOT NULL CHECK (length(issuer) BETWEEN 1 AND 512),
  jwks_uri    text NOT NULL CHECK (length(jwks_uri) <= 512),
  -- What its events must name as audience.
  audience    text NOT NULL CHECK (length(audience) BETWEEN 1 AND 512),
  -- Whose linked accounts its subjects are; null: none.
  provider    text CHECK (length(provider) BETWEEN 1 AND 64),
  -- Whether a subject may be a verified address.
  match_email boolean NOT NULL,
  created_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- Whether a transmitter of shared signals may name users by our own ids, and when a receiver last asked to verify a stream.
  own_ids     boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX signal_transmitters_issuer ON signal_transmitters (issuer);
COMMENT ON TABLE signal_transmitters IS 'api: SELECT, INSERT, DELETE; worker: SELECT';

CREATE TABLE signals_received (
  transmitter_id uuid NOT NULL REFERENCES signal_transmitters ON DELETE CASCADE,
  -- SHA-256 of its jti.
  jti            bytea NOT NULL CHECK (octet_length(jti) = 32),
  id             uuid NOT NULL,
  event          text NOT NULL CHECK (length(event) <= 64),
  outcome        text NOT NULL CHECK (outcome IN ('applied', 'no_user', 'ignored')),
  received_at    timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (transmitter_id, jti)
);
CREATE UNIQUE INDEX signals_received_id ON signals_received (id);
CREATE INDEX signals_received_received_at ON signals_received (received_at, id);
COMMENT ON TABLE signals_received IS 'api: SELECT, INSERT; worker: SELECT, UPDATE (received_at), DELETE';

-- Streams of shared signals (OpenID SSF 1.0): who receives our security events. Their queues are those of hand-offs.
CREATE TABLE signal_streams (
  id                   uuid PRIMARY KEY,
  -- Who created it, as client: and the id.
  owner                text NOT NULL CHECK (length(owner) <= 300),
  audience             text NOT NULL CHECK (length(audience) <= 300),
  method               text NOT NULL CHECK (method IN ('urn:ietf:rfc:8935', 'urn:ietf:rfc:8936')),
  -- Of push.
  endpoint_url         text CHECK (length(endpoint_url) <= 2048),
  -- What the receiver asks for as Authorization, encrypted.
  sealed_authorization text,
  events               text[] NOT NULL,
  description          text CHECK (length(description) <= 256),
  status               text NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'paused', 'disabled')),
  status_reason        text CHECK (length(status_reason) <= 256),
  created_at           timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  verified_at          timestamptz(3),
  CHECK ((method = 'urn:ietf:rfc:8935') = (endpoint_url IS NOT NULL))
);
CREATE INDEX signal_streams_owner ON signal_streams (owner, created_at, id);
COMMENT ON TABLE signal_streams IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE (sealed_authorization)';

-- Users whose events a stream does not deliver.
CREATE TABLE signal_exclusions (
  stream_id uuid NOT NULL REFERENCES signal_streams ON DELETE CASCADE,
  user_id   text NOT NULL REFERENCES users ON DELETE CASCADE,
  PRIMARY KEY (stream_id, user_id)
);
CREATE INDEX signal_exclusions_user_id ON signal_exclusions (user_id);
COMMENT ON TABLE signal_exclusions IS 'api: SELECT, INSERT, DELETE; worker: SELECT';

-- ==== operations ===========================================================================================================
-- How far the work on this installation is, and the releases that it ran.

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
COMMENT ON TABLE progress_state IS 'mcp: SELECT; worker: SELECT, UPDATE (measured, measured_at, reported, reported_at)';
INSERT INTO progress_state DEFAULT VALUES;

-- Purged by the job that counts, after thirty days.
CREATE TABLE authentication_progress (
  hour   timestamptz(3) NOT NULL,
  event  text NOT NULL CHECK (event IN ('login', 'logout', 'refresh', 'verify', 'failure')),
  source text NOT NULL CHECK (source IN ('measured', 'reported')),
  events bigint NOT NULL CHECK (events >= 0),
  PRIMARY KEY (hour, event, source)
);
COMMENT ON TABLE authentication_progress IS 'mcp: SELECT; worker: SELECT, INSERT, UPDATE (events), DELETE';

CREATE TABLE component_progress (
  component      text PRIMARY KEY CHECK (component IN
    ('jwt-service', 'better-auth', 'middleware', 'security', 'phase6', 'monitoring', 'deployment')),
  status         text NOT NULL CHECK (status IN ('not_started', 'in_progress', 'blocked', 'done')),
  percent        smallint NOT NULL CHECK (percent BETWEEN 0 AND 100),
  coverage       smallint CHECK (coverage BETWEEN 0 AND 100),
  security_score smallint CHECK (security_score BETWEEN 0 AND 100),
  at             timestamptz(3) NOT NULL
);
COMMENT ON TABLE component_progress IS 'mcp: SELECT; worker: SELECT, INSERT, UPDATE (status, percent, coverage, security_score, at)';

-- Reports that were stored: a job that runs twice counts once. Purged by the job that counts, after two days.
CREATE TABLE progress_reports (
  id        uuid PRIMARY KEY,
  stored_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX progress_reports_stored_at ON progress_reports (stored_at);
COMMENT ON TABLE progress_reports IS 'worker: SELECT, INSERT, DELETE';

-- Which release ran on this database, from when, and on which schema. Rows are only added, also by a rollback.
CREATE TABLE releases (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind           text NOT NULL CHECK (kind IN ('deploy', 'rollback')),
  version        text NOT NULL CHECK (length(version) BETWEEN 1 AND 64),
  build          text CHECK (length(build) BETWEEN 1 AND 64),
  schema_version text NOT NULL CHECK (length(schema_version) <= 255),
  started_at     timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  started_by     text NOT NULL CHECK (length(started_by) BETWEEN 1 AND 255)
);
COMMENT ON TABLE releases IS 'worker: SELECT';

-- What the API says at its start about the installation: settings that are the same for every process of it. Commands
-- read them, so that they do not act under the settings of their own shell. One row.
CREATE TABLE installation_facts (
  id          boolean PRIMARY KEY DEFAULT true CHECK (id),
  facts       jsonb NOT NULL CHECK (jsonb_typeof(facts) = 'object' AND octet_length(facts::text) <= 65536),
  recorded_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE installation_facts IS 'api: SELECT, INSERT, UPDATE (facts, recorded_at); worker: SELECT';

-- ==== operations/tasks =====================================================================================================
-- Tasks of the MCP server that outlive a call.

-- Long work that MCP clients began, and poll.
CREATE TABLE mcp_tasks (
  -- 144 random bits: an id that cannot be guessed.
  id           text PRIMARY KEY CHECK (length(id) = 24),
  kind         text NOT NULL CHECK (kind ~ '^[a-z_]{1,40}$'),
  -- The caller that began it; no other may see it.
  caller_kind  text NOT NULL CHECK (caller_kind IN ('user', 'client')),
  caller_id    text NOT NULL,
  client_id    text NOT NULL,
  arguments    jsonb NOT NULL CHECK (jsonb_typeof(arguments) = 'object'),
  state        text NOT NULL CHECK (state IN ('working', 'input_required', 'completed', 'cancelled')),
  -- The report or sign-off that the task waits for.
  subject_id   uuid NOT NULL,
  message      text NOT NULL CHECK (length(message) <= 512),
  -- What the tool returned, once completed; before, what is known of it.
  result       jsonb CHECK (jsonb_typeof(result) = 'object'),
  is_error     boolean NOT NULL DEFAULT false,
  created_at   timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  updated_at   timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  next_look_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 80);
CREATE INDEX mcp_tasks_next_look_at ON mcp_tasks (next_look_at) WHERE state IN ('working', 'input_required');
CREATE INDEX mcp_tasks_created_at ON mcp_tasks (created_at);
-- A task that waits for people is woken by what they decide, and checked at no other time before its sign-off expires.
CREATE INDEX mcp_tasks_subject ON mcp_tasks (subject_id) WHERE state IN ('working', 'input_required');
COMMENT ON TABLE mcp_tasks IS 'api: SELECT, UPDATE (next_look_at); mcp: SELECT, INSERT, UPDATE (state, message, result, is_error, updated_at, next_look_at); worker: SELECT, UPDATE (state, message, result, is_error, updated_at, next_look_at), DELETE';

-- A task that ended stays as it is.
CREATE FUNCTION mcp_task_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state IN ('completed', 'cancelled') THEN
    RAISE EXCEPTION 'a task that ended does not change' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER mcp_task_ended BEFORE UPDATE ON mcp_tasks FOR EACH ROW EXECUTE FUNCTION mcp_task_ended();

-- ==== platform/queue =======================================================================================================
-- The timetable of jobs. Redis only carries what is due, so losing Redis loses no run.

-- The timetable: when each scheduled job runs next and how it went. Redis only carries what is due, so losing Redis
-- loses no run. One row a job, rewritten at each run.
CREATE TABLE job_schedules (
  job               text PRIMARY KEY,
  queue             text NOT NULL,
  every_seconds     integer NOT NULL CHECK (every_seconds > 0),
  -- Whole milliseconds: it is part of the run's id.
  next_run_at       timestamptz(3) NOT NULL,
  last_started_at   timestamptz(3),
  last_finished_at  timestamptz(3),
  last_succeeded_at timestamptz(3),
  last_outcome      text CHECK (last_outcome IN ('completed', 'dead')),
  created_at        timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- When a running worker last said that its contracts hold this job.
  declared_at       timestamptz(3) NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
COMMENT ON TABLE job_schedules IS 'api: SELECT; worker: SELECT, INSERT, UPDATE (queue, every_seconds, next_run_at, last_started_at, last_finished_at, last_succeeded_at, last_outcome, declared_at), DELETE';

-- The number of the newest run of each job. A run that has stalled past its lock finds a higher one and writes nothing.
CREATE TABLE job_fences (
  job   text PRIMARY KEY,
  fence bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE job_fences IS 'worker: SELECT, INSERT, UPDATE (fence); log_sealer: SELECT, INSERT, UPDATE (fence)';

-- ==== rights ===============================================================================================================

-- Every process has a role with the rights of its statements and no others: sallyport_api, sallyport_mcp, sallyport_worker, and
-- sallyport_log_sealer for the connections of a worker that seal. An application that embeds the product runs as sallyport_app,
-- and seals as sallyport_sealer. sallyport_report is for auditors and reports: no personal data, no outbox, no table of users,
-- clients or keys. No role changes a sealed row, and none creates, alters or drops a table.

-- Roles belong to the cluster: another database, or a migration beside this one, may have made them. A login that may not
-- make roles goes on without; `sallyport doctor` shows what to run.
DO $$
DECLARE made text;
BEGIN
  FOREACH made IN ARRAY ARRAY['sallyport_app', 'sallyport_report', 'sallyport_sealer',
    'sallyport_api', 'sallyport_mcp', 'sallyport_worker', 'sallyport_log_sealer'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN %s', made, CASE made WHEN 'sallyport_sealer' THEN 'IN ROLE sallyport_app' END);
    EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege OR undefined_object THEN NULL;
    END;
    -- A superuser takes any role. From PostgreSQL 16 on, another login that makes a role may give it away, to itself too,
    -- and may not take it before. The sealer brings sallyport_app with it; nothing runs as sallyport_report.
    BEGIN
      IF made NOT IN ('sallyport_app', 'sallyport_report') AND to_regrole(made) IS NOT NULL AND NOT pg_has_role(made,
        CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END) THEN
        EXECUTE format('GRANT %I TO CURRENT_USER', made);
      END IF;
    EXCEPTION WHEN unique_violation OR insufficient_privilege THEN NULL;
    END;
  END LOOP;
END $$;

-- Whether the statement runs as a role of one process: neither the owner nor the application that embeds the product.
CREATE FUNCTION is_process_role(place regclass) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT NOT pg_has_role(current_user, relowner, 'MEMBER')
    AND NOT coalesce(pg_has_role(current_user, to_regrole('sallyport_app'), 'MEMBER'), false)
  FROM pg_class WHERE oid = place
$$;

-- Gives the roles of the processes the rights that the comments of tables and functions declare, and takes what they have
-- besides. A table without a comment is one of a later migration that does not know these roles yet. While an upgrade follows
-- a rollback, a comment may name a column that a later migration adds again.
CREATE FUNCTION grant_process_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE place text := quote_ident(current_schema()); process text; holder text; declared record; known text;
BEGIN
  FOREACH process IN ARRAY ARRAY['api', 'mcp', 'worker', 'log_sealer', 'app'] LOOP
    holder := 'sallyport_' || process;
    CONTINUE WHEN to_regrole(holder) IS NULL;
    FOR declared IN
      SELECT p.oid::regprocedure AS place FROM pg_proc p JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
      WHERE p.pronamespace = current_schema()::regnamespace AND d.description ~ ('(^|; )' || process || ': EXECUTE')
    LOOP
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', declared.place, holder);
    END LOOP;
    CONTINUE WHEN process = 'app';
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', place, holder);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %s FROM %I', place, holder);
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %s TO %I', place, holder);
    FOR declared IN
      SELECT c.oid::regclass AS place, CASE
        WHEN d.description IS NOT NULL THEN substring(d.description FROM '(?:^|; )' || process || ': ([^;]+)')
        WHEN process <> 'log_sealer' AND NOT c.relispartition THEN 'SELECT, INSERT, UPDATE, DELETE'
      END AS rights
      FROM pg_class c LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
      WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
    LOOP
      CONTINUE WHEN declared.rights IS NULL;
      SELECT string_agg(named, ', ') INTO known FROM unnest(string_to_array(substring(declared.rights FROM 'UPDATE \(([^)]+)\)'), ', ')) named
      WHERE EXISTS (SELECT FROM pg_attribute WHERE attrelid = declared.place AND attname = trim(BOTH '"' FROM named) AND NOT attisdropped);
      EXECUTE format('GRANT %s ON %s TO %I',
        regexp_replace(declared.rights, 'UPDATE \([^)]+\)', coalesce('UPDATE (' || known || ')', 'SELECT')), declared.place, holder);
    END LOOP;
  END LOOP;
  IF to_regrole('sallyport_log_sealer') IS NOT NULL THEN
    GRANT EXECUTE ON FUNCTION audit_outbox_partition(date), audit_outbox_detach(date), audit_outbox_drop(date) TO sallyport_log_sealer;
  END IF;
END $$;

-- Gives every role its rights on every table that there is: a migration that adds a table ends with it. A role that the
-- cluster lacks is passed over. sallyport_report reads the sealed log and the evidence of compliance alone.
CREATE FUNCTION grant_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE place text := quote_ident(current_schema()); audit_table regclass; report_table regclass;
BEGIN
  PERFORM grant_process_roles();

  IF to_regrole('sallyport_report') IS NOT NULL THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO sallyport_report', place);
    FOR report_table IN
      SELECT oid FROM pg_class
      WHERE (relname IN ('audit_events', 'audit_log', 'audit_tiles', 'audit_checkpoints') OR relname LIKE 'compliance\_%')
        AND relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
    LOOP
      EXECUTE format('GRANT SELECT ON %s TO sallyport_report', report_table);
    END LOOP;
  END IF;

  IF to_regrole('sallyport_app') IS NULL OR to_regrole('sallyport_sealer') IS NULL THEN RETURN; END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %s TO sallyport_app', place);
  EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %s TO sallyport_app', place);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO sallyport_app', place);
  REVOKE INSERT, UPDATE, DELETE ON _prisma_migrations FROM sallyport_app;
  FOR audit_table IN
    SELECT oid FROM pg_class WHERE relname LIKE 'audit\_%' AND relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
  LOOP
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %s FROM sallyport_app', audit_table);
  END LOOP;
  GRANT INSERT ON audit_outbox TO sallyport_app;

  GRANT UPDATE (seq, ip_hash, agent_hash, detail, target_kind, target_id) ON audit_outbox TO sallyport_sealer;
  GRANT UPDATE, DELETE ON audit_outbox_default TO sallyport_sealer;
  GRANT INSERT ON audit_events, audit_personal TO sallyport_sealer;
  GRANT INSERT, UPDATE (hashes) ON audit_tiles TO sallyport_sealer;
  GRANT INSERT, UPDATE (size, root, stopped_at, stopped_reason) ON audit_log TO sallyport_sealer;
  GRANT INSERT, UPDATE (note), DELETE ON audit_checkpoints TO sallyport_sealer;
  GRANT INSERT, UPDATE ON audit_sinks TO sallyport_sealer;
  GRANT EXECUTE ON FUNCTION audit_outbox_partition(date), audit_outbox_detach(date), audit_outbox_drop(date) TO sallyport_sealer;
  GRANT EXECUTE ON FUNCTION audit_outbox_partition(date) TO sallyport_app;
END $$;

COMMENT ON TABLE _prisma_migrations IS 'api: SELECT; mcp: SELECT; worker: SELECT';

-- Partitions are made and dropped by their owner; revocations and second factors are deleted by functions of the owner, which
-- ask their condition themselves; the copy of a user's roles follows `user_roles`, whatever writes there, and nothing else writes
-- it. They are called by their name alone, and no table of a caller takes the place of one of these.
DO $$
DECLARE made text;
BEGIN
  FOREACH made IN ARRAY ARRAY['audit_outbox_partition(date)', 'audit_outbox_detach(date)', 'audit_outbox_drop(date)',
    'collapse_revocations(text, text[])', 'remove_factors_since(text, timestamptz)', 'user_roles_changed()'] LOOP
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp', made, current_schema());
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', made);
  END LOOP;
END $$;

-- A role may make tables and functions of its own in a session, so a rule that looks a table up by its name alone asks what
-- the caller made. Every trigger looks in our schema first, whichever way it is called; one of a later migration says so itself.
DO $$
DECLARE rule regprocedure;
BEGIN
  FOR rule IN
    SELECT oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND prorettype = 'trigger'::regtype
      AND NOT EXISTS (SELECT FROM unnest(proconfig) setting WHERE setting LIKE 'search_path=%')
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', rule, current_schema());
  END LOOP;
END $$;

SELECT grant_roles();
