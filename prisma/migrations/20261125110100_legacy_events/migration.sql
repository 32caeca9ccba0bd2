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

-- Events that came before their user was imported wait no longer. Once for each statement, because imports write many.
CREATE FUNCTION legacy_users_arrived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE legacy_events SET next_attempt_at = clock_timestamp() FROM added
  WHERE subject = added.legacy_id AND state = 'user_not_imported' AND next_attempt_at IS NOT NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER legacy_users_arrived AFTER INSERT ON legacy_users
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION legacy_users_arrived();

SELECT grant_roles();
