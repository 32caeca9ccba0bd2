-- What the processes may do, apart from what the owner of the tables may: the API and the jobs run as sallyport_app, the
-- sealer as sallyport_sealer. Neither changes a sealed row, and neither creates, alters or drops a table.

-- Roles belong to the cluster: another database, or a migration beside this one, may have made them. A login that may not
-- make roles goes on without; `sallyport doctor` shows what to run.
DO $$
BEGIN
  BEGIN
    CREATE ROLE sallyport_app NOLOGIN;
  EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
  END;
  BEGIN
    CREATE ROLE sallyport_sealer NOLOGIN IN ROLE sallyport_app;
  EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege OR undefined_object THEN NULL;
  END;
  -- A superuser takes any role. From PostgreSQL 16 on, another login that makes a role may give it away, to itself too,
  -- and may not take it before.
  BEGIN
    IF to_regrole('sallyport_sealer') IS NOT NULL AND NOT pg_has_role('sallyport_sealer',
      CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END) THEN
      GRANT sallyport_sealer TO CURRENT_USER;
    END IF;
  EXCEPTION WHEN unique_violation OR insufficient_privilege THEN NULL;
  END;
END $$;

-- The rights of both roles on every table that there is; run again after a table was added. Does nothing without them.
CREATE FUNCTION grant_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE place text := quote_ident(current_schema()); audit_table regclass;
BEGIN
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

-- Partitions are made and dropped by their owner. No temporary table of a caller takes the place of one of these.
DO $$
DECLARE maker text;
BEGIN
  FOREACH maker IN ARRAY ARRAY['audit_outbox_partition', 'audit_outbox_detach', 'audit_outbox_drop'] LOOP
    EXECUTE format('ALTER FUNCTION %I(date) SECURITY DEFINER SET search_path = %I, pg_temp', maker, current_schema());
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %I(date) FROM PUBLIC', maker);
  END LOOP;
END $$;

SELECT grant_roles();
