import { tokenIssueDuration, tokenRefreshDuration, tokensIssued } from '#observability/metrics/tokens.ts';
import type { HasAccess } from '#services/core/access/access-directory.ts';
import { scopeRefusal } from '#services/core/access/requested-scopes.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { HasStateConfirmation } from '#services/core/revocations/confirm-state.ts';
import { assertMayIssue, type HasRevocations } from '#services/core/revocations/revocation-set.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { assertSignsFor, mintAccessToken } from '../access-token.ts';
import { detailsWithin, type MayHaveDetails } from '../authorization-details.ts';
import type { HasTokenSettings } from '../token-settings.ts';
import { familyGrantRead } from './family-life.store.ts';
import { familyTokenFacts, pairAnswer, rememberToken, scopeNow } from './family-token.ts';
import { resourceForeign, scopeExceeded, sessionEnded } from './refresh-errors.ts';
import { type CheckedRefreshToken, uuidFromBytes } from './refresh-token-format.ts';
import { checkPresented, type PresentedBy, rotateFamily } from './rotate-family.ts';
import type { HasRefreshFamilies } from './rotation-batcher.ts';

export type RefreshTokenInput = {
  readonly refreshToken: string;
  /** Clients that have a secret are authenticated before this is called. */
  readonly presentedBy: PresentedBy;
  /** A part of the granted scope, for this access token only (RFC 6749 §6). */
  readonly scope?: string | undefined;
  /** RFC 8707 §2.2: the granted audience, or left out. */
  readonly resource?: string | undefined;
  /** A part of the granted details, for this access token only (RFC 9396 §6.1). */
  readonly authorizationDetails?: string | undefined;
};

export type RefreshTokenPorts = Pick<Ports, 'hotSql' | 'redis' | 'clock' | 'random'> &
  HasRefreshFamilies &
  HasKeyRing &
  HasAccess &
  HasRevocations &
  HasStateConfirmation &
  HasTokenSettings;

type RefreshAnswer = ReturnType<typeof pairAnswer>;

const GRANT = { grant: 'refresh_token' } as const;
const issuedCounters = {
  ok: tokensIssued.at({ ...GRANT, outcome: 'ok' }),
  refused: tokensIssued.at({ ...GRANT, outcome: 'refused' }),
  unavailable: tokensIssued.at({ ...GRANT, outcome: 'unavailable' }),
};

/**
 * Exchanges a refresh token for a new pair. Presented again within the grace window, it gives the same refresh token.
 * The rotation is durable before the response. Signing follows the commit, so a failed signature costs only a retry.
 * Throws `refresh_token_reused`, `refresh_token_expired`, `refresh_token_invalid`, `session_ended` (401; RFC 6749 §5.2
 * `invalid_grant` at the OAuth endpoints), `scope_exceeded`, `resource_foreign`,
 * `authorization_details_invalid` (400), `refresh_grace_spent` (429),
 * `store_unavailable`, `signing_unavailable`, `key_ring_behind`, `state_rewound` (503).
 */
export async function refreshToken(
  ports: RefreshTokenPorts,
  input: RefreshTokenInput,
  caller: Caller,
): Promise<RefreshAnswer> {
  const startedAt = ports.clock.monotonic();
  try {
    const answer = await exchange(ports, input, caller);
    issuedCounters.ok.add(1);
    const seconds = (ports.clock.monotonic() - startedAt) / 1_000;
    tokenRefreshDuration.record(seconds);
    tokenIssueDuration.record(seconds, GRANT);
    return answer;
  } catch (err) {
    issuedCounters[isAppError(err) && err.definition.status < 500 ? 'refused' : 'unavailable'].add(1);
    throw err;
  }
}

async function exchange(ports: RefreshTokenPorts, input: RefreshTokenInput, caller: Caller): Promise<RefreshAnswer> {
  assertMayIssue(ports.revocations);
  const checked = await checkPresented(ports, input);
  await assertWithinGrant(ports, checked, input);
  // No retry helps while no key of the client's algorithm signs: the refresh token must not be used up.
  const client = ports.access.client(input.presentedBy.clientId ?? '');
  if (client?.access_token_signed_response_alg) assertSignsFor(ports, client);
  const family = await rotateFamily(ports, checked, input.presentedBy, caller);
  const { jkt, x5t } = input.presentedBy;
  // A confidential client's family is bound to its secret, and only the token to the key of this request (RFC 9449 §5).
  const granted = {
    ...family,
    jkt: family.jkt ?? jkt ?? null,
    x5t: family.x5t ?? x5t ?? null,
    ...(input.scope === undefined ? {} : { scope: input.scope }),
    ...(input.authorizationDetails === undefined
      ? {}
      : { authorization_details: detailsWithin(family.authorization_details, input.authorizationDetails) }),
  };
  const minted = await mintAccessToken(ports, familyTokenFacts(ports.access, granted), caller.request);
  rememberToken(ports, minted, caller);
  return pairAnswer(minted, family.refresh_token, family.refresh_expires_in_seconds);
}

/**
 * Runs before the rotation, so that a request with a wrong scope or resource, or of a client that lost its scope, does
 * not use up the token. It costs a query only for such a parameter, or for a client that no administrator has vetted.
 */
async function assertWithinGrant(
  { hotSql, access }: Pick<RefreshTokenPorts, 'hotSql' | 'access'>,
  checked: CheckedRefreshToken,
  input: RefreshTokenInput,
): Promise<void> {
  const clientId = input.presentedBy.clientId ?? '';
  const isVetted = (access.client(clientId)?.origin ?? 'admin') === 'admin';
  const { scope, resource, authorizationDetails } = input;
  if (isVetted && scope === undefined && resource === undefined && authorizationDetails === undefined) return;
  const [grant] = await hotSql.query<{ scope: string; audience: string } & MayHaveDetails>(familyGrantRead, [
    uuidFromBytes(checked.familyBytes),
    checked.nonceHash,
  ]);
  if (grant === undefined) return;
  const left = scopeNow(access, { client_id: clientId, scope: grant.scope });
  if (left === '' && grant.scope !== '') throw sessionEnded();
  const granted = left.split(' ');
  detailsWithin(grant.authorization_details, authorizationDetails);
  const wider = scope?.split(' ').find((each) => !granted.includes(each));
  if (wider !== undefined) throw scopeExceeded({ detail: scopeRefusal(wider, granted, 'The sign-in did not grant') });
  if (resource !== undefined && resource !== grant.audience) throw resourceForeign();
}
