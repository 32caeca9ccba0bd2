-- The roles of the processes lose every right that no statement of theirs uses, and update the columns that their statements
-- name and no others. No role but one deletes revocations, second factors or data keys of health data: what another process
-- must remove it asks of a function of the owner, which asks its condition itself.

-- Deletes revocations that a cut of this transaction covers: the epoch of their user or client was raised, so every token that
-- they refuse stays refused. Without ids the epoch of every client must have been raised.
CREATE FUNCTION drop_covered_revocations(cut_kind text, ids text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE dropped bigint;
BEGIN
  IF ids IS NULL THEN
    IF cut_kind <> 'client' OR EXISTS (SELECT FROM oauth_clients c WHERE NOT EXISTS (SELECT FROM revocations cut
      WHERE cut.kind = 'client' AND cut.value = c."clientId" AND cut.token_epoch = c."tokenEpoch" AND cut.epoch IS NULL)) THEN
      RAISE EXCEPTION 'revocations stay until every token that they refuse is refused otherwise' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM revocations WHERE kind IN ('jti', 'family') AND epoch IS NOT NULL;
  ELSE
    DELETE FROM revocations r USING revocations cut
    WHERE cut.kind = cut_kind AND cut.value = ANY (ids) AND cut.epoch IS NULL AND cut.expires_at >= r.expires_at AND r.epoch IS NOT NULL
      AND CASE cut_kind WHEN 'user' THEN r.kind IN ('jti', 'sid', 'family') AND r.user_id = cut.value
        WHEN 'client' THEN r.kind IN ('jti', 'family') AND r.user_id IS NULL AND r.client_id = cut.value ELSE false END;
  END IF;
  GET DIAGNOSTICS dropped = ROW_COUNT;
  RETURN dropped;
END $$;
COMMENT ON FUNCTION drop_covered_revocations(text, text[]) IS 'api: EXECUTE; app: EXECUTE';

-- Removes the passkeys and the authenticator app that an account got since a time, and voids its newer recovery codes: only
-- beside an incident that the same transaction raises.
CREATE FUNCTION remove_factors_since(account text, since timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE began timestamptz := date_trunc('milliseconds', since); has_passkeys boolean;
BEGIN
  IF NOT EXISTS (SELECT FROM incidents WHERE last_seen_at >= now()) THEN
    RAISE EXCEPTION 'second factors are removed beside an incident alone' USING ERRCODE = 'insufficient_privilege';
  END IF;
  DELETE FROM passkeys WHERE id IN (SELECT id FROM passkeys WHERE "userId" = account AND "createdAt" >= began ORDER BY id FOR UPDATE);
  has_passkeys := EXISTS (SELECT FROM passkeys WHERE "userId" = account);
  -- The recovery codes stay if a passkey needs them.
  IF has_passkeys THEN
    UPDATE two_factors SET verified = false WHERE "userId" = account AND verified AND coalesce("verifiedAt", "createdAt") >= began;
  ELSE
    DELETE FROM two_factors WHERE "userId" = account AND (NOT verified OR coalesce("verifiedAt", "createdAt") >= began);
  END IF;
  UPDATE two_factors SET "codesLeft" = 0 WHERE "userId" = account AND "codesMadeAt" >= began;
END $$;
COMMENT ON FUNCTION remove_factors_since(text, timestamptz) IS 'worker: EXECUTE; app: EXECUTE';

-- Whether the statement runs as a role of one process: neither the owner nor the application that embeds the product.
CREATE FUNCTION is_process_role(place regclass) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT NOT pg_has_role(current_user, relowner, 'MEMBER')
    AND NOT coalesce(pg_has_role(current_user, to_regrole('sallyport_app'), 'MEMBER'), false)
  FROM pg_class WHERE oid = place
$$;

-- A revocation stays, and stays readable, until it expires.
CREATE FUNCTION revocation_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF is_process_role(TG_RELID) THEN
    RAISE EXCEPTION 'a revocation stays until it expires' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER revocations_stay BEFORE DELETE ON revocations FOR EACH ROW
  WHEN (OLD.expires_at > clock_timestamp()) EXECUTE FUNCTION revocation_stays();
CREATE TRIGGER revocations_last BEFORE UPDATE OF expires_at, epoch ON revocations FOR EACH ROW
  WHEN (NEW.expires_at < OLD.expires_at OR OLD.epoch IS NOT NULL AND NEW.epoch IS DISTINCT FROM OLD.epoch) EXECUTE FUNCTION revocation_stays();

-- A process that gives no permission to a role gives a user only the roles that the mapping of a running import names.
CREATE FUNCTION user_role_allowed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() = 1 AND is_process_role(TG_RELID) AND NOT has_table_privilege('role_permissions', 'INSERT')
    AND NOT EXISTS (SELECT FROM imports i, jsonb_each_text(i.map -> 'roles') r WHERE i.state = 'running' AND r.value = NEW.role) THEN
    RAISE EXCEPTION 'no running import gives the role %', NEW.role USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER user_roles_allowed BEFORE INSERT ON user_roles FOR EACH ROW EXECUTE FUNCTION user_role_allowed();

-- A process that opens no token family opens a session only for a user of the same transaction, as a compliance check does.
CREATE FUNCTION session_allowed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF is_process_role(TG_RELID) AND NOT has_table_privilege('refresh_families', 'INSERT')
    AND NOT EXISTS (SELECT FROM users WHERE id = NEW."userId" AND "createdAt" >= date_trunc('milliseconds', now())) THEN
    RAISE EXCEPTION 'this process opens no session' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER sessions_allowed BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION session_allowed();

-- These functions of the owner are called by their name alone, and no table of a caller takes the place of one of theirs. The
-- copy of a user's roles follows `user_roles`, whoever writes there, and nobody else writes it.
DO $$
DECLARE made text;
BEGIN
  FOREACH made IN ARRAY ARRAY['drop_covered_revocations(text, text[])', 'remove_factors_since(text, timestamptz)', 'user_roles_changed()'] LOOP
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp', made, current_schema());
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', made);
  END LOOP;
END $$;

-- Also gives the functions whose comments name the process.
CREATE OR REPLACE FUNCTION grant_process_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE place text := quote_ident(current_schema()); process text; holder text; declared record;
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
      EXECUTE format('GRANT %s ON %s TO %I', declared.rights, declared.place, holder);
    END LOOP;
  END LOOP;
  IF to_regrole('sallyport_log_sealer') IS NOT NULL THEN
    GRANT EXECUTE ON FUNCTION audit_outbox_partition(date), audit_outbox_detach(date), audit_outbox_drop(date) TO sallyport_log_sealer;
  END IF;
END $$;

-- What each process may do on each table; the test of the role matrix finds it in the statements of each process.
COMMENT ON TABLE accounts IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (password, "createdAt", "updatedAt"), DELETE';
COMMENT ON TABLE agents IS 'api: SELECT, INSERT, UPDATE (capabilities, last_seen_at, killed_at); mcp: SELECT, UPDATE (last_seen_at); worker: SELECT, UPDATE (killed_at)';
COMMENT ON TABLE alert_deliveries IS 'api: SELECT, INSERT, UPDATE (next_attempt_at); worker: SELECT, INSERT, UPDATE (mail_id, attempts, next_attempt_at, failure, failed_at, sent_at), DELETE';
COMMENT ON TABLE alert_notices IS 'api: SELECT; worker: SELECT, INSERT, UPDATE (delivery_id)';
COMMENT ON TABLE alert_progress IS 'worker: SELECT, INSERT, UPDATE (seq)';
COMMENT ON TABLE alert_silences IS 'api: SELECT, INSERT, UPDATE (ended_at); worker: SELECT, UPDATE (created_at), DELETE';
COMMENT ON TABLE alert_targets IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE (sealed, failures, open_until)';
COMMENT ON TABLE alerts IS 'api: SELECT, INSERT, UPDATE (state, count, acknowledged_at, acknowledged_by, resolved_at, is_closing); worker: SELECT, INSERT, UPDATE (state, count, acknowledged_at, acknowledged_by, resolved_at, is_closing), DELETE';
COMMENT ON TABLE api_key_nonces IS 'api: INSERT; worker: SELECT, UPDATE (expires_at), DELETE';
COMMENT ON TABLE api_key_uses IS 'api: SELECT, INSERT, UPDATE (last_used_at, uses); mcp: SELECT; worker: SELECT';
COMMENT ON TABLE api_keys IS 'api: SELECT, INSERT, UPDATE (secret_hash, previous_hash, previous_until, rotated_at, expires_at, revoked_at, revoke_reason, owner_changed_at, version); mcp: SELECT; worker: SELECT, UPDATE (revoked_at, revoke_reason, owner_changed_at, version), DELETE';
COMMENT ON TABLE applications IS 'api: SELECT, INSERT, DELETE; mcp: SELECT; worker: SELECT';
COMMENT ON TABLE audit_outbox IS 'api: SELECT, INSERT; mcp: INSERT; worker: SELECT, INSERT; log_sealer: SELECT, INSERT, UPDATE (target_kind, target_id, ip_hash, agent_hash, detail, seq)';
COMMENT ON TABLE audit_sinks IS 'worker: SELECT; log_sealer: SELECT, INSERT, UPDATE (origin, size, published_at, failing_since, failures)';
COMMENT ON TABLE authentication_progress IS 'mcp: SELECT; worker: SELECT, INSERT, UPDATE (events), DELETE';
COMMENT ON TABLE capacity_samples IS 'api: SELECT; worker: SELECT, INSERT, UPDATE (hour), DELETE';
COMMENT ON TABLE client_assertions IS 'api: SELECT, INSERT; worker: SELECT, UPDATE (expires_at), DELETE';
COMMENT ON TABLE compliance_attestations IS 'api: SELECT, INSERT; mcp: SELECT; worker: SELECT, UPDATE (expires_at), DELETE';
COMMENT ON TABLE compliance_controls IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT, UPDATE (status, reason, population, sampled, exceptions, exception_count, observed, observed_sha256, probe_version, release, collector, started_at, ended_at, changed_at)';
COMMENT ON TABLE compliance_findings IS 'api: SELECT, UPDATE (acknowledged_at); worker: SELECT, INSERT';
COMMENT ON TABLE compliance_log_reads IS 'worker: SELECT, INSERT, UPDATE (probe_version, read_to)';
COMMENT ON TABLE compliance_reports IS 'api: SELECT, INSERT, UPDATE (status, ended_at, failure); mcp: SELECT, INSERT, UPDATE (status, ended_at, failure); worker: SELECT, INSERT, UPDATE (status, progress, started_at, ended_at, failure, summary, bundle, sha256, pdf), DELETE';
COMMENT ON TABLE compliance_violations IS 'api: SELECT, UPDATE (state, owner, due_at, reason, changed_by, changed_at); worker: SELECT, INSERT, UPDATE (state, exception_count, detail, reason, changed_by, changed_at, resolved_at), DELETE';
COMMENT ON TABLE component_progress IS 'mcp: SELECT; worker: SELECT, INSERT, UPDATE (status, percent, coverage, security_score, at)';
COMMENT ON TABLE copy_samples IS 'api: SELECT, INSERT; worker: SELECT, INSERT, UPDATE (at), DELETE';
COMMENT ON TABLE detection_progress IS 'api: SELECT; worker: SELECT, UPDATE (seq)';
COMMENT ON TABLE dpop_proofs IS 'api: SELECT, INSERT; mcp: SELECT, INSERT; worker: SELECT, UPDATE (expires_at), DELETE';
COMMENT ON TABLE event_hours IS 'api: SELECT; mcp: SELECT; worker: SELECT, INSERT, UPDATE (events, active), DELETE';
COMMENT ON TABLE feed_state IS 'api: SELECT, UPDATE (revocation_epoch, keys_version, access_version, beat, beat_at); mcp: SELECT, UPDATE (beat, beat_at); worker: SELECT, UPDATE (incarnation, replaced, revocation_epoch, keys_version, access_version, beat, beat_at, mark_place); log_sealer: SELECT';
COMMENT ON TABLE handoff_deliveries IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (attempts, created_at, next_attempt_at, failure, failed_at), DELETE';
COMMENT ON TABLE handoff_endpoints IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (reached_seq, failures, open_until, followed_at), DELETE';
COMMENT ON TABLE handoff_parked IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (after_seq), DELETE';
COMMENT ON TABLE idempotency_keys IS 'api: SELECT, INSERT, UPDATE (request_hash, status, response, created_at, expires_at); worker: SELECT, UPDATE (created_at), DELETE';
COMMENT ON TABLE import_chunks IS 'api: SELECT, INSERT, UPDATE (sealed); worker: SELECT, UPDATE (sealed), DELETE';
COMMENT ON TABLE import_notices IS 'api: SELECT; worker: SELECT, INSERT';
COMMENT ON TABLE import_rejects IS 'api: SELECT; worker: SELECT, INSERT';
COMMENT ON TABLE imported_hash_keys IS 'api: SELECT, UPDATE (sealed); worker: SELECT, INSERT, UPDATE (sealed, created_at), DELETE';
COMMENT ON TABLE imports IS 'api: SELECT, INSERT; worker: SELECT, UPDATE (source_sha256, source_bytes, state, position, position_bytes, new_count, changed_count, same_count, linked_count, rejected_count, hash_formats, reject_reasons, users_sha256, failure, event_id, touched_at, finished_at, factors_lost_count, notices), DELETE';
COMMENT ON TABLE incidents IS 'api: SELECT, UPDATE (state, reason, changed_at, changed_by); mcp: SELECT; worker: SELECT, INSERT, UPDATE (count, last_seen_at, detail, actions), DELETE';
COMMENT ON TABLE installation_facts IS 'api: SELECT, INSERT, UPDATE (facts, recorded_at); worker: SELECT';
COMMENT ON TABLE invitations IS 'api: SELECT, INSERT, DELETE; worker: SELECT, UPDATE (expires_at), DELETE';
COMMENT ON TABLE job_fences IS 'worker: SELECT, INSERT, UPDATE (fence); log_sealer: SELECT, INSERT, UPDATE (fence)';
COMMENT ON TABLE job_schedules IS 'api: SELECT; worker: SELECT, INSERT, UPDATE (queue, every_seconds, next_run_at, last_started_at, last_finished_at, last_succeeded_at, last_outcome, declared_at), DELETE';
COMMENT ON TABLE jwks IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, INSERT, UPDATE ("publicKey", "privateKey", "expiresAt", signs, longest_token_seconds, compromised_at, compromise_reason, rotation_note), DELETE; log_sealer: SELECT';
COMMENT ON TABLE key_policy IS 'api: SELECT, INSERT, UPDATE (algorithm, prepublish_seconds, rotation_days, longest_token_seconds, leeway_seconds, ring_bound_seconds, refresh_seconds); worker: SELECT';
COMMENT ON TABLE legacy_events IS 'api: SELECT, INSERT, UPDATE (next_attempt_at); worker: SELECT, UPDATE (changes, state, next_attempt_at), DELETE';
COMMENT ON TABLE legacy_sessions IS 'api: SELECT, INSERT, UPDATE (session_id, touched_at, ended_at); worker: SELECT, INSERT, UPDATE (touched_at, ended_at), DELETE';
COMMENT ON TABLE legacy_user_ends IS 'api: SELECT, INSERT, UPDATE (ended_at); worker: SELECT, INSERT, UPDATE (ended_at)';
COMMENT ON TABLE legacy_users IS 'api: SELECT, INSERT, UPDATE (lazy); worker: SELECT, INSERT, UPDATE (content_sha256, password_sha256, password_set_at, lazy, email_sha256, email_verified, factors_lost), DELETE';
COMMENT ON TABLE legal_holds IS 'api: SELECT, INSERT, UPDATE (ended_at); worker: SELECT, UPDATE (created_at), DELETE';
COMMENT ON TABLE login_challenges IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE (expires_at), DELETE';
COMMENT ON TABLE login_failures IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (failures, recent, window_began_at, locks, locked_until, last_failed_at, tried, successes, user_id, stepped_up), DELETE';
COMMENT ON TABLE logout_tokens IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (attempts, created_at, next_attempt_at, failure, failed_at), DELETE';
COMMENT ON TABLE mail_outbox IS 'api: SELECT, INSERT, UPDATE (sealed); worker: SELECT, INSERT, UPDATE (sealed, attempts, next_attempt_at, failure), DELETE';
COMMENT ON TABLE mcp_tasks IS 'api: SELECT, UPDATE (next_look_at); mcp: SELECT, INSERT, UPDATE (state, message, result, is_error, updated_at, next_look_at); worker: SELECT, UPDATE (state, message, result, is_error, updated_at, next_look_at), DELETE';
COMMENT ON TABLE monitoring_state IS 'api: SELECT; worker: SELECT, UPDATE (after_seq, counted_at, locked_accounts, tokens, tokens_at)';
COMMENT ON TABLE oauth_clients IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, UPDATE (disabled, scopes, "tokenEpoch"), DELETE';
COMMENT ON TABLE oauth_codes IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE (expires_at), DELETE';
COMMENT ON TABLE oauth_consents IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, UPDATE (granted_at), DELETE';
COMMENT ON TABLE oauth_device_grants IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE (decided_at), DELETE';
COMMENT ON TABLE oauth_pushed_requests IS 'api: SELECT, INSERT, DELETE; worker: SELECT, UPDATE (expires_at), DELETE';
COMMENT ON TABLE one_time_codes IS 'api: SELECT, UPDATE (sealed, typed_tries), DELETE; worker: SELECT, INSERT, UPDATE (hash, user_epoch, sealed, expires_at, typed_tries), DELETE';
COMMENT ON TABLE passkeys IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, INSERT';
COMMENT ON TABLE permissions IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT';
COMMENT ON TABLE phi_break_glass IS 'api: SELECT, INSERT, UPDATE (expires_at, outcome, reviewed_at, reviewed_by); worker: SELECT, INSERT, UPDATE (opened_at, expires_at), DELETE';
COMMENT ON TABLE phi_consents IS 'api: SELECT, INSERT; worker: SELECT, UPDATE (recorded_at), DELETE';
COMMENT ON TABLE phi_data_keys IS 'api: SELECT, INSERT, UPDATE (kek_version, wrapped, shredded_at); worker: SELECT, INSERT, UPDATE (kek_version, wrapped, shredded_at), DELETE';
COMMENT ON TABLE phi_disclosures IS 'api: SELECT, INSERT; worker: SELECT, UPDATE (recorded_at), DELETE';
COMMENT ON TABLE phi_field_policies IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, INSERT, UPDATE (fields, changed_at), DELETE';
COMMENT ON TABLE phi_keys IS 'api: SELECT, INSERT, UPDATE (sealed); worker: SELECT, INSERT, UPDATE (sealed, destroyed_at)';
COMMENT ON TABLE phi_requests IS 'api: SELECT, INSERT; worker: SELECT, UPDATE (state, finished_at, event_id, summary, result), DELETE';
COMMENT ON TABLE phi_restrictions IS 'api: SELECT, INSERT, UPDATE (ended_at); worker: SELECT, INSERT, UPDATE (created_at), DELETE';
COMMENT ON TABLE phi_rotations IS 'api: SELECT, INSERT; worker: SELECT, INSERT, UPDATE (state, data_keys, rewrapped, finished_at), DELETE';
COMMENT ON TABLE progress_state IS 'mcp: SELECT; worker: SELECT, UPDATE (measured, measured_at, reported, reported_at)';
COMMENT ON TABLE refresh_families IS 'api: SELECT, INSERT, UPDATE (generation, rotated_at, grace_uses, grace_streak, idle_expires_at, expires_at, revoked_at, revoke_reason, kv, prev_kv, context_hash, grace_contested, lost_answer_at); mcp: SELECT; worker: SELECT, UPDATE (expires_at, revoked_at, revoke_reason), DELETE';
COMMENT ON TABLE retention_policies IS 'api: SELECT, UPDATE (keep_days, changed_at); worker: SELECT';
COMMENT ON TABLE retention_runs IS 'api: SELECT, INSERT; worker: SELECT, INSERT, UPDATE (state, finished_at, counts, removed), DELETE';
COMMENT ON TABLE revocations IS 'api: SELECT, INSERT, UPDATE (epoch, expires_at); mcp: SELECT; worker: SELECT, INSERT, UPDATE (epoch), DELETE';
COMMENT ON TABLE role_permissions IS 'api: SELECT, INSERT, DELETE; mcp: SELECT; worker: SELECT';
COMMENT ON TABLE roles IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, UPDATE (description)';
COMMENT ON TABLE security_reports IS 'api: SELECT, INSERT; worker: SELECT, INSERT, UPDATE (status, ended_at, content, sha256), DELETE';
COMMENT ON TABLE server_secrets IS 'api: SELECT, INSERT, UPDATE (secret); mcp: SELECT; worker: SELECT, INSERT, UPDATE (secret); log_sealer: SELECT';
COMMENT ON TABLE sessions IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, INSERT, UPDATE ("updatedAt"), DELETE';
COMMENT ON TABLE siem_targets IS 'api: SELECT, UPDATE (reached_seq, rejections, retry_at); worker: SELECT, INSERT, UPDATE (reached_seq, failures, rejections, failure, failed_at, retry_at, accepted_at, followed_at), DELETE';
COMMENT ON TABLE signal_exclusions IS 'api: SELECT, INSERT, DELETE; worker: SELECT';
COMMENT ON TABLE signal_streams IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE (sealed_authorization)';
COMMENT ON TABLE signal_transmitters IS 'api: SELECT, INSERT, DELETE; worker: SELECT';
COMMENT ON TABLE signals_received IS 'api: SELECT, INSERT; worker: SELECT, UPDATE (received_at), DELETE';
COMMENT ON TABLE signoff_decisions IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, UPDATE (decided_at); worker: SELECT, UPDATE (decided_at), DELETE';
COMMENT ON TABLE signoff_policies IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, UPDATE (version); worker: SELECT';
COMMENT ON TABLE signoffs IS 'api: SELECT, INSERT, UPDATE (state, decided_at, started_at, finished_at, failure, event_id); mcp: SELECT, INSERT, UPDATE (state, finished_at, failure); worker: SELECT, UPDATE (state, decided_at, started_at, finished_at, failure, event_id), DELETE';
COMMENT ON TABLE social_sign_ins IS 'api: SELECT, INSERT, DELETE; worker: SELECT, UPDATE (expires_at), DELETE';
COMMENT ON TABLE token_lifetimes IS 'api: SELECT, UPDATE (revocation_keep_seconds); worker: SELECT';
COMMENT ON TABLE token_totals IS 'api: SELECT, UPDATE (issued, revoked); mcp: SELECT; worker: SELECT, UPDATE (issued, refreshed, revoked, expired, replays)';
COMMENT ON TABLE two_factors IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT, INSERT';
COMMENT ON TABLE unjudged_events IS 'api: SELECT; worker: SELECT, INSERT, UPDATE (tries, failure, failed_at, next_try_at), DELETE';
COMMENT ON TABLE user_metadata IS 'worker: SELECT, INSERT, UPDATE (metadata)';
COMMENT ON TABLE user_roles IS 'api: SELECT, INSERT, DELETE; mcp: SELECT; worker: SELECT, INSERT';
COMMENT ON TABLE users IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT, UPDATE ("updatedAt"); worker: SELECT, INSERT, UPDATE (email, "emailVerified", name, image, "updatedAt", "tokenEpoch", "disabledAt", "passwordChangedAt", "lastLoginAt", "devicesSince", "twoFactorEnabled", "owesFactor"), DELETE';
COMMENT ON TABLE verifications IS 'api: SELECT, INSERT, UPDATE, DELETE; worker: SELECT, UPDATE ("updatedAt"), DELETE';

SELECT grant_roles();
