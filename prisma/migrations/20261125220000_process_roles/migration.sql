-- Each process has a role of its own, with the rights of its statements and no others: sallyport_api, sallyport_mcp,
-- sallyport_worker, and sallyport_log_sealer for the connections of a worker that seal. The roles sallyport_app and
-- sallyport_sealer keep their rights: a process of the release before runs as them, and so does one of this release whose
-- login is not a member of the new roles.

DO $$
DECLARE made text;
BEGIN
  FOREACH made IN ARRAY ARRAY['sallyport_api', 'sallyport_mcp', 'sallyport_worker', 'sallyport_log_sealer'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', made);
    EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
    END;
    -- As in the migration roles: from PostgreSQL 16 on, a login that makes a role may not take it before it gives it to itself.
    BEGIN
      IF to_regrole(made) IS NOT NULL AND NOT pg_has_role(made,
        CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END) THEN
        EXECUTE format('GRANT %I TO CURRENT_USER', made);
      END IF;
    EXCEPTION WHEN unique_violation OR insufficient_privilege THEN NULL;
    END;
  END LOOP;
END $$;

-- What each process may do on each table. The test of the role matrix finds it in the statements of each process, and prints
-- the lines for a migration where they differ. A worker reads every table: its restore rehearsal copies them.
COMMENT ON TABLE _prisma_migrations IS 'api: SELECT; mcp: SELECT; worker: SELECT';
COMMENT ON TABLE accounts IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE agents IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, INSERT, UPDATE; worker: SELECT, UPDATE';
COMMENT ON TABLE alert_deliveries IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE alert_notices IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT, UPDATE';
COMMENT ON TABLE alert_progress IS 'worker: SELECT, INSERT, UPDATE';
COMMENT ON TABLE alert_silences IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, INSERT, UPDATE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE alert_targets IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE';
COMMENT ON TABLE alerts IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, INSERT, UPDATE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE api_key_nonces IS 'api: INSERT; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE api_key_uses IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT; worker: SELECT';
COMMENT ON TABLE api_keys IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, INSERT, UPDATE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE applications IS 'api: SELECT, INSERT, DELETE; mcp: SELECT, INSERT, DELETE; worker: SELECT';
COMMENT ON TABLE audit_checkpoints IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: SELECT, INSERT, UPDATE (note), DELETE';
COMMENT ON TABLE audit_events IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: SELECT, INSERT';
COMMENT ON TABLE audit_log IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: SELECT, INSERT, UPDATE (size, root, stopped_at, stopped_reason)';
COMMENT ON TABLE audit_outbox IS 'api: SELECT, INSERT; mcp: SELECT, INSERT; worker: SELECT, INSERT; log_sealer: SELECT, INSERT, UPDATE (seq, ip_hash, agent_hash, detail, target_kind, target_id)';
COMMENT ON TABLE audit_outbox_default IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: SELECT, UPDATE, DELETE';
COMMENT ON TABLE audit_personal IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: INSERT';
COMMENT ON TABLE audit_sinks IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: SELECT, INSERT, UPDATE';
COMMENT ON TABLE audit_tiles IS 'api: SELECT; mcp: SELECT; worker: SELECT; log_sealer: SELECT, INSERT, UPDATE (hashes)';
COMMENT ON TABLE authentication_progress IS 'mcp: SELECT; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE capacity_samples IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE client_assertions IS 'api: SELECT, INSERT; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE compliance_attestations IS 'api: SELECT, INSERT; mcp: SELECT, INSERT; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE compliance_controls IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT, UPDATE';
COMMENT ON TABLE compliance_evidence IS 'worker: SELECT, INSERT';
COMMENT ON TABLE compliance_findings IS 'api: SELECT, UPDATE; mcp: SELECT, UPDATE; worker: SELECT, INSERT';
COMMENT ON TABLE compliance_log_reads IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT, UPDATE';
COMMENT ON TABLE compliance_reports IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, INSERT, UPDATE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE compliance_violations IS 'api: SELECT, UPDATE; mcp: SELECT, UPDATE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE component_progress IS 'mcp: SELECT; worker: SELECT, INSERT, UPDATE';
COMMENT ON TABLE copy_samples IS 'api: SELECT, INSERT; mcp: SELECT; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE detection_progress IS 'api: SELECT; mcp: SELECT; worker: SELECT, UPDATE';
COMMENT ON TABLE dpop_proofs IS 'api: SELECT, INSERT; mcp: SELECT, INSERT; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE event_hours IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE feed_state IS 'api: SELECT, UPDATE; mcp: SELECT, UPDATE; worker: SELECT, UPDATE; log_sealer: SELECT';
COMMENT ON TABLE handoff_deliveries IS 'api: SELECT, UPDATE, DELETE; mcp: SELECT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE handoff_endpoints IS 'worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE handoff_parked IS 'worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE idempotency_keys IS 'api: SELECT, INSERT, UPDATE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE import_chunks IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, INSERT, UPDATE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE import_rejects IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT';
COMMENT ON TABLE imported_hash_keys IS 'api: SELECT, UPDATE; mcp: SELECT, UPDATE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE imports IS 'api: SELECT, INSERT; mcp: SELECT, INSERT; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE incidents IS 'api: SELECT, UPDATE; mcp: SELECT, UPDATE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE invitations IS 'api: SELECT, INSERT, DELETE; mcp: SELECT, INSERT, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE job_fences IS 'worker: SELECT, INSERT, UPDATE; log_sealer: SELECT, INSERT, UPDATE';
COMMENT ON TABLE job_schedules IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE jwks IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE; log_sealer: SELECT';
COMMENT ON TABLE key_policy IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, INSERT, UPDATE; worker: SELECT';
COMMENT ON TABLE legacy_events IS 'api: SELECT, INSERT, UPDATE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE legacy_sessions IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, UPDATE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE legacy_user_ends IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, INSERT, UPDATE; worker: SELECT, INSERT, UPDATE';
COMMENT ON TABLE legacy_users IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE legal_holds IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE login_challenges IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE login_failures IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE logout_tokens IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE mail_outbox IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE mcp_tasks IS 'api: SELECT, UPDATE; mcp: SELECT, INSERT, UPDATE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE monitoring_state IS 'api: SELECT; mcp: SELECT; worker: SELECT, UPDATE';
COMMENT ON TABLE oauth_clients IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE oauth_codes IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, UPDATE, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE oauth_consents IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, UPDATE, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE oauth_device_grants IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, UPDATE, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE oauth_pushed_requests IS 'api: SELECT, INSERT, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE one_time_codes IS 'api: SELECT, UPDATE, DELETE; mcp: SELECT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE passkeys IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE permissions IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT';
COMMENT ON TABLE phi_break_glass IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE phi_consents IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE phi_data_keys IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE phi_disclosures IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE phi_field_policies IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE phi_keys IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, INSERT, UPDATE; worker: SELECT, INSERT, UPDATE';
COMMENT ON TABLE phi_requests IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE phi_restrictions IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE phi_rotations IS 'api: SELECT, INSERT; mcp: SELECT, INSERT; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE progress_reports IS 'worker: SELECT, INSERT, DELETE';
COMMENT ON TABLE progress_state IS 'mcp: SELECT; worker: SELECT, UPDATE';
COMMENT ON TABLE refresh_families IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, UPDATE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE releases IS 'worker: SELECT';
COMMENT ON TABLE retention_policies IS 'api: SELECT, UPDATE; mcp: SELECT, UPDATE; worker: SELECT';
COMMENT ON TABLE retention_runs IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE revocations IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE role_permissions IS 'api: SELECT, INSERT, DELETE; mcp: SELECT, INSERT, DELETE; worker: SELECT';
COMMENT ON TABLE roles IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE';
COMMENT ON TABLE security_reports IS 'api: SELECT, INSERT; mcp: SELECT, INSERT; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE server_secrets IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, INSERT, UPDATE; worker: SELECT, INSERT, UPDATE; log_sealer: SELECT';
COMMENT ON TABLE sessions IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE signoff_decisions IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE signoff_policies IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE';
COMMENT ON TABLE signoffs IS 'api: SELECT, INSERT, UPDATE; mcp: SELECT, INSERT, UPDATE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE social_sign_ins IS 'api: SELECT, INSERT, DELETE; worker: SELECT, UPDATE, DELETE';
COMMENT ON TABLE token_lifetimes IS 'api: SELECT, UPDATE; mcp: SELECT, UPDATE; worker: SELECT';
COMMENT ON TABLE token_totals IS 'api: SELECT, UPDATE; mcp: SELECT; worker: SELECT, UPDATE';
COMMENT ON TABLE two_factors IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE unjudged_events IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE user_metadata IS 'worker: SELECT, INSERT, UPDATE';
COMMENT ON TABLE user_roles IS 'api: SELECT, INSERT, DELETE; mcp: SELECT, INSERT, DELETE; worker: SELECT, INSERT';
COMMENT ON TABLE users IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE, DELETE';
COMMENT ON TABLE verifications IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE, DELETE';

-- Gives the roles of the processes the rights that the comments of the tables declare, and takes what they have besides.
-- A table without a comment is one of a later migration that does not know these roles yet.
CREATE FUNCTION grant_process_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE place text := quote_ident(current_schema()); process text; holder text; declared record;
BEGIN
  FOREACH process IN ARRAY ARRAY['api', 'mcp', 'worker', 'log_sealer'] LOOP
    holder := 'sallyport_' || process;
    CONTINUE WHEN to_regrole(holder) IS NULL;
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
      EXECUTE format('GRANT %s ON %s TO %I', declared.rights, declared.place, holder);
    END LOOP;
  END LOOP;
  IF to_regrole('sallyport_log_sealer') IS NOT NULL THEN
    GRANT EXECUTE ON FUNCTION audit_outbox_partition(date), audit_outbox_detach(date), audit_outbox_drop(date) TO sallyport_log_sealer;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION grant_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE place text := quote_ident(current_schema()); audit_table regclass; report_table regclass;
BEGIN
  PERFORM grant_process_roles();

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
