import { hash } from 'node:crypto';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { authorizationDecided } from '../audit-events.ts';
import { insertAuthorizationCode } from '../codes.store.ts';
import { detailFacts } from '../requested-terms.ts';
import type { AuthorizationRequest } from './authorization-request.ts';

/** RFC 6749 §4.1.2 recommends at most ten minutes; clients redeem their codes at once. */
const CODE_SECONDS = 60;

/** Matches 256 random bits in base64url; any other code is refused without a query. */
export const codeForm = /^[\w-]{43}$/;

export const codeHashOf = (code: string): Buffer => hash('sha256', code, 'buffer');

/**
 * Issues an authorization code for the granted scopes, with its audit row, in the caller's transaction.
 * @param scopes granted, in the requested order
 */
export async function issueAuthorizationCode(
  tx: Tx,
  { random }: Pick<Ports, 'random'>,
  request: AuthorizationRequest,
  scopes: readonly string[],
  caller: Caller & { readonly kind: 'user'; readonly sessionId: string },
): Promise<string> {
  const code = random.bytes(32).toString('base64url');
  const { clientId } = request.client;
  await insertAuthorizationCode(tx, {
    codeHash: codeHashOf(code),
    clientId,
    redirectUri: request.redirectUri,
    codeChallenge: request.codeChallenge,
    userId: caller.userId,
    sessionId: caller.sessionId,
    scope: scopes.join(' '),
    audience: request.audience,
    authorizationDetails: request.details,
    nonce: request.nonce,
    idTokenClaims: request.claims.idToken,
    dpopJkt: request.dpopJkt,
    authTime: caller.authTime,
    lifeSeconds: CODE_SECONDS,
  });
  await recordEvent(tx, caller, authorizationDecided, {
    outcome: 'ok',
    target: { kind: 'client', id: clientId },
    clientId,
    detail: {
      scope: scopes.join(' '),
      audience: request.audience,
      session_id: caller.sessionId,
      ...detailFacts(request.details),
      ...(request.pushedHash === undefined ? {} : { pushed: true }),
    },
  });
  return code;
}
