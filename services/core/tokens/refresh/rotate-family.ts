import { tokenRefreshes } from '#observability/metrics/tokens.ts';
import { auditActor } from '#services/core/audit/audit-context.ts';
import { keyRingBehind } from '#services/core/keys/errors.ts';
import type { Caller } from '#services/core/ports.ts';
import { confirmIfMissing, type HasStateConfirmation } from '#services/core/revocations/confirm-state.ts';
import { stateRewound } from '#services/core/revocations/contract.ts';
import type { HasRevocations } from '#services/core/revocations/revocation-set.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import type { RightsLimit } from './family-token.ts';
import {
  refreshGraceSpent,
  refreshTokenExpired,
  refreshTokenInvalid,
  refreshTokenReused,
  sessionEnded,
} from './refresh-errors.ts';
import type { Rotation } from './refresh-families.store.ts';
import {
  type CheckedRefreshToken,
  checkRefreshToken,
  isOfNewerKey,
  mintRefreshToken,
  uuidFromBytes,
} from './refresh-token-format.ts';
import type { HasRefreshFamilies, HasRefreshSecrets } from './rotation-batcher.ts';

type HasFamilyRevocations = HasIncarnation & { readonly revocations: Pick<HasRevocations['revocations'], 'check'> };

type HasIncarnation = { readonly revocations: { state(): { readonly incarnation: string } } };

/** The client that presents a refresh token, authenticated before any query. */
export type PresentedBy = {
  /** Null at the public endpoint, which accepts only families that are not client-bound. */
  readonly clientId: string | null;
  /** By secret or key. A public client only states its id. */
  readonly isAuthenticated: boolean;
  /** Thumbprint of the DPoP key that signed the proof of this request (RFC 9449 §6.1). */
  readonly jkt?: string;
  /** Thumbprint of the client certificate of this connection (RFC 8705 §3.1). */
  readonly x5t?: string;
};

type RotateFamilyInput = { readonly refreshToken: string; readonly presentedBy: PresentedBy };

type Granted = 'rotated' | 'kept' | 'grace' | 'lost_answer' | 'stale_copy';

/** A rotation, its repetition, or the use of a copy or of a token that does not rotate: the facts for an access token, and the token to return. */
export type RotatedFamily = Omit<
  Rotation,
  'outcome' | 'kv' | 'held_generation' | 'revoke_reason' | 'retry_after_seconds' | 'roles' | 'rights_limit'
> & {
  readonly outcome: Granted;
  readonly family_id: string;
  readonly roles: readonly string[];
  readonly rights_limit: RightsLimit | null;
  readonly refresh_token: string;
};

const counted = (outcome: Parameters<typeof tokenRefreshes.at>[0]['outcome']) => tokenRefreshes.at({ outcome });
const outcomeCounters = {
  rotated: counted('rotated'),
  kept: counted('kept'),
  grace: counted('grace'),
  lost_answer: counted('lost_answer'),
  stale_copy: counted('stale_copy'),
  grace_spent: counted('grace_spent'),
  replay: counted('replay'),
  revoked: counted('revoked'),
  expired: counted('expired'),
  ahead: counted('ahead'),
  mismatch: counted('mismatch'),
  unknown: counted('mismatch'),
  late: counted('unavailable'),
  rewound: counted('unavailable'),
} satisfies Record<Rotation['outcome'], unknown>;
const malformedCounter = counted('malformed');
const unavailableCounter = counted('unavailable');

function refusalOf(rotation: Rotation): Error | null {
  switch (rotation.outcome) {
    case 'rotated':
    case 'kept':
    case 'grace':
    case 'lost_answer':
    case 'stale_copy':
      return null;
    case 'grace_spent':
      return refreshGraceSpent({ retryAfterSeconds: rotation.retry_after_seconds as number });
    case 'replay':
      return refreshTokenReused();
    case 'revoked':
      return rotation.revoke_reason === 'refresh_token_reused' ? refreshTokenReused() : sessionEnded();
    // The row is older than the token, so revocations since then may be lost: issue no token.
    case 'ahead':
      return sessionEnded();
    case 'expired':
      return refreshTokenExpired();
    case 'mismatch':
    case 'unknown':
      return refreshTokenInvalid();
    case 'late':
      return storeUnavailable({ retryAfterSeconds: 1 });
    case 'rewound':
      return stateRewound({ retryAfterSeconds: 30 });
  }
}

/**
 * Checks format and MAC in memory; it queries only for a server key that this copy does not have. It writes nothing for
 * a token that was not issued here. Throws `refresh_token_invalid` (401), `key_ring_behind` (503).
 */
export async function checkPresented(
  ports: HasRefreshSecrets & HasIncarnation & HasStateConfirmation,
  { refreshToken, presentedBy }: RotateFamilyInput,
): Promise<CheckedRefreshToken> {
  const boundClientIds = presentedBy.clientId === null ? [''] : ['', presentedBy.clientId];
  const checked = await confirmIfMissing(
    ports,
    () => checkRefreshToken(refreshToken, boundClientIds, ports.keyRing, ports.revocations.state().incarnation),
    (found) => found === null && isOfNewerKey(refreshToken, ports.keyRing),
  );
  if (checked !== null) return checked;
  malformedCounter.add(1);
  throw refreshTokenInvalid();
}

/**
 * Also checks the revocations in memory: a revoked family gets no new pair, whatever its row says. Throws
 * `refresh_token_reused`, `session_ended` (401).
 */
function assertNotRevokedHere({ revocations }: HasFamilyRevocations, fid: string, family: Rotation): void {
  const reason = revocations.check({
    jti: '',
    fid,
    ...(family.session_id === null ? {} : { sid: family.session_id }),
    sub: family.user_id,
    client_id: family.client_id,
    ue: family.user_epoch,
    ce: family.client_epoch,
  });
  if (reason !== null) throw reason === 'family_reused' ? refreshTokenReused() : sessionEnded();
}

/**
 * Rotates the family of a checked token, or returns the same successor for a repeated request. The token of a client
 * that keeps its refresh tokens is returned as it is, and an older copy that is served gets the current token.
 * Throws `refresh_token_reused`, `refresh_token_expired`, `refresh_token_invalid`, `session_ended` (401),
 * `refresh_grace_spent` (429), `store_unavailable`, `key_ring_behind` (503).
 */
export async function rotateFamily(
  ports: HasRefreshFamilies & HasRefreshSecrets & HasFamilyRevocations,
  checked: CheckedRefreshToken,
  presentedBy: PresentedBy,
  caller: Caller,
): Promise<RotatedFamily> {
  const { familyBytes, generation, nonce, boundClientId } = checked;
  const familyId = uuidFromBytes(familyBytes);
  const actor = auditActor(caller);
  const rotation = await ports.refreshFamilies
    .submit({
      familyBytes,
      generation,
      kv: checked.kv,
      nonceHash: checked.nonceHash,
      isClientBound: boundClientId !== '',
      clientId: presentedBy.clientId,
      isClientAuthenticated: presentedBy.isAuthenticated,
      jkt: presentedBy.jkt,
      x5t: presentedBy.x5t,
      ipHash: actor.ip_hash,
      agentHash: actor.agent_hash,
      traceparent: actor.traceparent,
      request: caller.request,
    })
    .catch((err: unknown) => {
      unavailableCounter.add(1);
      throw err;
    });
  outcomeCounters[rotation.outcome].add(1);
  const refusal = refusalOf(rotation);
  if (refusal !== null) throw refusal;
  assertNotRevokedHere(ports, familyId, rotation);
  const { kv, held_generation: held, revoke_reason: _, retry_after_seconds: __, ...facts } = rotation;
  const key = ports.keyRing.secretVersion('refresh', kv);
  if (key === undefined) throw keyRingBehind();
  const returned = rotation.outcome === 'stale_copy' ? held : generation + Number(rotation.outcome !== 'kept');
  const successor = { kv, familyBytes, generation: returned, nonce };
  return {
    ...facts,
    outcome: facts.outcome as Granted,
    family_id: familyId,
    roles: JSON.parse(facts.roles) as string[],
    rights_limit: facts.rights_limit === null ? null : (JSON.parse(facts.rights_limit) as RightsLimit),
    refresh_token: mintRefreshToken(key, ports.revocations.state().incarnation, successor, boundClientId),
  };
}
