-- A role may make tables and functions of its own in a session, so a rule that looks a table up by its name alone asks what
-- the caller made. Every rule of ours looks in our schema first, whichever way it is called.
DO $$
DECLARE rule regprocedure;
BEGIN
  FOR rule IN
    SELECT oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND prorettype = 'trigger'::regtype
      AND NOT EXISTS (SELECT FROM unnest(proconfig) setting WHERE setting LIKE 'search_path=%')
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', rule, current_schema());
  END LOOP;
END $$;

-- As before, except that a trigger of the caller's own is no way round: the only role that comes with an account is `user`.
CREATE OR REPLACE FUNCTION user_role_allowed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.role <> 'user' AND is_process_role(TG_RELID) AND NOT has_table_privilege('role_permissions', 'INSERT')
    AND NOT EXISTS (SELECT FROM imports i, jsonb_each_text(i.map -> 'roles') r WHERE i.state = 'running' AND r.value = NEW.role) THEN
    RAISE EXCEPTION 'no running import gives the role %', NEW.role USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION user_role_recorded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND EXISTS (SELECT FROM users WHERE id = OLD.user_id) THEN
    PERFORM audit_record('user.role_removed', 'ok', 'user', OLD.user_id, jsonb_build_object('role', OLD.role) || audit_reason());
  END IF;
  IF TG_OP = 'UPDATE' OR TG_OP = 'INSERT' AND NOT (NEW.role = 'user' AND pg_trigger_depth() > 1) THEN
    PERFORM audit_record('user.role_granted', 'ok', 'user', NEW.user_id, jsonb_build_object('role', NEW.role) || audit_reason());
  END IF;
  RETURN NULL;
END $$;
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION user_role_allowed() SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION user_role_recorded() SET search_path = %I, pg_temp', current_schema());
END $$;
