DO $$
BEGIN
  IF EXISTS (SELECT FROM signal_streams) THEN
    RAISE EXCEPTION 'streams of shared signals exist: their receivers must delete them first, or keep this release';
  END IF;
END $$;
DROP TABLE signal_exclusions, signal_streams;
