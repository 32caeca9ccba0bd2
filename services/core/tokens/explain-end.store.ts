import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { placeTime } from '../shared/pagination.ts';

/** What a token depends on: the end of any of these ends the token. */
export type TokenTies = {
  readonly tokenId: string | null;
  readonly sessionId: string | null;
  readonly familyId: string | null;
  /** Null for a client-credentials token. */
  readonly userId: string | null;
  readonly clientId: string;
  /** Epochs at issue. */
  readonly userEpoch: number;
  readonly clientEpoch: number;
};

export type EndRow = {
  readonly kind: 'jti' | 'sid' | 'family' | 'user' | 'client';
  readonly reason: string;
  readonly actorKind: string | null;
  readonly actorId: string | null;
  /** Null when the reason is the rule itself, or the rule is no longer known. */
  readonly rule: string | null;
  readonly endedAt: string;
};

// Uses revocations_kind_value. Reads the first revocation, because later ones changed nothing.
const firstRevocationRead = defineStatement(
  'firstRevocationRead',
  `SELECT kind, reason, actor_kind AS "actorKind", actor_id AS "actorId", rule, ${placeTime('created_at')} AS "endedAt"
   FROM revocations
   WHERE (kind = 'jti' AND value = $1) OR (kind = 'sid' AND value = $2) OR (kind = 'family' AND value = $3)
     OR (kind = 'user' AND value = $4 AND token_epoch > $6) OR (kind = 'client' AND value = $5 AND token_epoch > $7)
   ORDER BY id LIMIT 1`,
);
// Uses the primary key. The row of a family is kept longer than its revocations.
const familyEndRead = defineStatement(
  'familyEndRead',
  `SELECT 'family' AS kind, coalesce(revoke_reason, '') AS reason, NULL AS "actorKind", NULL AS "actorId",
     NULL AS rule, ${placeTime('revoked_at')} AS "endedAt"
   FROM refresh_families WHERE id = $1::uuid AND revoked_at IS NOT NULL`,
);
const familyTiesRead = defineStatement(
  'familyTiesRead',
  `SELECT NULL AS "tokenId", sid AS "sessionId", id::text AS "familyId", user_id AS "userId", client_id AS "clientId",
     user_epoch AS "userEpoch", client_epoch AS "clientEpoch", now() >= least(idle_expires_at, expires_at) AS "isExpired",
     ${placeTime('lost_answer_at')} AS "lostAnswerAt"
   FROM refresh_families WHERE id = $1::uuid AND nonce_hash = $2::bytea`,
);

export async function readFirstRevocation(sql: Sql, ties: TokenTies): Promise<EndRow | undefined> {
  const { tokenId, sessionId, familyId, userId, clientId, userEpoch, clientEpoch } = ties;
  const values = [tokenId, sessionId, familyId, userId, clientId, userEpoch, clientEpoch];
  return (await sql.query<EndRow>(firstRevocationRead, values))[0];
}

/** How a token family ended; undefined while it is live, or after its row was purged. */
export const readFamilyEnd = async (sql: Sql, familyId: string): Promise<EndRow | undefined> =>
  (await sql.query<EndRow>(familyEndRead, [familyId]))[0];

/** `lostAnswerAt`: when a refresh of the family last repeated a lost response past the grace window. */
export type FamilyTies = TokenTies & { readonly isExpired: boolean; readonly lostAnswerAt: string | null };

/** What the family of a genuine refresh token depends on; undefined after its row was purged. */
export const readFamilyTies = async (sql: Sql, familyId: string, nonceHash: Buffer): Promise<FamilyTies | undefined> =>
  (await sql.query<FamilyTies>(familyTiesRead, [familyId, nonceHash]))[0];
