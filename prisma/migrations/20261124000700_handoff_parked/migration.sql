-- Subjects whose first event an endpoint does not accept: their later events stay in the sealed log.

-- Deleted when the search for the events of the subject has reached what was planned; ends with its endpoint.
CREATE TABLE handoff_parked (
  endpoint  text NOT NULL REFERENCES handoff_endpoints (name) ON DELETE CASCADE,
  subject   text NOT NULL CHECK (subject ~ '^[0-9a-f]{64}$'),
  -- Events of the subject after this one have no delivery.
  after_seq bigint NOT NULL CHECK (after_seq >= -1),
  PRIMARY KEY (endpoint, subject)
);

SELECT grant_roles();
