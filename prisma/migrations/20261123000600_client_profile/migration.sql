-- `fapi2`: no setting of the client contradicts the FAPI 2.0 Security Profile (§5.3.2).
ALTER TABLE oauth_clients ADD COLUMN profile text NOT NULL DEFAULT 'default' CHECK (profile IN ('default', 'fapi2'));
ALTER TABLE oauth_clients ADD CONSTRAINT oauth_clients_fapi2 CHECK (profile <> 'fapi2' OR (
  "requirePushedRequests" AND "requirePKCE" IS NOT FALSE AND NOT "rotatesRefreshTokens" AND "clientSecret" IS NULL
  AND (coalesce("dpopBoundAccessTokens", false) OR "certificateBoundAccessTokens")));

CREATE OR REPLACE FUNCTION client_settings(client jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object(
    'pkce', CASE WHEN client->>'requirePKCE' = 'false' THEN 'optional' ELSE 'required' END,
    'refresh_rotation', CASE WHEN client->>'rotatesRefreshTokens' = 'false' THEN 'off' ELSE 'on' END,
    'profile', coalesce(client->>'profile', 'default'))
$$;
