-- Every security event, written in the transaction of the change it reports. Sealing takes rows from here.
CREATE TABLE audit_outbox (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id     uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
  type         text NOT NULL,
  outcome      text NOT NULL,
  actor_kind   text NOT NULL CHECK (actor_kind IN ('anonymous', 'user', 'client', 'system')),
  actor_id     text,
  target_kind  text,
  target_id    text,
  client_id    text,
  ip_hash      text,
  agent_hash   text,
  detail       jsonb NOT NULL DEFAULT '{}',
  traceparent  text,
  occurred_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The actor and trace of row triggers: settings of the transaction, absent when a row changes behind our back.
CREATE FUNCTION audit_context(field text) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('sallyport.' || field, true), '') $$;

CREATE FUNCTION audit_record(event_type text, event_outcome text, kind text, target text, event_detail jsonb DEFAULT '{}')
RETURNS void LANGUAGE sql AS $$
  INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash, detail, traceparent)
  VALUES (event_type, event_outcome, coalesce(audit_context('actor_kind'), 'system'), coalesce(audit_context('actor_id'), 'database'),
          kind, target, audit_context('client_id'), audit_context('ip_hash'), audit_context('agent_hash'), event_detail, audit_context('traceparent'))
$$;
