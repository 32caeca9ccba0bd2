-- What the API says at its start about the installation: settings that are the same for whoever acts for it. Commands
-- read them, so that they do not act under the settings of their own shell. One row.
CREATE TABLE installation_facts (
  id          boolean PRIMARY KEY DEFAULT true CHECK (id),
  facts       jsonb NOT NULL CHECK (jsonb_typeof(facts) = 'object' AND octet_length(facts::text) <= 65536),
  recorded_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE installation_facts IS 'api: SELECT, INSERT, UPDATE; worker: SELECT';

SELECT grant_roles();
