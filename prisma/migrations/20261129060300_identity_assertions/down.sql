ALTER TABLE oauth_clients DROP COLUMN identity_assertions;
