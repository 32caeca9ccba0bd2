-- Keys that imported password digests name, such as the signer key of a Firebase project, sealed under the key-encryption
-- key. The id is derived from the key.
CREATE TABLE imported_hash_keys (
  id         text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_-]{22}$'),
  sealed     text NOT NULL CHECK (sealed <> '' AND length(sealed) <= 4096),
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);

-- Whether a digest still names a key. It has entries only until these users sign in.
CREATE INDEX accounts_imported_hash_key ON accounts (id) WHERE (password LIKE '$fbscrypt$%');

SELECT grant_roles();
