CREATE OR REPLACE TRIGGER oauth_clients_credentials_set BEFORE UPDATE ON oauth_clients FOR EACH ROW
  WHEN ((OLD.secret_hash, OLD.jwks, OLD.jwks_uri, OLD.certificate_identity, OLD.auth_method)
    IS DISTINCT FROM (NEW.secret_hash, NEW.jwks, NEW.jwks_uri, NEW.certificate_identity, NEW.auth_method))
  EXECUTE FUNCTION client_credentials_set();
ALTER TABLE oauth_clients DROP COLUMN workload;
