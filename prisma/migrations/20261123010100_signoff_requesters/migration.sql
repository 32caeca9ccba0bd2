-- The people behind an agent do not approve what it asks for, and the open sign-offs of a requester are counted.

-- Users who have set the credentials of the client: they can act as the client.
ALTER TABLE oauth_clients ADD COLUMN "credentialSetters" text[] NOT NULL DEFAULT '{}';

-- The user who changes a row, or the people behind the agent that does.
CREATE FUNCTION people_behind_actor() RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT coalesce(CASE audit_context('actor_kind')
    WHEN 'user' THEN ARRAY[audit_context('actor_id')]
    WHEN 'client' THEN (
      SELECT owner_id || "credentialSetters" FROM agents JOIN oauth_clients ON "clientId" = client_id
      WHERE client_id = audit_context('actor_id'))
  END, '{}')
$$;

CREATE FUNCTION client_credentials_set() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."credentialSetters" := ARRAY(
    SELECT DISTINCT person FROM unnest(NEW."credentialSetters" || people_behind_actor()) person ORDER BY person);
  RETURN NEW;
END $$;
CREATE TRIGGER oauth_clients_credentials_created BEFORE INSERT ON oauth_clients
  FOR EACH ROW EXECUTE FUNCTION client_credentials_set();
CREATE TRIGGER oauth_clients_credentials_set BEFORE UPDATE ON oauth_clients FOR EACH ROW
  WHEN ((OLD."clientSecret", OLD.jwks, OLD."jwksUri", OLD."certificateIdentity", OLD."tokenEndpointAuthMethod")
    IS DISTINCT FROM (NEW."clientSecret", NEW.jwks, NEW."jwksUri", NEW."certificateIdentity", NEW."tokenEndpointAuthMethod"))
  EXECUTE FUNCTION client_credentials_set();

-- The event of a new secret says by itself who set it.
CREATE OR REPLACE FUNCTION changed_columns(before jsonb, after jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(key ORDER BY key), '[]') FROM jsonb_each(after)
  WHERE value IS DISTINCT FROM before -> key
    AND key NOT IN ('updatedAt', 'tokenEpoch', 'previousSecret', 'previousSecretUntil', 'documentUntil', 'credentialSetters')
$$;

CREATE INDEX signoffs_open ON signoffs (requested_by_kind, requested_by, expires_at)
  WHERE (state IN ('pending', 'approved', 'running'));
