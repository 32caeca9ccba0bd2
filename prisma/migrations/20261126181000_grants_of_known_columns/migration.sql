-- While an upgrade follows a rollback, a comment may name a column that a later migration adds again.
CREATE OR REPLACE FUNCTION grant_process_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE place text := quote_ident(current_schema()); process text; holder text; declared record; known text;
BEGIN
  FOREACH process IN ARRAY ARRAY['api', 'mcp', 'worker', 'log_sealer', 'app'] LOOP
    holder := 'sallyport_' || process;
    CONTINUE WHEN to_regrole(holder) IS NULL;
    FOR declared IN
      SELECT p.oid::regprocedure AS place FROM pg_proc p JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
      WHERE p.pronamespace = current_schema()::regnamespace AND d.description ~ ('(^|; )' || process || ': EXECUTE')
    LOOP
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', declared.place, holder);
    END LOOP;
    CONTINUE WHEN process = 'app';
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', place, holder);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %s FROM %I', place, holder);
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %s TO %I', place, holder);
    FOR declared IN
      SELECT c.oid::regclass AS place, CASE
        WHEN d.description IS NOT NULL THEN substring(d.description FROM '(?:^|; )' || process || ': ([^;]+)')
        WHEN process <> 'log_sealer' AND NOT c.relispartition THEN 'SELECT, INSERT, UPDATE, DELETE'
      END AS rights
      FROM pg_class c LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
      WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
    LOOP
      CONTINUE WHEN declared.rights IS NULL;
      SELECT string_agg(named, ', ') INTO known FROM unnest(string_to_array(substring(declared.rights FROM 'UPDATE \(([^)]+)\)'), ', ')) named
      WHERE EXISTS (SELECT FROM pg_attribute WHERE attrelid = declared.place AND attname = trim(BOTH '"' FROM named) AND NOT attisdropped);
      EXECUTE format('GRANT %s ON %s TO %I',
        regexp_replace(declared.rights, 'UPDATE \([^)]+\)', coalesce('UPDATE (' || known || ')', 'SELECT')), declared.place, holder);
    END LOOP;
  END LOOP;
  IF to_regrole('sallyport_log_sealer') IS NOT NULL THEN
    GRANT EXECUTE ON FUNCTION audit_outbox_partition(date), audit_outbox_detach(date), audit_outbox_drop(date) TO sallyport_log_sealer;
  END IF;
END $$;

SELECT grant_roles();
