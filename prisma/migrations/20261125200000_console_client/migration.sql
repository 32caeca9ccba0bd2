-- The client of the admin console. It has no secret: only the API itself acts as it. Each copy adds its redirect URI, which
-- follows from the public address, and the permissions of the installation as scopes.
INSERT INTO oauth_clients (id, "clientId", name, auth_method, grant_types, scopes, dpop_bound_access_tokens, skip_consent)
VALUES ('sallyport-console', 'sallyport-console', 'Sallyport console', 'client_secret_basic',
  '{authorization_code,refresh_token}', '{profile,email}', true, true);
