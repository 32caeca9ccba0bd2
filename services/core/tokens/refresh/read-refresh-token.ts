import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import { confirmIfMissing, type HasStateConfirmation } from '#services/core/revocations/confirm-state.ts';
import { assertMayIssue, type HasRevocations } from '#services/core/revocations/revocation-set.ts';
import { type FamilyStatus, readFamilyStatus } from './family-status.store.ts';
import { checkRefreshToken, isOfNewerKey, uuidFromBytes } from './refresh-token-format.ts';

export { isGenerationSuperseded } from './family-status.store.ts';

/** The family of a genuine refresh token, and the generation of the token. */
type PresentedFamily = FamilyStatus & {
  readonly familyId: string;
  readonly presentedGeneration: number;
  /** The family is live, and this is its newest token. */
  readonly isCurrent: boolean;
};

export type ReadRefreshTokenPorts = Pick<Ports, 'sql'> & HasKeyRing & HasRevocations & HasStateConfirmation;

/**
 * Reads a refresh token without using it up. Returns null, without a query, for a token that was not issued here or belongs to
 * another client. Throws `store_unavailable`, `key_ring_behind`, `state_rewound` (503).
 * @param clientId the calling client: families that are bound to it or to no client are found
 */
export async function readRefreshToken(
  ports: ReadRefreshTokenPorts,
  token: string,
  clientId: string | null,
): Promise<PresentedFamily | null> {
  assertMayIssue(ports.revocations);
  const bound = clientId === null ? [''] : ['', clientId];
  const checked = await confirmIfMissing(
    ports,
    () => checkRefreshToken(token, bound, ports.keyRing, ports.revocations.state().incarnation),
    (found) => found === null && isOfNewerKey(token, ports.keyRing),
  );
  if (checked === null) return null;
  const familyId = uuidFromBytes(checked.familyBytes);
  const family = await readFamilyStatus(ports.sql, familyId, checked.nonceHash);
  if (family === null) return null;
  const isCurrent = family.is_live && family.generation === checked.generation;
  return { ...family, familyId, presentedGeneration: checked.generation, isCurrent };
}
