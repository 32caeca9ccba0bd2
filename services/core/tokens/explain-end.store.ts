import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { placeTime } from '../shared/pagination.ts';

/** What a token depends on: the end of any of these ends the token. */
export type TokenTies = {
  readonly token_id: string | null;
  readonly session_id: string | null;
  readonly family_id: string | null;
  /** Null for a client-credentials token. */
  readonly user_id: string | null;
  readonly client_id: string;
  /** Epochs at issue. */
  readonly user_epoch: number;
  readonly client_epoch: number;
};

export type EndRow = {
  readonly kind: 'jti' | 'sid' | 'family' | 'user' | 'client';
  readonly reason: string;
  readonly actor_kind: string | null;
  readonly actor_id: string | null;
  /** Null when the reason is the rule itself, or the rule is no longer known. */
  readonly rule: string | null;
  readonly ended_at: string;
};

// Uses revocations_kind_value. Reads the first revocation, because later ones changed nothing.
const firstRevocationRead = defineStatement(
  'firstRevocationRead',
  `SELECT kind, reason, actor_kind, actor_id, rule, ${placeTime('created_at')} AS ended_at
   FROM revocations
   WHERE (kind = 'jti' AND value = $1) OR (kind = 'sid' AND value = $2) OR (kind = 'family' AND value = $3)
     OR (kind = 'user' AND value = $4 AND token_epoch > $6) OR (kind = 'client' AND value = $5 AND token_epoch > $7)
   ORDER BY id LIMIT 1`,
);
// Uses the primary key. The row of a family is kept longer than its revocations.
const familyEndRead = defineStatement(
  'familyEndRead',
  `SELECT 'family' AS kind, coalesce(revoke_reason, '') AS reason, NULL AS actor_kind, NULL AS actor_id,
     NULL AS rule, ${placeTime('revoked_at')} AS ended_at
   FROM refresh_families WHERE id = $1::uuid AND revoked_at IS NOT NULL`,
);
const familyTiesRead = defineStatement(
  'familyTiesRead',
  `SELECT NULL AS token_id, sid AS session_id, id::text AS family_id, user_id, client_id,
     user_epoch, client_epoch, now() >= least(idle_expires_at, expires_at) AS is_expired,
     ${placeTime('lost_answer_at')} AS lost_answer_at
   FROM refresh_families WHERE id = $1::uuid AND nonce_hash = $2::bytea`,
);

export async function readFirstRevocation(sql: Sql, ties: TokenTies): Promise<EndRow | undefined> {
  const values = [
    ties.token_id,
    ties.session_id,
    ties.family_id,
    ties.user_id,
    ties.client_id,
    ties.user_epoch,
    ties.client_epoch,
  ];
  return (await sql.query<EndRow>(firstRevocationRead, values))[0];
}

/** How a token family ended; undefined while it is live, or after its row was purged. */
export const readFamilyEnd = async (sql: Sql, familyId: string): Promise<EndRow | undefined> =>
  (await sql.query<EndRow>(familyEndRead, [familyId]))[0];

/** `lost_answer_at`: when a refresh of the family last repeated a lost response past the grace window. */
export type FamilyTies = TokenTies & { readonly is_expired: boolean; readonly lost_answer_at: string | null };

/** What the family of a genuine refresh token depends on; undefined after its row was purged. */
export const readFamilyTies = async (sql: Sql, familyId: string, nonceHash: Buffer): Promise<FamilyTies | undefined> =>
  (await sql.query<FamilyTies>(familyTiesRead, [familyId, nonceHash]))[0];
