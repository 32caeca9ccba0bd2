import { defineStatement } from '../../platform/define/statement.ts';
import type { Sql } from '../ports.ts';

const consentRead = defineStatement(
  'oauthConsentRead',
  `SELECT scopes FROM oauth_consents WHERE user_id = $1 AND client_id = $2 AND audience = $3`,
);

/** Scopes add up: a narrower request later takes nothing back. */
const consentUpsert = defineStatement(
  'oauthConsentUpsert',
  `INSERT INTO oauth_consents AS held (user_id, client_id, audience, scopes) VALUES ($1, $2, $3, $4)
   ON CONFLICT (user_id, client_id, audience) DO UPDATE SET granted_at = clock_timestamp(),
     scopes = ARRAY(SELECT DISTINCT unnest(held.scopes || EXCLUDED.scopes) ORDER BY 1)`,
);

export type ConsentKey = { readonly userId: string; readonly clientId: string; readonly audience: string };

export async function readConsent(sql: Sql, { userId, clientId, audience }: ConsentKey): Promise<readonly string[]> {
  const [row] = await sql.query<{ scopes: string[] }>(consentRead, [userId, clientId, audience]);
  return row?.scopes ?? [];
}

export async function keepConsent(tx: Sql, key: ConsentKey, scopes: readonly string[]): Promise<void> {
  await tx.query(consentUpsert, [key.userId, key.clientId, key.audience, scopes]);
}
