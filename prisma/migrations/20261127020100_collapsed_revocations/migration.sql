-- Single revocations are deleted by one function, which raises the epoch that covers them itself. The one before trusted the
-- epochs that a transaction had written, so a row written by hand let revocations go that still had to hold.
DROP FUNCTION drop_covered_revocations(text, text[]);
CREATE FUNCTION collapse_revocations(of_kind text, ids text[], OUT raised bigint, OUT dropped bigint) LANGUAGE plpgsql AS $$
DECLARE
  -- What is committed later may be about a token or a client that does not know the raised epoch.
  newest bigint := (SELECT revocation_epoch FROM feed_state);
  cuts bigint[];
BEGIN
  raised := 0;
  IF of_kind = 'user' THEN
    UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id IN (SELECT id FROM users WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE);
    GET DIAGNOSTICS raised = ROW_COUNT;
    cuts := ARRAY(SELECT r.id FROM revocations r JOIN users u ON u.id = r.value
      WHERE r.kind = 'user' AND u.id = ANY (ids) AND r.epoch IS NULL AND r.token_epoch = u."tokenEpoch");
  ELSIF of_kind = 'client' THEN
    UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1
    WHERE id IN (SELECT id FROM oauth_clients WHERE "clientId" = ANY (ids) OR ids IS NULL ORDER BY id FOR NO KEY UPDATE);
    GET DIAGNOSTICS raised = ROW_COUNT;
    cuts := ARRAY(SELECT r.id FROM revocations r JOIN oauth_clients c ON c."clientId" = r.value
      WHERE r.kind = 'client' AND (c."clientId" = ANY (ids) OR ids IS NULL) AND r.epoch IS NULL AND r.token_epoch = c."tokenEpoch");
  END IF;
  IF ids IS NULL THEN
    -- Every token is of a client. The cookie of a session is not, nor what outlives the epochs.
    DELETE FROM revocations WHERE kind IN ('jti', 'family') AND epoch <= newest AND value !~ '^[0-9a-f]{64}$'
      AND expires_at <= (SELECT min(expires_at) FROM revocations WHERE id = ANY (cuts));
    GET DIAGNOSTICS dropped = ROW_COUNT;
  ELSE
    -- The epoch must live as long as the longest of the rows that it replaces.
    WITH gone AS (
      DELETE FROM revocations r USING revocations cut
      WHERE cut.id = ANY (cuts) AND r.epoch <= newest AND CASE of_kind
        WHEN 'user' THEN r.kind IN ('jti', 'sid', 'family') AND r.user_id = cut.value
        ELSE r.kind IN ('jti', 'family') AND r.user_id IS NULL AND r.client_id = cut.value END
      RETURNING cut.id AS cut_id, r.expires_at
    ), extended AS (
      UPDATE revocations cut SET expires_at = longest.expires_at
      FROM (SELECT cut_id, max(expires_at) AS expires_at FROM gone GROUP BY cut_id) longest
      WHERE cut.id = longest.cut_id AND cut.expires_at < longest.expires_at
    )
    SELECT count(*) INTO dropped FROM gone;
  END IF;
END $$;
COMMENT ON FUNCTION collapse_revocations(text, text[]) IS 'api: EXECUTE; app: EXECUTE';

-- A lower epoch would let tokens live again that a higher one had refused.
CREATE FUNCTION epoch_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a token epoch never falls' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER users_epoch_rises BEFORE UPDATE OF "tokenEpoch" ON users FOR EACH ROW
  WHEN (NEW."tokenEpoch" < OLD."tokenEpoch") EXECUTE FUNCTION epoch_rises();
CREATE TRIGGER oauth_clients_epoch_rises BEFORE UPDATE OF "tokenEpoch" ON oauth_clients FOR EACH ROW
  WHEN (NEW."tokenEpoch" < OLD."tokenEpoch") EXECUTE FUNCTION epoch_rises();

DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION collapse_revocations(text, text[]) SECURITY DEFINER SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION epoch_rises() SET search_path = %I, pg_temp', current_schema());
  REVOKE EXECUTE ON FUNCTION collapse_revocations(text, text[]) FROM PUBLIC;
END $$;

COMMENT ON TABLE revocations IS 'api: SELECT, INSERT, UPDATE (epoch); mcp: SELECT; worker: SELECT, INSERT, UPDATE (epoch), DELETE';

SELECT grant_roles();
