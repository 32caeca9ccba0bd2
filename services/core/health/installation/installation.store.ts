import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Settings by the name of their variable; null: not set. */
export type InstallationFacts = Readonly<Record<string, string | null>>;

const installationRead = defineStatement('installationRead', `SELECT facts FROM installation_facts`);

// Copies that start at once say the same: the second finds nothing to change.
const installationWrite = defineStatement('installationWrite')`
  INSERT INTO installation_facts AS i (facts) VALUES ($1::jsonb)
  ON CONFLICT (id) DO UPDATE SET facts = excluded.facts, recorded_at = clock_timestamp()
  WHERE i.facts IS DISTINCT FROM excluded.facts RETURNING 1`;

/** Undefined before the first start of an API. */
export async function readFacts(sql: Sql): Promise<InstallationFacts | undefined> {
  const [row] = await sql.query<{ facts: InstallationFacts }>(installationRead);
  return row?.facts;
}

/** False if they are there. */
export const writeFacts = async (tx: Sql, facts: InstallationFacts): Promise<boolean> =>
  (await tx.query(installationWrite, [JSON.stringify(facts)])).length > 0;
