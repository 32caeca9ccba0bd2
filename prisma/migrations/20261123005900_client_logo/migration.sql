-- The logo of a client is a small PNG in a data URL. A client that registered itself has none: it chose its own name.
ALTER TABLE oauth_clients ADD CONSTRAINT oauth_clients_icon CHECK (
  icon IS NULL OR (origin = 'admin' AND length(icon) <= 32768 AND starts_with(icon, 'data:image/png;base64,')));
