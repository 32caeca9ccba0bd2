-- OpenID Connect Back-Channel Logout: which clients the workers tell that a session ended.

-- One row for each client that an ended session had signed in to. Deleted when the client has accepted the logout token.
CREATE TABLE logout_tokens (
  id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),  -- jti of the token, the same in every attempt
  client_id       text NOT NULL,
  unvetted        boolean NOT NULL,                            -- no administrator registered the client
  user_id         text NOT NULL,
  session_id      text NOT NULL,
  traceparent     text,                                        -- of the request that ended the session
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

-- The OAuth clients of a session, whether their token families have ended or not. Rotation changes none of its columns.
CREATE INDEX refresh_families_client_session ON refresh_families (sid) WHERE (client_bound AND (sid IS NOT NULL));

-- As before, and queues the logout tokens in the transaction that ends the session, whatever ended it.
CREATE OR REPLACE FUNCTION session_ended() RETURNS trigger LANGUAGE plpgsql AS $$
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
  WHERE families.sid = OLD.id AND families.client_bound AND clients."backchannelLogoutUri" IS NOT NULL
    AND 'openid' = ANY (string_to_array(families.scope, ' '));
  RETURN NULL;
END $$;

SELECT grant_roles();
