-- As before: sign-ins are found by the id in their leaf.

CREATE OR REPLACE FUNCTION user_login_waits(subject text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM (
      SELECT target_id, outcome, detail FROM audit_outbox WHERE seq IS NULL AND type = 'user.login'
      UNION ALL
      SELECT target_id, outcome, detail FROM audit_events
      WHERE type = 'user.login' AND seq > (SELECT p.seq FROM detection_progress p)
      UNION ALL
      SELECT target_id, outcome, detail FROM audit_events
      WHERE type = 'user.login' AND seq IN (SELECT u.seq FROM unjudged_events u)) l
    WHERE target_id = subject AND outcome = 'ok' AND detail -> 'known_device' = 'false'
      AND detail ?| ARRAY['elsewhere', 'suspect_network', 'is_placed'])
$$;
