-- A client may be authenticated by tokens of another issuer (RFC 7523 §2.2): which ones, as JSON.
ALTER TABLE oauth_clients ADD COLUMN workload jsonb;
-- A change of `auth_method` is another statement.
ALTER TABLE oauth_clients ADD CONSTRAINT oauth_clients_workload CHECK (workload IS NULL OR (
  origin = 'admin' AND profile = 'default' AND workload ?& ARRAY['issuer', 'subject'])) NOT VALID;

-- Who sets it can act as the client, as with a key.
CREATE OR REPLACE TRIGGER oauth_clients_credentials_set BEFORE UPDATE ON oauth_clients FOR EACH ROW
  WHEN ((OLD.secret_hash, OLD.jwks, OLD.jwks_uri, OLD.certificate_identity, OLD.auth_method, OLD.workload)
    IS DISTINCT FROM (NEW.secret_hash, NEW.jwks, NEW.jwks_uri, NEW.certificate_identity, NEW.auth_method, NEW.workload))
  EXECUTE FUNCTION client_credentials_set();
