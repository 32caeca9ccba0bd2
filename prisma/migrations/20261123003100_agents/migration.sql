-- Agents: software that acts for a person. An agent is an OAuth client with an owner.

INSERT INTO permissions (name, description) VALUES
  ('agents:read', 'Read agents and their status'),
  ('agents:manage', 'Register agents and kill them');
INSERT INTO role_permissions (role, permission) VALUES
  ('admin', 'agents:read'), ('admin', 'agents:manage'), ('operator', 'agents:read'), ('auditor', 'agents:read');

CREATE TABLE agents (
  -- Its client has its name, its credentials and its scopes.
  client_id         text PRIMARY KEY REFERENCES oauth_clients ("clientId") ON DELETE CASCADE,
  owner_id          text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  capabilities      text[] NOT NULL DEFAULT '{}' CHECK (cardinality(capabilities) <= 50),
  heartbeat_seconds integer NOT NULL DEFAULT 60 CHECK (heartbeat_seconds BETWEEN 10 AND 86400),
  last_seen_at      timestamptz(3),
  created_at        timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- Its credentials are refused from then on.
  expires_at        timestamptz(3) NOT NULL,
  -- For good: a killed agent is replaced by a new one.
  killed_at         timestamptz(3)
) WITH (fillfactor = 80);
CREATE INDEX agents_owner_id ON agents (owner_id, client_id);

-- The permissions of a user, whatever the assurance of a sign-in.
CREATE FUNCTION user_permissions(subject text) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT ARRAY(SELECT DISTINCT permission FROM user_roles JOIN role_permissions USING (role) WHERE user_id = subject)
$$;

-- Of these scopes, all but the permissions that the user lacks.
CREATE FUNCTION scopes_within(scopes text[], subject text) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT ARRAY(SELECT scope FROM unnest(scopes) WITH ORDINALITY AS given (scope, place)
    WHERE NOT EXISTS (SELECT FROM permissions WHERE name = scope) OR scope = ANY (user_permissions(subject)) ORDER BY place)
$$;

-- Whatever changes the client of an agent: it never has more than its owner, and a killed one stays disabled. By its
-- name this trigger runs before those that compare rights, so a narrowed client loses its tokens.
CREATE FUNCTION agent_client_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE agent agents;
BEGIN
  SELECT * INTO agent FROM agents WHERE client_id = NEW."clientId";
  IF NOT FOUND THEN RETURN NEW; END IF;
  NEW.scopes := scopes_within(NEW.scopes, agent.owner_id);
  NEW."clientCredentialsScopes" := scopes_within(NEW."clientCredentialsScopes", agent.owner_id);
  NEW.disabled := coalesce(NEW.disabled, false) OR agent.killed_at IS NOT NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER oauth_clients_agent BEFORE UPDATE ON oauth_clients FOR EACH ROW EXECUTE FUNCTION agent_client_kept();

-- Disabling the client ends every token of it and every token exchanged by it, on every copy and at every verifier.
CREATE FUNCTION agent_killed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE oauth_clients SET disabled = true WHERE "clientId" = NEW.client_id;
  PERFORM audit_record('agent.killed', 'ok', 'client', NEW.client_id,
    jsonb_build_object('owner_id', NEW.owner_id) || audit_reason());
  RETURN NULL;
END $$;
CREATE TRIGGER agents_killed AFTER UPDATE ON agents FOR EACH ROW
  WHEN (OLD.killed_at IS NULL AND NEW.killed_at IS NOT NULL) EXECUTE FUNCTION agent_killed();

CREATE FUNCTION agent_stays_killed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'an agent is killed for good, and keeps its owner' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER agents_stay_killed BEFORE UPDATE ON agents FOR EACH ROW
  WHEN (OLD.killed_at IS NOT NULL AND NEW.killed_at IS DISTINCT FROM OLD.killed_at OR NEW.owner_id <> OLD.owner_id)
  EXECUTE FUNCTION agent_stays_killed();

-- No agent stays as a plain client after its owner.
CREATE FUNCTION agent_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM oauth_clients WHERE "clientId" = OLD.client_id;
  RETURN NULL;
END $$;
CREATE TRIGGER agents_deleted AFTER DELETE ON agents FOR EACH ROW EXECUTE FUNCTION agent_deleted();

-- A disabled owner's agents are killed; after the owner lost a permission, agent_client_kept takes it from the agents.
-- Every loss of a permission raises the epoch. Clients are locked after their owner, in id order.
CREATE FUNCTION agents_follow_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW."disabledAt" IS NOT NULL THEN
    UPDATE agents SET killed_at = clock_timestamp() WHERE client_id IN (
      SELECT client_id FROM agents WHERE owner_id = NEW.id AND killed_at IS NULL ORDER BY client_id FOR UPDATE);
  ELSE
    UPDATE oauth_clients SET scopes = scopes WHERE "clientId" IN (
      SELECT "clientId" FROM oauth_clients JOIN agents ON client_id = "clientId"
      WHERE owner_id = NEW.id AND killed_at IS NULL ORDER BY "clientId" FOR UPDATE OF oauth_clients);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER users_agents AFTER UPDATE ON users FOR EACH ROW
  WHEN (NEW."tokenEpoch" > OLD."tokenEpoch" OR NEW."disabledAt" IS NOT NULL AND OLD."disabledAt" IS NULL)
  EXECUTE FUNCTION agents_follow_owner();

-- Directories keep owner and expiry of agents beside their clients.
CREATE CONSTRAINT TRIGGER agents_version AFTER INSERT OR DELETE ON agents
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION access_changed();

SELECT grant_roles();
