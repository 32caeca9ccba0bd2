-- For auditors and reports: a role that reads the sealed log and the evidence of compliance, and nothing else. It has no
-- personal data, no outbox, no table of users, clients or keys, and writes nothing. A login gets it by IN ROLE.
DO $$
BEGIN
  CREATE ROLE sallyport_report NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END $$;

CREATE OR REPLACE FUNCTION grant_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE place text := quote_ident(current_schema()); audit_table regclass; report_table regclass;
BEGIN
  IF to_regrole('sallyport_report') IS NOT NULL THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO sallyport_report', place);
    FOR report_table IN
      SELECT oid FROM pg_class
      WHERE (relname IN ('audit_events', 'audit_log', 'audit_tiles', 'audit_checkpoints') OR relname LIKE 'compliance\_%')
        AND relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
    LOOP
      EXECUTE format('GRANT SELECT ON %s TO sallyport_report', report_table);
    END LOOP;
  END IF;

  IF to_regrole('sallyport_app') IS NULL OR to_regrole('sallyport_sealer') IS NULL THEN RETURN; END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %s TO sallyport_app', place);
  EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %s TO sallyport_app', place);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO sallyport_app', place);
  REVOKE INSERT, UPDATE, DELETE ON _prisma_migrations FROM sallyport_app;
  FOR audit_table IN
    SELECT oid FROM pg_class WHERE relname LIKE 'audit\_%' AND relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
  LOOP
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %s FROM sallyport_app', audit_table);
  END LOOP;
  GRANT INSERT ON audit_outbox TO sallyport_app;

  GRANT UPDATE (seq, ip_hash, agent_hash, detail, target_kind, target_id) ON audit_outbox TO sallyport_sealer;
  GRANT UPDATE, DELETE ON audit_outbox_default TO sallyport_sealer;
  GRANT INSERT ON audit_events, audit_personal TO sallyport_sealer;
  GRANT INSERT, UPDATE (hashes) ON audit_tiles TO sallyport_sealer;
  GRANT INSERT, UPDATE (size, root, stopped_at, stopped_reason) ON audit_log TO sallyport_sealer;
  GRANT INSERT, UPDATE (note), DELETE ON audit_checkpoints TO sallyport_sealer;
  GRANT INSERT, UPDATE ON audit_sinks TO sallyport_sealer;
  GRANT EXECUTE ON FUNCTION audit_outbox_partition(date), audit_outbox_detach(date), audit_outbox_drop(date) TO sallyport_sealer;
  GRANT EXECUTE ON FUNCTION audit_outbox_partition(date) TO sallyport_app;
END $$;

SELECT grant_roles();
