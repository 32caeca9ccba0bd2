import { tokenIssueDuration, tokensIssued } from '#observability/metrics/tokens.ts';
import type { Client, HasAccess } from '#services/core/access/access-directory.ts';
import { lockAgent } from '#services/core/access/lock-agent.ts';
import { tokensIssue } from '#services/core/access/permissions.ts';
import { scopesNamed } from '#services/core/access/requested-scopes.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import {
  actingAgentOf,
  clientOf,
  FIRST_PARTY_CLIENT_ID,
  holds,
  isInstallation,
  ownerOfAgent,
  sessionOf,
  userOf,
} from '#services/core/authority/callers.ts';
import { clientIdOf } from '#services/core/authority/names.ts';
import { assertOwnCredential } from '#services/core/authority/own-credential.ts';
import { assertRecentSignIn, type HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { assertMayIssue, type HasRevocations } from '#services/core/revocations/revocation-set.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { clientUnauthenticated, permissionMissing, requestInvalid } from '#services/platform/errors.ts';
import { type AccessTokenClaims, accessTokenClaims, signAccessToken, type TokenFacts } from '../access-token.ts';
import { tokenIssued } from '../audit-events.ts';
import { dpopProofInvalid } from '../dpop/dpop-errors.ts';
import { roleNotHeld, scopeInvalid, userUnknown } from '../errors.ts';
import { createFamily, type NewFamily } from '../refresh/create-family.ts';
import { familyTokenFacts, pairAnswer, rememberToken, type TokenPairAnswer } from '../refresh/family-token.ts';
import { sessionEnded } from '../refresh/refresh-errors.ts';
import type { HasTokenSettings } from '../token-settings.ts';
import type { VerifiedFactor } from '../verified-factor-shapes.ts';
import { allowedAudience } from './allowed-audience.ts';
import { idempotentRequest, workOnce } from './idempotency.ts';
import { renewDraft } from './renew-draft.ts';

/**
 * An agent issues for its owner alone, as the rows say now. Whatever this copy remembers, nothing is issued by an agent
 * that was killed or disabled, has expired or has lost the permission, nor for an owner who was disabled or deleted.
 * Throws `permission_missing` (403).
 */
async function assertIssuesForOwner(
  tx: Tx,
  { user_id: userId, session_id: sessionId, client_id: clientId }: NewFamily,
  caller: Caller,
): Promise<void> {
  if (sessionId !== null || isInstallation(caller)) return;
  const agentId = actingAgentOf(caller);
  const agent = await lockAgent(tx, agentId ?? clientId);
  if (agent === undefined && agentId === null) return;
  const isHeld = clientOf(caller) === null || agent?.credential_scopes.includes(tokensIssue.name) === true;
  if (!agent?.is_live || agent.owner_id !== userId || !isHeld) throw permissionMissing();
}

export type IssuePairInput = {
  /** A user other than the caller requires the permission tokens:issue. */
  readonly userId?: string | undefined;
  readonly audience?: string | undefined;
  readonly scope?: string | undefined;
  readonly device?: { readonly id?: string | undefined; readonly name?: string | undefined } | undefined;
  /** What the caller verified of the user; for a pair by tokens:issue alone. */
  readonly verifiedFactors?: readonly VerifiedFactor[] | undefined;
  /** A role that the user must have. The token carries all roles of the user. */
  readonly role?: string | undefined;
  readonly idempotencyKey?: string | undefined;
};

export type IssuePorts = Pick<Ports, 'transact' | 'sql' | 'redis' | 'clock' | 'random'> &
  HasKeyRing &
  HasAccess &
  HasRevocations &
  HasTokenSettings &
  HasStepUp;

/** What the transaction creates. It is signed after the commit, and again for a retry with the same idempotency key. */
type Draft = {
  readonly claims: AccessTokenClaims;
  readonly refreshToken: string;
  readonly refreshExpiresInSeconds: number;
};

/** `auth_time` of a family without a sign-in: its tokens name the acting client (`act`) instead of a sign-in time. */
const NO_SIGN_IN = 0;

type FamilyOwner = Pick<NewFamily, 'user_id' | 'session_id' | 'client_id' | 'auth_time'>;

/** Returns the user, session and client of the new family, or null when the caller may not create it. */
function ownerFor(
  { clock, stepUp }: Pick<IssuePorts, 'clock' | 'stepUp'>,
  input: IssuePairInput,
  caller: Caller,
): FamilyOwner | null {
  const user = userOf(caller);
  const sessionId = sessionOf(caller);
  if (user !== null && sessionId !== null && (input.userId ?? user.userId) === user.userId)
    return { user_id: user.userId, session_id: sessionId, client_id: FIRST_PARTY_CLIENT_ID, auth_time: user.authTime };
  if (!holds(caller, tokensIssue.name)) return null;
  // An agent has no sign-in. It issues for its owner alone, which the transaction checks again on the rows.
  if (input.userId === undefined || input.userId !== ownerOfAgent(caller))
    assertRecentSignIn(caller, stepUp, { usesPermission: true });
  assertOwnCredential(caller);
  if (input.userId === undefined)
    throw requestInvalid({ problems: [{ at: 'body/user_id', why: 'is required: the id of the user of the pair' }] });
  return {
    user_id: input.userId,
    session_id: null,
    client_id: clientIdOf(caller) ?? FIRST_PARTY_CLIENT_ID,
    // The process itself has authenticated the user; a client or another user has not.
    auth_time: isInstallation(caller) ? Math.floor(clock.now() / 1_000) : NO_SIGN_IN,
  };
}

function scopeFor(ports: HasAccess, client: Client, requested: string | undefined): string {
  const { scopes, why } = scopesNamed(ports, requested, client.scopes);
  if (scopes === undefined) throw scopeInvalid({ detail: why });
  return scopes.join(' ');
}

async function refuse(ports: IssuePorts, input: IssuePairInput, caller: Caller): Promise<never> {
  const target = input.userId === undefined ? {} : { target: { kind: 'user' as const, id: input.userId } };
  await recordEvent(ports.sql, caller, tokenIssued, { outcome: 'refused', ...target, detail: { grant: 'api' } });
  throw permissionMissing({
    detail:
      'Requires the permission tokens:issue, or a session cookie for a pair of your own. An agent issues for its owner alone.',
    isRecorded: true,
  });
}

type Plan = { readonly family: NewFamily; readonly role: string | undefined };

/**
 * A user with tokens:issue must not get permissions that the user lacks by issuing a pair for another user. A pair of
 * the first-party client has all permissions of its user, whatever its scope, besides those in its token; a pair of
 * another client has those in its token. A user has no permission of an application here. A pair that a client or agent
 * issues is limited by its scopes.
 */
function mayActAs(
  access: HasAccess['access'],
  roles: readonly string[],
  { session_id: sessionId }: NewFamily,
  { permissions }: TokenFacts,
  caller: Caller,
): boolean {
  const user = userOf(caller);
  if (user === null || sessionId !== null) return true;
  const hidden = user.clientId === FIRST_PARTY_CLIENT_ID ? access.permissionsOf(roles) : [];
  return [...hidden, ...permissions].every((permission) => holds(user, permission));
}

async function draftPair(tx: Tx, ports: IssuePorts, { family, role }: Plan, caller: Caller): Promise<Draft> {
  const created = await createFamily(tx, ports, family, caller).catch((err: unknown) => {
    // Only a caller that may issue for any user learns that the user does not exist. For any other caller the user is
    // the caller, whose session has ended.
    const isUserGone = family.session_id === null && isAppError(err) && err.code === sessionEnded.definition.code;
    throw isUserGone ? userUnknown() : err;
  });
  if (role !== undefined && !created.roles.includes(role)) throw roleNotHeld();
  await ports.access.atLeast(created.access_version, tx);
  const facts = familyTokenFacts(ports.access, { ...family, ...created });
  if (!mayActAs(ports.access, created.roles, family, facts, caller)) throw permissionMissing();
  return {
    claims: accessTokenClaims(ports, facts, caller.request),
    refreshToken: created.refresh_token,
    refreshExpiresInSeconds: created.refresh_expires_in_seconds,
  };
}

/**
 * Creates a token family and returns its first pair: for the caller's session, or by a caller with tokens:issue for any
 * user; by an agent for its owner alone. A pair that a client or agent issues names no roles. A retry with the same
 * idempotency key creates nothing and gets the same pair, or a new access token of the same family once half of the
 * lifetime of the first has passed.
 * Throws `permission_missing`, `step_up_required` (a user who issues for another), `role_not_held` (403), `user_unknown`
 * (404), `scope_invalid`, `target_invalid` (400), `client_unauthenticated`, `session_ended`, `second_factor_required` (401,
 * if the account has a second factor and the caller verified none; an agent is not asked), `dpop_proof_invalid` (401,
 * for a client whose tokens must all be bound to a key), `idempotency_key_reused` (422), `signing_unavailable`,
 * `state_rewound`, `store_unavailable` (503).
 */
export async function issuePair(ports: IssuePorts, input: IssuePairInput, caller: Caller): Promise<TokenPairAnswer> {
  const startedAt = ports.clock.monotonic();
  const grant = sessionOf(caller) === null ? 'api' : 'session';
  try {
    const answer = await issue(ports, input, caller);
    tokensIssued.add(1, { grant, outcome: 'ok' });
    tokenIssueDuration.record((ports.clock.monotonic() - startedAt) / 1_000, { grant });
    return answer;
  } catch (err) {
    tokensIssued.add(1, { grant, outcome: isAppError(err) && err.definition.status < 500 ? 'refused' : 'unavailable' });
    throw err;
  }
}

async function issue(ports: IssuePorts, input: IssuePairInput, caller: Caller): Promise<TokenPairAnswer> {
  assertMayIssue(ports.revocations);
  const owner = ownerFor(ports, input, caller);
  if (owner === null) return refuse(ports, input, caller);
  if (input.verifiedFactors !== undefined && (owner.session_id !== null || actingAgentOf(caller) !== null))
    throw requestInvalid({
      problems: [{ at: 'body/verified_factors', why: 'is for services that sign users in, with tokens:issue' }],
    });
  const client = ports.access.client(owner.client_id);
  // The client may have been deleted while the body was read, after it authenticated.
  if (client === undefined) throw clientUnauthenticated();
  if (client.dpop_bound_access_tokens)
    throw dpopProofInvalid({ detail: 'All tokens of this client are bound to a key. Request them at /oauth2/token.' });
  if (client.tls_client_certificate_bound_access_tokens)
    throw requestInvalid({
      detail: 'All tokens of this client are bound to a certificate. Request them at /oauth2/token.',
    });
  const family: NewFamily = {
    ...owner,
    is_client_bound: false,
    scope: scopeFor(ports, client, input.scope),
    audience: allowedAudience(ports, client, input.audience),
    ...(input.verifiedFactors === undefined ? {} : { verified_factors: input.verifiedFactors }),
    ...(input.device === undefined ? {} : { device: deviceOf(input.device) }),
  };
  const plan: Plan = { family, role: input.role };
  const { idempotencyKey, ...body } = input;
  const request =
    idempotencyKey === undefined ? null : idempotentRequest(ports, caller, idempotencyKey, 'issueTokens', body);
  const draft = await ports
    .transact(async (tx) => {
      await assertIssuesForOwner(tx, family, caller);
      const renew = (kept: Draft) => renewDraft(tx, ports, kept, caller.request);
      return workOnce(tx, ports.random, { request, status: 201, renew }, () => draftPair(tx, ports, plan, caller));
    })
    .catch((err: unknown) => {
      if (isAppError(err) && err.code === permissionMissing.definition.code) return refuse(ports, input, caller);
      throw err;
    });
  const minted = await signAccessToken(ports, draft.claims);
  rememberToken(ports, minted, caller);
  return pairAnswer(minted, draft.refreshToken, draft.refreshExpiresInSeconds);
}

const deviceOf = (device: { readonly id?: string | undefined; readonly name?: string | undefined }) =>
  Object.fromEntries(Object.entries(device).filter(([, value]) => value !== undefined)) as Record<string, string>;
