-- The release before collects the hours again, from the next one on.
CREATE TABLE capacity_samples (
  id uuid PRIMARY KEY,
  hour timestamptz(3) NOT NULL,
  measured jsonb NOT NULL,
  sums jsonb NOT NULL
);
CREATE UNIQUE INDEX capacity_samples_hour ON capacity_samples (hour);
COMMENT ON TABLE capacity_samples IS 'api: SELECT; worker: SELECT, INSERT, UPDATE (hour), DELETE';
COMMENT ON TABLE copy_samples IS 'api: SELECT, INSERT; worker: SELECT, INSERT, UPDATE (at), DELETE';
SELECT grant_roles();
