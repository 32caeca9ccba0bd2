import { tokensIssued } from '../../../observability/metrics/tokens.ts';
import { isAppError } from '../../platform/define/error.ts';
import { clientUnauthenticated, requestInvalid } from '../../platform/errors.ts';
import type { Client } from '../access/access-directory.ts';
import { auditRow } from '../audit/record-event.ts';
import type { Caller } from '../ports.ts';
import { type AccessTokenClaims, signAccessToken, tokenTypeOf } from '../tokens/access-token.ts';
import { allowedAudience } from '../tokens/allowed-audience.ts';
import { tokenIssued } from '../tokens/audit-events.ts';
import { scopeInvalid, targetInvalid } from '../tokens/errors.ts';
import { confirmationOf, maySee, rememberToken } from '../tokens/family-token.ts';
import type { ProvenKeys } from '../tokens/grant-token.ts';
import type { ClientTokenPorts } from '../tokens/issue-client-token.ts';
import type { OAuthClient } from '../tokens/oauth-client.ts';
import { assertNotRewound } from '../tokens/revocation-set.ts';
import { judgeToken, type ValidatePorts } from '../tokens/validate-token.ts';
import { subjectTokenInvalid } from './errors.ts';

const ACCESS_TOKEN_URN = 'urn:ietf:params:oauth:token-type:access_token';
const JWT_URN = 'urn:ietf:params:oauth:token-type:jwt';

export type ExchangeTokenInput = {
  readonly client: OAuthClient;
  readonly keys: ProvenKeys;
  readonly subjectToken: string | undefined;
  readonly subjectTokenType: string | undefined;
  readonly requestedTokenType: string | undefined;
  /** An `actor_token`: the client itself is who acts. */
  readonly hasActorToken: boolean;
  readonly scope: string | undefined;
  readonly resource: string | undefined;
  readonly audience: string | undefined;
};

export type ExchangeTokenPorts = ClientTokenPorts & ValidatePorts;

/** RFC 8693 §2.2.1. */
export type ExchangedToken = {
  readonly access_token: string;
  readonly issued_token_type: typeof ACCESS_TOKEN_URN;
  readonly token_type: 'Bearer' | 'DPoP';
  readonly expires_in: number;
  readonly scope: string;
};

/** Deepest chain of actors: a service behind a service behind a service. */
const LONGEST_CHAIN = 4;

const chainLength = (act: unknown): number =>
  typeof act === 'object' && act !== null ? 1 + chainLength((act as { act?: unknown }).act) : 0;

/**
 * A user's token for the next service down (RFC 8693): the same login, no more scope, no longer life; `act` names who
 * shows it and `origins` what it came from: whatever ends that ends it too. A service may exchange what was meant for it:
 * a token for this installation, or for an audience that is listed for it. A token bound to a key stays with the holder
 * of that key.
 * Throws `client_unauthenticated` (401), `subject_token_invalid`, `scope_invalid`, `target_invalid`, `request_invalid`
 * (400), `signing_unavailable`, `revocation_state_stale`, `state_rewound`, `store_unavailable` (503).
 */
export async function exchangeToken(
  ports: ExchangeTokenPorts,
  input: ExchangeTokenInput,
  caller: Caller,
): Promise<ExchangedToken> {
  const grant = 'token_exchange';
  try {
    const answer = await exchange(ports, input, caller);
    tokensIssued.add(1, { grant, outcome: 'ok' });
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

async function exchange(ports: ExchangeTokenPorts, input: ExchangeTokenInput, caller: Caller): Promise<ExchangedToken> {
  assertNotRewound(ports.revocations);
  const client = ports.access.client(input.client.clientId);
  // A name alone is nobody to act for somebody else.
  if (client === undefined || !input.client.isAuthenticated) throw clientUnauthenticated();
  assertForm(input);
  const subject = subjectOf(ports, client, input.subjectToken as string);
  const claims = exchangedClaims(ports, client, subject, input);
  const minted = await signAccessToken(ports, claims);
  rememberToken(ports, minted, caller);
  await ports.clientTokenLog.submit(
    auditRow(caller, tokenIssued, {
      outcome: 'ok',
      target: { kind: 'token', id: claims.jti },
      detail: {
        grant: 'token_exchange',
        user_id: claims.sub,
        of: subject.jti,
        audience: claims.aud,
        scope: claims.scope,
      },
      eventId: claims.jti,
    }),
  );
  return {
    access_token: minted.token,
    issued_token_type: ACCESS_TOKEN_URN,
    token_type: tokenTypeOf(claims),
    expires_in: minted.expiresIn,
    scope: claims.scope ?? '',
  };
}

function assertForm({ subjectToken, subjectTokenType, requestedTokenType, hasActorToken }: ExchangeTokenInput): void {
  const wrong = (at: string, why: string): never => {
    throw requestInvalid({ problems: [{ at: `body/${at}`, why }] });
  };
  if (subjectToken === undefined) wrong('subject_token', 'is required');
  if (subjectTokenType !== ACCESS_TOKEN_URN && subjectTokenType !== JWT_URN)
    wrong('subject_token_type', `must be ${ACCESS_TOKEN_URN}`);
  if (requestedTokenType !== undefined && requestedTokenType !== ACCESS_TOKEN_URN)
    wrong('requested_token_type', `must be ${ACCESS_TOKEN_URN}`);
  if (hasActorToken) wrong('actor_token', 'is not supported: the client itself acts');
}

/** Claims of a user's token that this client may act on. */
function subjectOf(ports: ExchangeTokenPorts, client: Client, token: string): AccessTokenClaims {
  for (const audience of [ports.tokenSettings.audience, ...client.audiences.filter((listed) => listed !== '*')]) {
    const judged = judgeToken(ports, token, { audience });
    if (judged === 'wrong_audience') continue;
    // A client's own token speaks for nobody.
    if (typeof judged === 'string' || judged.claims.fid === undefined) break;
    if (chainLength(judged.claims.act) >= LONGEST_CHAIN) break;
    return judged.claims;
  }
  throw subjectTokenInvalid();
}

function scopesFor(client: Client, subject: AccessTokenClaims, requested: string | undefined): readonly string[] {
  const held = (subject.scope ?? '').split(' ').filter((scope) => client.scopes.includes(scope));
  const scopes = requested === undefined ? held : [...new Set(requested.split(' '))];
  if (scopes.length === 0 || !scopes.every((scope) => held.includes(scope))) throw scopeInvalid();
  return scopes;
}

/** Without what the client may not see of the user with this scope. */
function seenBy<T extends Partial<AccessTokenClaims>>(
  { clientId }: Client,
  scopes: readonly string[],
  { roles, email, email_verified, ...rest }: T,
) {
  const facts = { clientId, scope: scopes.join(' ') };
  return {
    ...rest,
    ...(roles !== undefined && maySee(facts, 'profile') ? { roles } : {}),
    ...(email !== undefined && maySee(facts, 'email') ? { email, email_verified: email_verified === true } : {}),
  };
}

function exchangedClaims(
  ports: ExchangeTokenPorts,
  client: Client,
  subject: AccessTokenClaims,
  { keys, scope, resource, audience }: ExchangeTokenInput,
): AccessTokenClaims {
  if (resource !== undefined && (!URL.canParse(resource) || resource.includes('#'))) throw targetInvalid();
  if (resource !== undefined && audience !== undefined && resource !== audience) throw targetInvalid();
  const aud = allowedAudience(ports, client, resource ?? audience);
  const scopes = scopesFor(client, subject, scope);
  const issuedAt = Math.floor(ports.clock.now() / 1_000);
  const confirmation = confirmationOf({ jkt: keys.jkt ?? null, x5t: keys.x5t ?? null });
  // Where it was shown from is the service's own place from here on.
  const { bip: _bip, bua: _bua, nbf: _nbf, cnf: _cnf, act, origins = [], ...kept } = subject;
  return {
    ...seenBy(client, scopes, kept),
    aud,
    client_id: client.clientId,
    iat: issuedAt,
    exp: Math.min(subject.exp, issuedAt + ports.tokenSettings.accessTokenSeconds),
    jti: ports.random.uuid(),
    scope: scopes.join(' '),
    permissions: (subject.permissions ?? []).filter((permission) => scopes.includes(permission)),
    ce: client.tokenEpoch,
    act: { sub: client.clientId, ...(act === undefined ? {} : { act }) },
    origins: [{ jti: subject.jti, client_id: subject.client_id, ce: subject.ce ?? 0 }, ...origins],
    ...(confirmation === undefined ? {} : { cnf: confirmation }),
  };
}
