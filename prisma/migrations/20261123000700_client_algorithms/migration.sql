-- The algorithms of a client's tokens; null: the default of the installation.
ALTER TABLE oauth_clients
  ADD COLUMN "idTokenSignedResponseAlg" text CHECK ("idTokenSignedResponseAlg" IN ('RS256', 'ES256', 'EdDSA')),
  ADD COLUMN "accessTokenSignedResponseAlg" text CHECK ("accessTokenSignedResponseAlg" IN ('RS256', 'ES256', 'EdDSA'));
