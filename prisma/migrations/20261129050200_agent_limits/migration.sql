-- What an agent may start in a day (UTC), by act. Limits of an administrator and of its owner hold both, so neither raises
-- what the other has set.
CREATE TABLE agent_limits (
  client_id     text NOT NULL REFERENCES agents (client_id) ON DELETE CASCADE,
  set_by        text NOT NULL CHECK (set_by IN ('administrator', 'owner')),
  -- An act, the beginning of acts followed by `*`, or `*` for every act.
  act           text NOT NULL CHECK (act ~ '^([a-z][a-z0-9_.:-]*\*?|\*)$' AND length(act) <= 128),
  acts_a_day    integer CHECK (acts_a_day >= 0),
  -- JSON pointers (RFC 6901) into the arguments of the act.
  amount_at     text,
  currency_at   text,
  -- The most by currency; an act in another currency does not start.
  amounts_a_day jsonb CHECK (jsonb_typeof(amounts_a_day) = 'object'),
  PRIMARY KEY (client_id, set_by, act),
  CONSTRAINT agent_limits_limits CHECK (acts_a_day IS NOT NULL OR amounts_a_day IS NOT NULL),
  CONSTRAINT agent_limits_amounts CHECK (num_nulls(amount_at, currency_at, amounts_a_day) IN (0, 3))
);
COMMENT ON TABLE agent_limits IS 'api: SELECT, INSERT, UPDATE, DELETE; mcp: SELECT; worker: SELECT';

CREATE FUNCTION agent_limit_covers(covered text, act text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN right(covered, 1) = '*' THEN starts_with(act, left(covered, -1)) ELSE act = covered END
$$;

-- The amount that arguments name, and its currency. NULL if it is no plain decimal number: a negative one would make room.
CREATE FUNCTION amount_in(arguments text, amount_at text, currency_at text) RETURNS TABLE (amount numeric, currency text)
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN found ~ '^[0-9]+(\.[0-9]+)?$' AND length(found) <= 24 THEN found::numeric END, unit
  FROM (
    SELECT given #>> string_to_array(substr(amount_at, 2), '/') AS found,
      given #>> string_to_array(substr(currency_at, 2), '/') AS unit
    -- An escaped NUL is JSON, and PostgreSQL reads none. OFFSET keeps what is parsed from being parsed for each use.
    FROM (SELECT CASE WHEN position('\u0000' IN arguments) = 0 THEN arguments::jsonb END AS given OFFSET 0) parsed
    OFFSET 0) named
$$;

-- The limits of an agent, each with what it covers of what the agent has started on the day of `at`. By the primary key and
-- index signoffs_started.
CREATE FUNCTION agent_limits_today(agent text, at timestamptz) RETURNS TABLE (set_by text, act text, acts_a_day integer,
  amount_at text, currency_at text, amounts_a_day jsonb, acts_today integer, amounts_today jsonb)
LANGUAGE sql STABLE AS $$
  SELECT l.set_by, l.act, l.acts_a_day, l.amount_at, l.currency_at, l.amounts_a_day,
    (SELECT count(*)::integer FROM signoffs s
     WHERE s.client_id = agent AND s.started_at >= day AND agent_limit_covers(l.act, s.act)),
    CASE WHEN l.amounts_a_day IS NULL THEN '{}' ELSE (
      SELECT coalesce(jsonb_object_agg(total.currency, total.amount), '{}') FROM (
        SELECT a.currency, sum(a.amount) AS amount FROM signoffs s, amount_in(s.arguments, l.amount_at, l.currency_at) a
        WHERE s.client_id = agent AND s.started_at >= day AND agent_limit_covers(l.act, s.act)
          AND a.amount IS NOT NULL AND l.amounts_a_day ? a.currency GROUP BY a.currency) total) END
  FROM agent_limits l, date_trunc('day', at, 'UTC') day WHERE l.client_id = agent
$$;

-- The first limit that keeps an act from starting at this time; no row if it may start.
CREATE FUNCTION agent_limit_refusal(asked signoffs, at timestamptz)
RETURNS TABLE (code text, act text, set_by text, currency text, most numeric) LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN l.acts_today >= l.acts_a_day OR of_currency.most IS NOT NULL THEN 'agent_limit_reached'
      ELSE 'agent_amount_unreadable' END,
    l.act, l.set_by, CASE WHEN l.acts_today >= l.acts_a_day THEN NULL ELSE a.currency END,
    CASE WHEN l.acts_today >= l.acts_a_day THEN l.acts_a_day ELSE of_currency.most END
  FROM agent_limits_today(asked.client_id, at) l
    CROSS JOIN LATERAL amount_in(asked.arguments, l.amount_at, l.currency_at) a
    CROSS JOIN LATERAL (
      SELECT CASE WHEN a.amount IS NOT NULL THEN (l.amounts_a_day ->> a.currency)::numeric END AS most) of_currency
  WHERE agent_limit_covers(l.act, asked.act) AND (l.acts_today >= l.acts_a_day
    OR l.amounts_a_day IS NOT NULL AND of_currency.most IS NULL
    OR coalesce((l.amounts_today ->> a.currency)::numeric, 0) + a.amount > of_currency.most)
  ORDER BY l.act, l.set_by LIMIT 1
$$;

-- The one way to start: at the time of the database, within the limits of the agent, one start after the other. By its name
-- it runs after `signoffs_kept`.
CREATE FUNCTION signoff_started() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state = 'running' OR NEW.state <> 'running' THEN
    RAISE EXCEPTION 'the time at which an act started does not change' USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM FROM agents WHERE client_id = NEW.client_id FOR NO KEY UPDATE;
  NEW.started_at := clock_timestamp();
  IF EXISTS (SELECT FROM agent_limit_refusal(NEW, NEW.started_at)) THEN
    RAISE EXCEPTION 'the agent has reached a limit of the day' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
DO $$ BEGIN
  EXECUTE format('ALTER FUNCTION signoff_started() SET search_path = %I, pg_temp', current_schema());
END $$;
CREATE TRIGGER signoffs_started BEFORE UPDATE ON signoffs FOR EACH ROW
  WHEN (NEW.started_at IS DISTINCT FROM OLD.started_at OR NEW.state = 'running' AND OLD.state <> 'running')
  EXECUTE FUNCTION signoff_started();

SELECT grant_roles();
