-- Long work that MCP clients began, and poll.

CREATE TABLE mcp_tasks (
  -- 144 random bits: an id that nobody can guess.
  id           text PRIMARY KEY CHECK (length(id) = 24),
  kind         text NOT NULL CHECK (kind ~ '^[a-z_]{1,40}$'),
  -- Who began it; nobody else may see it.
  caller_kind  text NOT NULL CHECK (caller_kind IN ('user', 'client')),
  caller_id    text NOT NULL,
  client_id    text NOT NULL,
  arguments    jsonb NOT NULL CHECK (jsonb_typeof(arguments) = 'object'),
  state        text NOT NULL CHECK (state IN ('working', 'input_required', 'completed', 'cancelled')),
  -- The report or sign-off that the task waits for.
  subject_id   uuid NOT NULL,
  message      text NOT NULL CHECK (length(message) <= 512),
  -- What the tool returned, once completed; before, what is known of it.
  result       jsonb CHECK (jsonb_typeof(result) = 'object'),
  is_error     boolean NOT NULL DEFAULT false,
  created_at   timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  updated_at   timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  next_look_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 80);
CREATE INDEX mcp_tasks_next_look_at ON mcp_tasks (next_look_at) WHERE state IN ('working', 'input_required');
CREATE INDEX mcp_tasks_created_at ON mcp_tasks (created_at);

-- A task that ended stays as it is.
CREATE FUNCTION mcp_task_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state IN ('completed', 'cancelled') THEN
    RAISE EXCEPTION 'a task that ended does not change' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER mcp_task_ended BEFORE UPDATE ON mcp_tasks FOR EACH ROW EXECUTE FUNCTION mcp_task_ended();

SELECT grant_roles();
