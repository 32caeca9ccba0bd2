-- RFC 7591 §2: the page of a client, which the consent page links to.
ALTER TABLE oauth_clients ADD COLUMN client_uri text
  CHECK (length(client_uri) <= 512 AND client_uri ~ '^https://[!-~]+$');
