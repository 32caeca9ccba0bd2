-- A task that waits for people is woken by what they decide, and checked at no other time before its sign-off expires.

CREATE INDEX mcp_tasks_subject ON mcp_tasks (subject_id) WHERE state IN ('working', 'input_required');

-- In the transaction of the decision, so no decision is missed. The time of the next check always changes: a check that
-- read the sign-off before the decision then stores nothing.
CREATE FUNCTION mcp_tasks_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE mcp_tasks SET next_look_at = least(clock_timestamp(), next_look_at - interval '1 millisecond')
  WHERE subject_id = (to_jsonb(NEW) ->> TG_ARGV[0])::uuid AND state IN ('working', 'input_required');
  RETURN NULL;
END $$;
CREATE TRIGGER signoffs_wake_tasks AFTER UPDATE OF state ON signoffs FOR EACH ROW
  WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION mcp_tasks_wake('id');
CREATE TRIGGER signoff_decisions_wake_tasks AFTER INSERT ON signoff_decisions FOR EACH ROW
  EXECUTE FUNCTION mcp_tasks_wake('signoff_id');
