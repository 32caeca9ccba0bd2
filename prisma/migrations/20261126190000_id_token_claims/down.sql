ALTER TABLE oauth_codes DROP COLUMN id_token_claims;
ALTER TABLE oauth_clients DROP COLUMN id_token_claims;
