ALTER TABLE signal_transmitters DROP COLUMN own_ids;
ALTER TABLE signal_streams DROP COLUMN verified_at;
