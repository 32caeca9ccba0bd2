-- Authorization requests that clients sent ahead of their browsers (RFC 9126). One conditional DELETE uses one up.
CREATE TABLE oauth_pushed_requests (
  uri_hash   bytea PRIMARY KEY CHECK (length(uri_hash) = 32),   -- SHA-256 of the request_uri
  client_id  text NOT NULL,
  query      text NOT NULL CHECK (length(query) <= 8192),
  share      text,                                              -- keyed hash of where a request came from that showed no secret
  expires_at timestamptz(3) NOT NULL
);
CREATE INDEX oauth_pushed_requests_expires_at ON oauth_pushed_requests (expires_at);
CREATE INDEX oauth_pushed_requests_share ON oauth_pushed_requests (client_id, share, expires_at);

-- RFC 9126 §6: a client whose requests come no other way.
ALTER TABLE oauth_clients ADD COLUMN "requirePushedRequests" boolean NOT NULL DEFAULT false;

-- RFC 8705 §3.4: a client whose every token is bound to a certificate.
ALTER TABLE oauth_clients ADD COLUMN "certificateBoundAccessTokens" boolean NOT NULL DEFAULT false;

-- A key or certificate that is asked for from now on: of what was issued without, a thief could come with one of their own.
CREATE FUNCTION client_demand_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."tokenEpoch" := OLD."tokenEpoch" + 1;
  RETURN NEW;
END $$;
CREATE TRIGGER oauth_clients_demands BEFORE UPDATE ON oauth_clients FOR EACH ROW
  WHEN (NEW."tokenEpoch" = OLD."tokenEpoch" AND (
    NEW."dpopBoundAccessTokens" AND NOT coalesce(OLD."dpopBoundAccessTokens", false)
    OR NEW."certificateBoundAccessTokens" AND NOT OLD."certificateBoundAccessTokens"))
  EXECUTE FUNCTION client_demand_grows();
