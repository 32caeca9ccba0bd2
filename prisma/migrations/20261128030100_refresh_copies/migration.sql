-- How long an older copy of a sign-in gets the current refresh token, by client. Clients from before have 0: none does.
-- The checks are validated by a later migration, which lets writes go on.
ALTER TABLE oauth_clients ADD COLUMN refresh_copies integer NOT NULL DEFAULT 0;
ALTER TABLE oauth_clients ADD CONSTRAINT oauth_clients_refresh_copies
  CHECK (refresh_copies BETWEEN 0 AND 86400) NOT VALID;

-- RFC 9700 §4.14.2: a public client may keep its refresh tokens too if each is bound to a DPoP key. One without a key that
-- is bound to a certificate alone may not.
ALTER TABLE oauth_clients DROP CONSTRAINT oauth_clients_refresh_rotation, ADD CONSTRAINT oauth_clients_refresh_rotation CHECK (
  CASE refresh_rotation
    WHEN 'on' THEN true
    WHEN 'off' THEN origin = 'admin'
      AND (dpop_bound_access_tokens OR auth_method <> 'none' AND tls_client_certificate_bound_access_tokens)
    ELSE false END) NOT VALID;

CREATE OR REPLACE FUNCTION client_settings(client jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object(
    'pkce', coalesce(client->>'pkce', 'required'),
    'refresh_rotation', coalesce(client->>'refresh_rotation', 'on'),
    'refresh_copies', coalesce((client->>'refresh_copies')::integer, 0),
    'profile', coalesce(client->>'profile', 'default'))
$$;

-- Rotations by which the age of an older token is known, the newest twelve: generation << 32 | Unix second. Empty where
-- the client serves no copies. Neither column is in an index: every rotation is HOT.
ALTER TABLE refresh_families
  ADD COLUMN rotation_marks bigint[] NOT NULL DEFAULT '{}',
  ADD COLUMN copy_uses integer NOT NULL DEFAULT 0;
COMMENT ON TABLE refresh_families IS 'api: SELECT, INSERT, UPDATE (generation, rotated_at, grace_uses, grace_streak, idle_expires_at, expires_at, revoked_at, revoke_reason, kv, prev_kv, context_hash, grace_contested, lost_answer_at, rotation_marks, copy_uses); mcp: SELECT; worker: SELECT, UPDATE (expires_at, revoked_at, revoke_reason), DELETE';

SELECT grant_roles();
