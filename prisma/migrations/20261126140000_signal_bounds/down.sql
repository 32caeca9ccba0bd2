DO $$
BEGIN
  IF EXISTS (SELECT FROM signal_transmitters WHERE NOT own_ids) THEN
    RAISE EXCEPTION 'transmitters of shared signals are kept from our own ids: without this column each may end the sessions of every user. Remove those transmitters first';
  END IF;
END $$;
ALTER TABLE signal_transmitters DROP COLUMN own_ids;
ALTER TABLE signal_streams DROP COLUMN verified_at;
