import type { HasAccess } from '#services/domain/access/access-directory.ts';
import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import type { Ports, RequestContext, Sql } from '#services/domain/ports.ts';
import { ACCESS_TOKEN_TYPE, type AccessTokenClaims, accessTokenClaims } from '../access-token.ts';
import { type FamilyFactsRow, familyFactsRead } from '../refresh/family-life.store.ts';
import { familyTokenFacts } from '../refresh/family-token.ts';
import { sessionEnded } from '../refresh/refresh-errors.ts';
import type { HasTokenSettings } from '../token-settings.ts';

type KeptClaimsPorts = Pick<Ports, 'clock' | 'random'> & HasKeyRing & HasAccess & HasTokenSettings;

/** Two clocks that may sign are at most this far apart. */
const SKEW_SECONDS = 10;

/** Whether a retry can have the very token of the first request: half of its life or more is left, and it has begun. */
function isFit({ clock, tokenSettings }: KeptClaimsPorts, { iat, exp }: AccessTokenClaims): boolean {
  const now = clock.now() / 1_000;
  const lifeSeconds = exp - iat;
  return iat <= now + SKEW_SECONDS && exp - now >= lifeSeconds / 2 && lifeSeconds <= tokenSettings.accessTokenSeconds;
}

/**
 * A login's first token as it was kept for a retry: the same, or else a new token in its place, while the login lives.
 * What ended the first token ends the retry: by the login, or by its id for as long as a verifier could
 * have taken that token. Later the id says nothing more, and a refresh would give as much.
 * Throws `session_ended` (401), `signing_unavailable` (503).
 */
export async function renewDraft<Draft extends { readonly claims: AccessTokenClaims }>(
  tx: Sql,
  ports: KeptClaimsPorts,
  kept: Draft,
  request: RequestContext,
): Promise<Draft> {
  const { claims } = kept;
  // A copy whose clock is wrong cannot tell whether they fit.
  ports.keyRing.assertSigns({ typ: ACCESS_TOKEN_TYPE }, claims.aud as string);
  if (isFit(ports, claims)) return kept;
  const [login] = await tx.query<FamilyFactsRow>(familyFactsRead, [claims.fid, claims.jti]);
  if (login === undefined || !login.isLive || login.isTokenRevoked) throw sessionEnded();
  await ports.access.atLeast(login.accessVersion, tx);
  return { ...kept, claims: accessTokenClaims(ports, familyTokenFacts(ports.access, login), request) };
}
