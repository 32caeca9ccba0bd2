-- One attempt to sign in by another provider, between the way there and the way back. What it proves with the provider
-- (PKCE verifier, nonce) is derived from the state and the browser's own secret: neither is here.
CREATE TABLE social_sign_ins (
  state_hash   bytea PRIMARY KEY CHECK (octet_length(state_hash) = 32),
  browser_hash bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
  provider     text NOT NULL,
  callback_url text,
  -- Who links an account to their own; null for a sign-in.
  link_user_id text REFERENCES users (id) ON DELETE CASCADE,
  expires_at   timestamptz(6) NOT NULL
);
CREATE INDEX social_sign_ins_expires_at ON social_sign_ins (expires_at);
CREATE INDEX social_sign_ins_link_user_id ON social_sign_ins (link_user_id);
