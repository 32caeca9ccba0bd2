-- Rich authorization requests (RFC 9396): types of details, each declared by one application.
CREATE TABLE authorization_detail_types (
  type        text PRIMARY KEY CHECK (type ~ '^[a-z][a-z0-9_.:-]{0,63}$' AND type <> 'sallyport_act'),
  application text NOT NULL REFERENCES applications (name) ON DELETE CASCADE,
  -- JSON Schema, words for users, the members that approvals are bound to, and whether people sign off.
  definition  jsonb NOT NULL CHECK (definition ?& ARRAY['schema', 'words', 'bound', 'signoff'])
);
CREATE INDEX authorization_detail_types_application ON authorization_detail_types (application, type);
COMMENT ON TABLE authorization_detail_types IS 'api: SELECT, INSERT, DELETE; mcp: SELECT; worker: SELECT';
CREATE CONSTRAINT TRIGGER authorization_detail_types_version AFTER INSERT OR UPDATE OR DELETE ON authorization_detail_types
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();

-- The types that a client may ask for.
ALTER TABLE oauth_clients ADD COLUMN authorization_details_types text[] NOT NULL DEFAULT '{}';

-- Details that were asked for or granted: canonical JSON (RFC 8785), as text, so that equal details have equal bytes.
ALTER TABLE oauth_codes ADD COLUMN authorization_details text;
ALTER TABLE oauth_device_grants ADD COLUMN authorization_details text;
ALTER TABLE oauth_consents ADD COLUMN authorization_details text;
ALTER TABLE refresh_families ADD COLUMN authorization_details text;

SELECT grant_roles();
