-- What statistics must not forget: tokens that leave no row of their own, and families and revocations cleaned up.
-- Sixteen rows so that concurrent commits rarely meet; readers add them up.
CREATE TABLE token_totals (
  slot      smallint PRIMARY KEY,
  issued    bigint NOT NULL DEFAULT 0,
  refreshed bigint NOT NULL DEFAULT 0,
  revoked   bigint NOT NULL DEFAULT 0,
  expired   bigint NOT NULL DEFAULT 0,
  replays   bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO token_totals (slot) SELECT generate_series(0, 15);
