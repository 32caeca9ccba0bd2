-- A sign-off that a client requested by OpenID Connect CIBA, until its token is issued. The client is pinged at its decision
-- if it has an address for that.
ALTER TABLE oauth_clients ADD COLUMN backchannel_client_notification_endpoint text;

CREATE TABLE backchannel_requests (
  -- The sign-off.
  id uuid PRIMARY KEY,
  auth_req_id_hash bytea NOT NULL UNIQUE CHECK (octet_length(auth_req_id_hash) = 32),
  client_id text NOT NULL,
  scope text NOT NULL,
  audience text NOT NULL,
  -- The one act, in canonical JSON, as people are asked for it.
  authorization_details text NOT NULL,
  interval_seconds smallint NOT NULL,
  polled_at timestamptz(3),
  expires_at timestamptz(3) NOT NULL,
  -- The ping, sealed; null where there is none, or when it was delivered or given up.
  sealed text,
  attempts integer NOT NULL DEFAULT 0,
  failure text,
  next_attempt_at timestamptz(3),
  CHECK (next_attempt_at IS NULL OR sealed IS NOT NULL)
);
CREATE INDEX backchannel_requests_due ON backchannel_requests (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX backchannel_requests_expires_at ON backchannel_requests (expires_at);
COMMENT ON TABLE backchannel_requests IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, UPDATE (next_attempt_at); worker: SELECT, UPDATE (sealed, attempts, failure, next_attempt_at), DELETE';

-- In the transaction of the decision, so that none is missed. One that is being sent, or was sent, is not sent again.
CREATE FUNCTION signoff_ping() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE backchannel_requests SET next_attempt_at = clock_timestamp()
  WHERE id = NEW.id AND sealed IS NOT NULL AND next_attempt_at IS NULL;
  RETURN NULL;
END $$;
DO $$ BEGIN
  EXECUTE format('ALTER FUNCTION signoff_ping() SET search_path = %I, pg_temp', current_schema());
END $$;
CREATE TRIGGER signoffs_ping AFTER UPDATE OF state ON signoffs FOR EACH ROW
  WHEN (OLD.state <> NEW.state AND NEW.state IN ('approved', 'denied', 'failed')) EXECUTE FUNCTION signoff_ping();

SELECT grant_roles();
