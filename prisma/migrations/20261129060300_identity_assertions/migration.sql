-- Servers that vouch for users of a client, and servers at which they act by it (ID-JAG), as JSON.
ALTER TABLE oauth_clients ADD COLUMN identity_assertions jsonb;
