-- A right taken away from a client ends what was issued with it, as with users: its own tokens carry their scopes, and
-- its logins keep theirs for as long as they are refreshed. Adding a right, or any other change, ends nothing.
CREATE FUNCTION client_rights_shrink() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW."tokenEpoch" = OLD."tokenEpoch" AND NOT (
    coalesce(NEW.scopes, '{}') @> coalesce(OLD.scopes, '{}')
    AND coalesce(NEW."clientCredentialsScopes", '{}') @> coalesce(OLD."clientCredentialsScopes", '{}')
    AND coalesce(NEW."grantTypes", '{}') @> coalesce(OLD."grantTypes", '{}')
  ) THEN
    NEW."tokenEpoch" := OLD."tokenEpoch" + 1;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER oauth_clients_rights BEFORE UPDATE ON oauth_clients FOR EACH ROW EXECUTE FUNCTION client_rights_shrink();

-- A right exchanged for another is one taken away.
CREATE TRIGGER role_permissions_exchanged AFTER UPDATE ON role_permissions FOR EACH ROW
  WHEN (OLD.role <> NEW.role OR OLD.permission <> NEW.permission) EXECUTE FUNCTION role_permission_removed();
