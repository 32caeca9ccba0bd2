-- Second factors are removed beside an open incident about that very account, which this transaction raised or counted: any
-- incident of the moment was enough before. One that another transaction is changing does not count, and nothing waits for it.
CREATE OR REPLACE FUNCTION remove_factors_since(account text, since timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE began timestamptz := date_trunc('milliseconds', since); has_passkeys boolean;
BEGIN
  PERFORM FROM incidents WHERE subject_kind = 'user' AND subject_id = account AND state <> 'closed'
    AND last_seen_at BETWEEN now() AND clock_timestamp() FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'second factors are removed beside an open incident about their account alone' USING ERRCODE = 'insufficient_privilege';
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
-- Replacing it took these away.
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION remove_factors_since(text, timestamptz) SECURITY DEFINER SET search_path = %I, pg_temp', current_schema());
END $$;
