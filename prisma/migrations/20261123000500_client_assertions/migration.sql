-- RFC 7523 §3: a client that signs assertions has keys, or the address of its keys, instead of a secret.
ALTER TABLE oauth_clients ADD CONSTRAINT oauth_clients_keys CHECK (
  coalesce("tokenEndpointAuthMethod", '') <> 'private_key_jwt'
  OR (num_nonnulls(jwks, "jwksUri") = 1 AND "clientSecret" IS NULL AND "previousSecret" IS NULL));

-- Used client assertions: inserting the unique row marks an assertion as used.
CREATE TABLE client_assertions (
  assertion_hash bytea PRIMARY KEY CHECK (length(assertion_hash) = 32),  -- SHA-256 of client id and jti
  expires_at     timestamptz(3) NOT NULL
);
CREATE INDEX client_assertions_expires_at ON client_assertions (expires_at);

SELECT grant_roles();
