-- Whether a transmitter of shared signals may name users by our own ids, and when a receiver last asked to verify a stream.
ALTER TABLE signal_transmitters ADD COLUMN own_ids boolean NOT NULL DEFAULT false;
ALTER TABLE signal_streams ADD COLUMN verified_at timestamptz(3);
