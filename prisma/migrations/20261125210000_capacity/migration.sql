-- What the capacity forecast reads: one row for each hour.
CREATE TABLE capacity_samples (
  id uuid PRIMARY KEY,
  hour timestamptz(3) NOT NULL,
  measured jsonb NOT NULL,
  sums jsonb NOT NULL
);
CREATE UNIQUE INDEX capacity_samples_hour ON capacity_samples (hour);

SELECT grant_roles();
