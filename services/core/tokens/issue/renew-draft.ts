import type { HasAccess } from '#services/core/access/access-directory.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports, RequestContext, Sql } from '#services/core/ports.ts';
import { type AccessTokenClaims, accessTokenClaims, assertSignsFor } from '../access-token.ts';
import { type FamilyFactsRow, familyFactsRead } from '../refresh/family-life.store.ts';
import { familyTokenFacts } from '../refresh/family-token.ts';
import { sessionEnded } from '../refresh/refresh-errors.ts';
import type { HasTokenSettings } from '../token-settings.ts';

type KeptClaimsPorts = Pick<Ports, 'clock' | 'random'> & HasKeyRing & HasAccess & HasTokenSettings;

/** The clocks of two copies that may sign differ by at most this much. */
const SKEW_SECONDS = 10;

/** Whether a retry can get the token of the first request: the token is valid and has at least half of its lifetime left. */
function isReusable({ clock, tokenSettings }: KeptClaimsPorts, { iat, exp }: AccessTokenClaims): boolean {
  const now = clock.now() / 1_000;
  const lifeSeconds = exp - iat;
  return iat <= now + SKEW_SECONDS && exp - now >= lifeSeconds / 2 && lifeSeconds <= tokenSettings.accessTokenSeconds;
}

/**
 * Returns the stored first token of a family for a retry, or a new token in its place while the family is live. A
 * revocation of the family or of the first token ends the retry too. The revocation of a token id is kept only for as
 * long as a verifier could accept the token; after that a refresh would give a new token as well.
 * Throws `session_ended` (401), `signing_unavailable` (503).
 */
export async function renewDraft<Draft extends { readonly claims: AccessTokenClaims }>(
  tx: Sql,
  ports: KeptClaimsPorts,
  kept: Draft,
  request: RequestContext,
): Promise<Draft> {
  const { claims } = kept;
  // A copy with a wrong clock cannot know whether the stored token is reusable.
  assertSignsFor(ports, { clientId: claims.client_id, audience: claims.aud as string });
  if (isReusable(ports, claims)) return kept;
  const [family] = await tx.query<FamilyFactsRow>(familyFactsRead, [claims.fid, claims.jti]);
  if (family === undefined || !family.is_live || family.is_token_revoked) throw sessionEnded();
  await ports.access.atLeast(family.access_version, tx);
  return { ...kept, claims: accessTokenClaims(ports, familyTokenFacts(ports.access, family), request) };
}
