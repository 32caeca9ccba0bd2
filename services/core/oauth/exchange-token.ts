import { tokenIssueDuration, tokensIssued } from '#observability/metrics/tokens.ts';
import type { EventDetail } from '#services/platform/define/audit-event.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { clientUnauthenticated, requestInvalid } from '#services/platform/errors.ts';
import { lockAgent } from '../access/lock-agent.ts';
import { type AuditDetail, auditRow, recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import type { HasStateConfirmation } from '../revocations/confirm-state.ts';
import { assertMayIssue } from '../revocations/revocation-set.ts';
import { type AccessTokenClaims, answeredDetails, signAccessToken, tokenTypeOf } from '../tokens/access-token.ts';
import { tokenIssued } from '../tokens/audit-events.ts';
import type { OAuthClient } from '../tokens/issue/grant-token.ts';
import type { ClientTokenPorts } from '../tokens/issue/issue-client-token.ts';
import { rememberToken } from '../tokens/refresh/family-token.ts';
import { readLiveFamily } from '../tokens/refresh/list-families.ts';
import type { ValidatePorts } from '../tokens/verify/validate-token.ts';
import { ID_JAG, ID_JAG_SECONDS, ID_JAG_TYPE } from './assertions/client-assertion.ts';
import { identityAsserted } from './audit-events.ts';
import { idTokenSigning } from './claims/id-token.ts';
import { readIdToken } from './claims/id-token-hint.ts';
import { subjectTokenInvalid } from './errors.ts';
import { actorOf, type ExchangeTerms, exchangedClaims, namedServer, subjectTokenOf } from './exchanged-claims.ts';
import type { KnownClient } from './oauth-sign-in.ts';
import { detailFacts, detailsInToken } from './requested-terms.ts';

const ACCESS_TOKEN_URN = 'urn:ietf:params:oauth:token-type:access_token';
const ID_TOKEN_URN = 'urn:ietf:params:oauth:token-type:id_token';
const JWT_URN = 'urn:ietf:params:oauth:token-type:jwt';

type ExchangeTokenInput = ExchangeTerms & {
  readonly client: OAuthClient;
  readonly subjectToken: string | undefined;
  readonly subjectTokenType: string | undefined;
  readonly requestedTokenType: string | undefined;
  readonly actorToken: string | undefined;
  readonly actorTokenType: string | undefined;
};

export type CountedPorts = Pick<ClientTokenPorts, 'clientTokenLog' | 'clock' | 'random' | 'revocations'>;
export type ExchangeTokenPorts = ClientTokenPorts & ValidatePorts & HasStateConfirmation & Pick<Ports, 'transact'>;

/** RFC 8693 §2.2.1. */
export type ExchangedToken = {
  readonly access_token: string;
  readonly issued_token_type: typeof ACCESS_TOKEN_URN | typeof ID_JAG;
  /** `N_A` of an identity assertion, which is no access token. */
  readonly token_type: 'Bearer' | 'DPoP' | 'N_A';
  readonly expires_in: number;
  readonly scope: string;
} & ReturnType<typeof answeredDetails>;

/** Counts the outcome of a request for a token, and records a refusal before it is answered. Throws `state_rewound` (503). */
export async function counted<Answer>(
  ports: CountedPorts,
  grant: 'token_exchange' | 'jwt_bearer',
  caller: Caller,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const startedAt = ports.clock.monotonic();
  try {
    assertMayIssue(ports.revocations);
    const answer = await work();
    tokensIssued.add(1, { grant, outcome: 'ok' });
    tokenIssueDuration.record((ports.clock.monotonic() - startedAt) / 1_000, { grant });
    return answer;
  } catch (err) {
    const isRefused = isAppError(err) && err.definition.status < 500;
    tokensIssued.add(1, { grant, outcome: isRefused ? 'refused' : 'unavailable' });
    if (isRefused) {
      const detail = { grant, reason: err.code };
      const eventId = ports.random.uuid();
      await ports.clientTokenLog.submit(auditRow(caller, tokenIssued, { outcome: 'refused', detail, eventId }));
    }
    throw err;
  }
}

/**
 * Exchanges a user's token for one for the next service (RFC 8693): same token family, no more scope, no longer
 * lifetime. `act` names who acts: the client, or an agent of the user whose own token is the `actor_token`. `origins` lists
 * the tokens it came from; revoking one of these revokes the new token too. A service may only exchange tokens meant for
 * it: for this installation, or for an audience registered for the service. A key-bound token cannot be exchanged.
 * An ID token is exchanged for an identity assertion.
 * Throws `client_unauthenticated` (401), `subject_token_invalid`, `actor_token_invalid`, `scope_invalid`, `target_invalid`,
 * `request_invalid` (400), `signing_unavailable`, `revocation_state_stale`, `state_rewound`, `clock_wrong`,
 * `key_ring_behind`, `store_unavailable` (503).
 */
export const exchangeToken = (
  ports: ExchangeTokenPorts,
  input: ExchangeTokenInput,
  caller: Caller,
): Promise<ExchangedToken> => counted(ports, 'token_exchange', caller, () => exchange(ports, input, caller));

async function exchange(ports: ExchangeTokenPorts, input: ExchangeTokenInput, caller: Caller): Promise<ExchangedToken> {
  const client = ports.access.client(input.client.clientId);
  // An unauthenticated client must not act for a user.
  if (client === undefined || !input.client.isAuthenticated) throw clientUnauthenticated();
  assertForm(input);
  if (input.requestedTokenType === ID_JAG) return issueIdentityAssertion(ports, client, input, caller);
  const subject = await subjectTokenOf(ports, client, input.subjectToken as string);
  const actor = await actorOf(ports, client, subject, input.actorToken);
  const claims = exchangedClaims(ports, client, subject, { ...input, actor });
  const acting = actor?.client_id ?? client.clientId;
  const issued = {
    outcome: 'ok',
    target: { kind: 'token', id: claims.jti },
    detail: {
      grant: 'token_exchange',
      user_id: claims.sub,
      of: subject.jti,
      audience: claims.aud,
      scope: claims.scope,
      ...(acting === client.clientId ? {} : { acting }),
      ...detailFacts(detailsInToken(claims.authorization_details)),
    },
    eventId: claims.jti,
  } as const;
  const isAgent = Boolean(ports.access.client(acting)?.agent);
  if (isAgent) await recordForOwner(ports, acting, subject, issued, caller);
  const minted = await signAccessToken(ports, claims);
  rememberToken(ports, minted, caller);
  if (!isAgent) await ports.clientTokenLog.submit(auditRow(caller, tokenIssued, issued));
  return {
    access_token: minted.token,
    issued_token_type: ACCESS_TOKEN_URN,
    token_type: tokenTypeOf(claims),
    expires_in: minted.expiresIn,
    scope: claims.scope,
    ...answeredDetails(claims),
  };
}

/**
 * An agent exchanges tokens of its owner alone, as the rows say now: not one that the owner's loss of a right has ended
 * meanwhile, and not for an agent that was killed or disabled or has expired. Throws `subject_token_invalid` (400).
 */
const recordForOwner = (
  { transact }: Pick<Ports, 'transact'>,
  agentId: string,
  { sub, ue = 0 }: AccessTokenClaims,
  issued: AuditDetail<'ok' | 'refused', EventDetail<typeof tokenIssued>>,
  caller: Caller,
): Promise<void> =>
  transact(async (tx) => {
    const agent = await lockAgent(tx, agentId);
    if (!agent?.is_live || agent.owner_id !== sub || agent.owner_epoch > ue) throw subjectTokenInvalid();
    await recordEvent(tx, caller, tokenIssued, issued);
  });

const isAccessToken = (type: string | undefined): boolean => type === ACCESS_TOKEN_URN || type === JWT_URN;

function assertForm(input: ExchangeTokenInput): void {
  const { subjectToken, subjectTokenType, requestedTokenType, actorToken, actorTokenType } = input;
  const wrong = (at: string, why: string): never => {
    throw requestInvalid({ problems: [{ at: `body/${at}`, why }] });
  };
  if (subjectToken === undefined) wrong('subject_token', 'is required');
  if ((actorToken === undefined) !== (actorTokenType === undefined))
    wrong('actor_token_type', 'is required with actor_token, and with it alone');
  if (requestedTokenType === ID_JAG) {
    if (subjectTokenType !== ID_TOKEN_URN) wrong('subject_token_type', `must be ${ID_TOKEN_URN}`);
    if (actorToken !== undefined) wrong('actor_token', 'has no meaning for an identity assertion');
    return;
  }
  if (!isAccessToken(subjectTokenType)) wrong('subject_token_type', `must be ${ACCESS_TOKEN_URN}`);
  if (requestedTokenType !== undefined && requestedTokenType !== ACCESS_TOKEN_URN)
    wrong('requested_token_type', `must be ${ACCESS_TOKEN_URN} or ${ID_JAG}`);
  if (actorToken !== undefined && !isAccessToken(actorTokenType))
    wrong('actor_token_type', `must be ${ACCESS_TOKEN_URN}`);
}

/**
 * Exchanges an ID token for an identity assertion (ID-JAG) for another authorization server: one that an administrator has
 * named for this client, with no more scopes and resources than named. The sign-in that the ID token came from must be
 * live: an end of the session, the consent, the user or the client ends this too. An agent has no sign-ins of users.
 * Throws `subject_token_invalid`, `target_invalid`, `scope_invalid`, `authorization_details_invalid` (400),
 * `signing_unavailable`, `store_unavailable` (503).
 */
async function issueIdentityAssertion(
  ports: Pick<ExchangeTokenPorts, 'transact' | 'clock' | 'random' | 'keyRing' | 'tokenSettings'>,
  client: KnownClient,
  terms: ExchangeTokenInput,
  caller: Caller,
): Promise<ExchangedToken> {
  const iat = Math.floor(ports.clock.now() / 1_000);
  const { userId, sessionId, clientId, expiresAt } = readIdToken(ports, terms.subjectToken as string) ?? {};
  const isCurrent = typeof expiresAt === 'number' && expiresAt > iat;
  const { clientId: own, agent } = client;
  if (userId === undefined || sessionId === undefined || clientId !== own || agent !== null || !isCurrent)
    throw subjectTokenInvalid();
  const { server, scopes } = namedServer(client, terms);
  const { resource, keys } = terms;
  ports.keyRing.assertSigns({ typ: ID_JAG_TYPE }, idTokenSigning(client));
  const jti = ports.random.uuid();
  const signIn = await ports.transact(async (tx) => {
    const found = await readLiveFamily(tx, { sessionId, clientId, userId });
    if (found === undefined) throw subjectTokenInvalid();
    const detail = { user_id: userId, audience: resource ?? server.issuer, scope: scopes, of: jti };
    await recordAsserted(tx, 'issued', { ...detail, server: server.issuer }, caller);
    return found;
  });
  const { auth_time, acr, amr, email, is_email_verified: isVerified } = signIn;
  const claims = {
    iss: ports.tokenSettings.issuer,
    sub: userId,
    aud: server.issuer,
    client_id: server.client_id,
    jti,
    iat,
    exp: iat + ID_JAG_SECONDS,
    auth_time,
    acr,
    amr: amr.split(' '),
    ...(scopes === '' ? {} : { scope: scopes }),
    ...(resource === undefined ? {} : { resource }),
    ...(signIn.scope.split(' ').includes('email') ? { email, email_verified: isVerified } : {}),
    ...(keys.jkt === undefined ? {} : { cnf: { jkt: keys.jkt } }),
  };
  const assertion = await ports.keyRing.sign({ typ: ID_JAG_TYPE }, claims, idTokenSigning(client));
  const issued = { issued_token_type: ID_JAG, token_type: 'N_A' } as const;
  return { ...issued, access_token: assertion, expires_in: ID_JAG_SECONDS, scope: scopes };
}

export const recordAsserted = (
  tx: Tx,
  outcome: 'issued' | 'redeemed',
  detail: EventDetail<typeof identityAsserted> & { readonly user_id: string },
  caller: Caller,
): Promise<void> =>
  recordEvent(tx, caller, identityAsserted, { outcome, target: { kind: 'user', id: detail.user_id }, detail });
