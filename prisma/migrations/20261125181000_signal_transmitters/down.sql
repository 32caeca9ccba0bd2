DO $$
BEGIN
  IF EXISTS (SELECT FROM signal_transmitters) THEN
    RAISE EXCEPTION 'transmitters of shared signals exist: remove them first (sallyport transmitters list), or keep this release';
  END IF;
END $$;
DROP TABLE signals_received, signal_transmitters;
