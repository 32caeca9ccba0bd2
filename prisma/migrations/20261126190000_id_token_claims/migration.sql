-- Claims about the user in ID tokens (OpenID Connect Core §5.4, §5.5): those that an administrator set for a client, and
-- those that a request named.
ALTER TABLE oauth_clients ADD COLUMN id_token_claims text[] NOT NULL DEFAULT '{}';
ALTER TABLE oauth_clients ADD CONSTRAINT oauth_clients_id_token_claims
  CHECK (id_token_claims <@ ARRAY['email', 'email_verified', 'name', 'picture', 'updated_at']) NOT VALID;
ALTER TABLE oauth_codes ADD COLUMN id_token_claims text[] NOT NULL DEFAULT '{}';
