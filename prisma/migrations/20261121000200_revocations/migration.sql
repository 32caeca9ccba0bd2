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
INSERT INTO feed_state DEFAULT VALUES;

CREATE TABLE revocations (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  epoch       bigint UNIQUE,
  kind        text NOT NULL CHECK (kind IN ('jti', 'sid', 'family', 'user', 'client', 'key')),
  value       text NOT NULL,
  -- For user and client: tokens born with a lower epoch are refused.
  token_epoch integer CHECK ((token_epoch IS NOT NULL) = (kind IN ('user', 'client'))),
  reason      text NOT NULL,
  -- Whose token it was, where the writer knows: a later epoch of theirs covers the row, which can then be dropped.
  user_id     text,
  client_id   text,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at  timestamptz NOT NULL,
  -- Who ended it, for those who ask why, and what decided it where `reason` is somebody's own words.
  actor_kind  text DEFAULT audit_context('actor_kind'),
  actor_id    text DEFAULT audit_context('actor_id'),
  rule        text DEFAULT audit_context('rule')
) WITH (fillfactor = 90);
CREATE INDEX revocations_expires_at ON revocations (expires_at);
CREATE INDEX revocations_kind_value ON revocations (kind, value);

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
INSERT INTO token_lifetimes DEFAULT VALUES;

CREATE FUNCTION revocation_keep_until() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT clock_timestamp() + make_interval(secs => revocation_keep_seconds) FROM token_lifetimes $$;
