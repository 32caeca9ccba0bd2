-- Leaves commit to ids that are not ours, so the sign-in of an imported user has its id in audit_personal.

CREATE OR REPLACE FUNCTION user_login_waits(subject text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM (
      SELECT event_id, target_id, outcome, detail FROM audit_outbox WHERE seq IS NULL AND type = 'user.login'
      UNION ALL
      SELECT event_id, target_id, outcome, detail FROM audit_events
      WHERE type = 'user.login' AND seq > (SELECT p.seq FROM detection_progress p)
      UNION ALL
      SELECT event_id, target_id, outcome, detail FROM audit_events
      WHERE type = 'user.login' AND seq IN (SELECT u.seq FROM unjudged_events u)) l
    WHERE outcome = 'ok' AND detail -> 'known_device' = 'false'
      AND detail ?| ARRAY['elsewhere', 'suspect_network', 'is_placed']
      AND (target_id = subject OR target_id IS NULL AND EXISTS (
        SELECT FROM audit_personal p WHERE p.event_id = l.event_id AND p.field = 'target' AND p.value = 'user:' || subject)))
$$;
