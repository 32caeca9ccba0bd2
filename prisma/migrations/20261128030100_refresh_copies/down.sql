-- Older copies end their family again, and public clients rotate again.
COMMENT ON TABLE refresh_families IS 'api: SELECT, INSERT, UPDATE (generation, rotated_at, grace_uses, grace_streak, idle_expires_at, expires_at, revoked_at, revoke_reason, kv, prev_kv, context_hash, grace_contested, lost_answer_at); mcp: SELECT; worker: SELECT, UPDATE (expires_at, revoked_at, revoke_reason), DELETE';
ALTER TABLE refresh_families DROP COLUMN rotation_marks, DROP COLUMN copy_uses;
UPDATE oauth_clients SET refresh_rotation = 'on' WHERE refresh_rotation = 'off' AND auth_method = 'none';
-- Row triggers of the statement above wait for the commit, and the table may not change before they ran.
SET CONSTRAINTS ALL IMMEDIATE;
CREATE OR REPLACE FUNCTION client_settings(client jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object(
    'pkce', coalesce(client->>'pkce', 'required'),
    'refresh_rotation', coalesce(client->>'refresh_rotation', 'on'),
    'profile', coalesce(client->>'profile', 'default'))
$$;
ALTER TABLE oauth_clients DROP COLUMN refresh_copies, DROP CONSTRAINT oauth_clients_refresh_rotation,
  ADD CONSTRAINT oauth_clients_refresh_rotation CHECK (CASE refresh_rotation
    WHEN 'on' THEN true
    WHEN 'off' THEN origin = 'admin' AND auth_method <> 'none'
      AND (dpop_bound_access_tokens OR tls_client_certificate_bound_access_tokens)
    ELSE false END);
SELECT grant_roles();
