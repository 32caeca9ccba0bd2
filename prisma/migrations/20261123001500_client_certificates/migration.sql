-- How a client is recognised by its certificate (RFC 8705 §2), instead of a secret: {"name", "value"} for tls_client_auth;
-- {"thumbprints"}, or the address of its certificates, for self_signed_tls_client_auth.
ALTER TABLE oauth_clients ADD COLUMN "certificateIdentity" jsonb;
ALTER TABLE oauth_clients ADD CONSTRAINT oauth_clients_certificate CHECK (
  CASE coalesce("tokenEndpointAuthMethod", '')
    WHEN 'tls_client_auth' THEN coalesce("certificateIdentity" ?& ARRAY['name', 'value'], false)
      AND num_nonnulls("clientSecret", "previousSecret", jwks, "jwksUri") = 0
    WHEN 'self_signed_tls_client_auth' THEN num_nonnulls("certificateIdentity", "jwksUri") = 1
      AND coalesce("certificateIdentity" ? 'thumbprints', true)
      AND num_nonnulls("clientSecret", "previousSecret", jwks) = 0
    ELSE "certificateIdentity" IS NULL
  END);
