-- False: a refresh leaves the refresh token as it is (FAPI 2.0 §5.3.2.1), which RFC 9700 §4.14.2 allows only where a stolen
-- token is useless: the client authenticates, and its tokens are bound to a key or certificate.
ALTER TABLE oauth_clients ADD COLUMN "rotatesRefreshTokens" boolean NOT NULL DEFAULT true;
ALTER TABLE oauth_clients ADD CONSTRAINT oauth_clients_refresh_rotation CHECK ("rotatesRefreshTokens" OR
  (origin = 'admin' AND coalesce("tokenEndpointAuthMethod", 'none') <> 'none'
    AND (coalesce("dpopBoundAccessTokens", false) OR "certificateBoundAccessTokens")));

CREATE OR REPLACE FUNCTION client_settings(client jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object(
    'pkce', CASE WHEN client->>'requirePKCE' = 'false' THEN 'optional' ELSE 'required' END,
    'refresh_rotation', CASE WHEN client->>'rotatesRefreshTokens' = 'false' THEN 'off' ELSE 'on' END)
$$;
