import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { definePurge } from '../shared/purge.store.ts';
import type { AuthorizationDetails } from './requested-terms.ts';

const codeInsert = defineStatement(
  'oauthCodeInsert',
  `INSERT INTO oauth_codes (code_hash, client_id, redirect_uri, code_challenge, user_id, session_id, client_epoch, scope, audience,
     nonce, dpop_jkt, id_token_claims, auth_time, expires_at, authorization_details)
   SELECT $1::bytea, $2, $3, $4, $5, $6, "tokenEpoch", $7, $8, $9, $10, $11, to_timestamp($12::float8),
     clock_timestamp() + make_interval(secs => $13::float8), $14
   FROM oauth_clients WHERE "clientId" = $2`,
);

/**
 * Consumes a code once, and only if everything matches its request; otherwise the row is kept. Concurrent redemptions
 * wait for the first to commit and find no row. Uses the primary key.
 */
const codeConsume = defineStatement(
  'oauthCodeConsume',
  `DELETE FROM oauth_codes WHERE code_hash = $1::bytea AND client_id = $2 AND redirect_uri = $3 AND code_challenge IS NOT DISTINCT FROM $4
     AND audience = coalesce($5, audience) AND coalesce(dpop_jkt, '') IN ('', coalesce($6, '')) AND expires_at > clock_timestamp()
   RETURNING user_id, session_id, client_epoch, scope, audience, authorization_details, nonce,
     id_token_claims, extract(epoch FROM auth_time)::int8 AS auth_time`,
);

/**
 * Finds out why a code could not be consumed: it is for another resource, or was redeemed before. `is_revoked` says
 * whether the token family of that redemption is revoked. Uses two unique indexes and the index of revocations by kind
 * and value.
 */
const codeTrace = defineStatement(
  'oauthCodeTrace',
  `SELECT (SELECT audience FROM oauth_codes WHERE code_hash = $1::bytea AND client_id = $2 AND redirect_uri = $3
       AND code_challenge IS NOT DISTINCT FROM $4 AND expires_at > clock_timestamp()) AS audience, f.id AS family_id,
     f.revoked_at IS NOT NULL AND EXISTS (SELECT FROM revocations WHERE kind = 'family' AND value = f.id::text) AS is_revoked
   FROM (SELECT) one LEFT JOIN refresh_families f ON f.code_id = $1::bytea AND f.client_id = $2`,
);

/**
 * Deletes unredeemed codes; waits for a concurrent redemption, and then finds none. Runs before the consents are
 * deleted, because a redemption also locks the code before the consent. Index: oauth_codes_user_id.
 */
const codesOfDelete = defineStatement(
  'oauthCodesOfDelete',
  `DELETE FROM oauth_codes WHERE code_hash IN
     (SELECT code_hash FROM oauth_codes WHERE user_id = $1 AND client_id = $2 ORDER BY code_hash FOR UPDATE)
   RETURNING 1`,
);

/** Expired codes. Index: oauth_codes_expires_at. */
export const authorizationCodePurge = definePurge({
  table: 'oauth_codes',
  id: 'code_hash',
  ends: 'expires_at',
  stays: `interval '1 minute'`,
});

type NewAuthorizationCode = {
  readonly codeHash: Buffer;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly codeChallenge: string | undefined;
  readonly userId: string;
  readonly sessionId: string;
  readonly scope: string;
  readonly audience: string;
  readonly authorizationDetails: AuthorizationDetails | undefined;
  readonly nonce: string | undefined;
  readonly idTokenClaims: readonly string[];
  readonly dpopJkt: string | undefined;
  /** Unix seconds. */
  readonly authTime: number;
  readonly lifeSeconds: number;
};

export async function insertAuthorizationCode(tx: Sql, code: NewAuthorizationCode): Promise<void> {
  await tx.query(codeInsert, [
    code.codeHash,
    code.clientId,
    code.redirectUri,
    code.codeChallenge ?? null,
    code.userId,
    code.sessionId,
    code.scope,
    code.audience,
    code.nonce ?? null,
    code.dpopJkt ?? null,
    code.idTokenClaims,
    code.authTime,
    code.lifeSeconds,
    code.authorizationDetails ?? null,
  ]);
}

/** A code as it is presented at the token endpoint. */
export type PresentedCode = {
  readonly codeHash: Buffer;
  readonly clientId: string;
  readonly redirectUri: string;
  /** S256 of the verifier; null matches only a code that was requested without PKCE. */
  readonly codeChallenge: string | null;
  readonly resource: string | undefined;
  readonly jkt: string | undefined;
};

type ConsumedCode = {
  readonly user_id: string;
  readonly session_id: string;
  /** The client's epoch at the consent. */
  readonly client_epoch: number;
  readonly scope: string;
  readonly audience: string;
  readonly authorization_details: AuthorizationDetails | null;
  readonly nonce: string | null;
  /** Claims that the request named for the ID token. */
  readonly id_token_claims: readonly string[];
  /** Unix seconds. */
  readonly auth_time: number;
};

const valuesOf = (code: PresentedCode) => [code.codeHash, code.clientId, code.redirectUri, code.codeChallenge] as const;

export async function consumeCode(tx: Sql, code: PresentedCode): Promise<ConsumedCode | undefined> {
  const values = [...valuesOf(code), code.resource ?? null, code.jkt ?? null];
  return (await tx.query<ConsumedCode>(codeConsume, values))[0];
}

/** Returns the number of deleted codes. */
export const deleteAuthorizationCodesOf = async (tx: Sql, userId: string, clientId: string): Promise<number> =>
  (await tx.query(codesOfDelete, [userId, clientId])).length;

type CodeTrace = { readonly audience: string | null; readonly family_id: string | null; readonly is_revoked: boolean };

export async function traceCode(sql: Sql, code: PresentedCode): Promise<CodeTrace> {
  const [row] = await sql.query<CodeTrace>(codeTrace, valuesOf(code));
  return row!;
}
