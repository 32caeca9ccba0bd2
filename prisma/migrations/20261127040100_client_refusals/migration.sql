-- Refused requests of a day, by client, code and cause. The client '' has those that name no client of the installation.
CREATE TABLE client_refusals (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  day timestamptz(3) NOT NULL,
  client_id text NOT NULL,
  code text NOT NULL,
  cause text NOT NULL,
  refused bigint NOT NULL,
  first_seen_at timestamptz(3) NOT NULL,
  last_seen_at timestamptz(3) NOT NULL,
  answer jsonb NOT NULL,
  request jsonb
);
CREATE UNIQUE INDEX client_refusals_client ON client_refusals (client_id, day, code, cause);
CREATE INDEX client_refusals_day ON client_refusals (day);
COMMENT ON TABLE client_refusals IS 'api: SELECT, INSERT, UPDATE (refused, first_seen_at, last_seen_at, answer, request); worker: SELECT, UPDATE (last_seen_at), DELETE';

SELECT grant_roles();
