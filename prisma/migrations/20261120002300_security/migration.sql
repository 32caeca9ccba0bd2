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
  -- Whose account or device it is; its counter lasts as long as the account. Null: of a name that nobody has, of a network.
  user_id         text REFERENCES users (id) ON DELETE CASCADE,
  -- Of an account that the act `step_up` of an incident has closed: what wrong passwords alone cannot bring about.
  stepped_up      boolean NOT NULL DEFAULT false
) WITH (fillfactor = 80);
CREATE INDEX login_failures_user_id ON login_failures (user_id) WHERE user_id IS NOT NULL;
-- What clean-up removes lies among what stays.
CREATE INDEX login_failures_networks ON login_failures (last_failed_at) WHERE key LIKE 'network:%';
CREATE INDEX login_failures_devices ON login_failures (last_failed_at) WHERE key LIKE 'device:%';
CREATE INDEX login_failures_names ON login_failures (last_failed_at) WHERE key LIKE 'account:%' AND user_id IS NULL;

-- A cookie of a browser that signed in before this is of nobody. Set when somebody else is thought to hold one.
ALTER TABLE users ADD COLUMN "devicesSince" timestamptz(3);

-- Counts one failure on each key and tells what it met. Whoever fails at the same time waits for the row and finds the
-- count of the one before. Failures during a lock count and do not lengthen it. Keys are taken in order, as by every
-- writer of several, and after the user, whom nobody deletes meanwhile.
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
-- What was sealed before is history.
INSERT INTO detection_progress (seq) SELECT coalesce(max(seq), -1) FROM audit_events;

INSERT INTO permissions (name, description) VALUES
  ('incidents:read', 'Read security incidents'),
  ('incidents:manage', 'Acknowledge and close security incidents'),
  ('users:unlock', 'Let a locked account try its password again')
ON CONFLICT DO NOTHING;
INSERT INTO role_permissions (role, permission) VALUES
  ('admin', 'incidents:read'), ('admin', 'incidents:manage'), ('admin', 'users:unlock'), ('auditor', 'incidents:read')
ON CONFLICT DO NOTHING;
