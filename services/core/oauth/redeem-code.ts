import { hash } from 'node:crypto';
import { tokenIssueDuration, tokensIssued } from '#observability/metrics/tokens.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { requestInvalid } from '#services/platform/errors.ts';
import type { HasAccess } from '../access/access-directory.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller } from '../ports.ts';
import { assertMayIssue, type HasRevocationPush } from '../revocations/revocation-set.ts';
import type { OAuthClient, ProvenKeys } from '../tokens/issue/grant-token.ts';
import { endFamily } from '../tokens/refresh/end-family.ts';
import { codeReused } from './audit-events.ts';
import { codeForm, codeHashOf } from './authorize/issue-code.ts';
import { consumeCode, type PresentedCode, traceCode } from './codes.store.ts';
import { authorizationCodeInvalid, resourceNotGranted } from './errors.ts';
import { finishOAuthSignIn, type OAuthTokenAnswer } from './finish-oauth-sign-in.ts';
import { beginOAuthSignIn, type OAuthSignInPorts } from './oauth-sign-in.ts';

export type RedeemCodeInput = {
  readonly code: string | undefined;
  readonly redirectUri: string | undefined;
  readonly codeVerifier: string | undefined;
  readonly resource: string | undefined;
  readonly authorizationDetails?: string | undefined;
  readonly client: OAuthClient;
  readonly keys: ProvenKeys;
};

export type RedeemCodePorts = OAuthSignInPorts & HasRevocationPush;

/** RFC 7636 §4.1. */
const VERIFIER = /^[A-Za-z0-9\-._~]{43,128}$/;
const NEVER_A_CHALLENGE = '';

/**
 * The challenge that the code must have. A verifier for a code without a challenge matches nothing (RFC 9700 §2.1.1), nor
 * does a missing verifier if the client must use PKCE now, whatever it was allowed when it requested the code.
 */
function challengeOf(
  { access }: HasAccess,
  { client, codeVerifier }: Pick<RedeemCodeInput, 'client' | 'codeVerifier'>,
): string | null {
  const mayOmit = client.isAuthenticated && access.client(client.clientId)?.pkce === 'optional';
  if (codeVerifier === undefined && mayOmit) return null;
  return VERIFIER.test(codeVerifier ?? '') ? hash('sha256', codeVerifier as string, 'base64url') : NEVER_A_CHALLENGE;
}

const presentedOf = (
  ports: HasAccess,
  code: string,
  { redirectUri = '', ...input }: RedeemCodeInput,
): PresentedCode => ({
  codeHash: codeHashOf(code),
  clientId: input.client.clientId,
  redirectUri,
  codeChallenge: challengeOf(ports, input),
  resource: input.resource,
  jkt: input.keys.jkt,
});

/**
 * Exchanges an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6): one transaction consumes the code and writes the
 * token family and audit rows. A code that was already redeemed ends the token family of its first use.
 * Throws `authorization_code_invalid`, `resource_not_granted`, `authorization_details_invalid`, `session_ended`, `request_invalid` (400),
 * `signing_unavailable`, `state_rewound`, `store_unavailable` (503).
 */
export async function redeemAuthorizationCode(
  ports: RedeemCodePorts,
  input: RedeemCodeInput,
  caller: Caller,
): Promise<OAuthTokenAnswer> {
  const startedAt = ports.clock.monotonic();
  try {
    const answer = await exchange(ports, input, caller);
    tokensIssued.add(1, { grant: 'authorization_code', outcome: 'ok' });
    tokenIssueDuration.record((ports.clock.monotonic() - startedAt) / 1_000, { grant: 'authorization_code' });
    return answer;
  } catch (err) {
    const outcome = isAppError(err) && err.definition.status < 500 ? 'refused' : 'unavailable';
    tokensIssued.add(1, { grant: 'authorization_code', outcome });
    throw err;
  }
}

async function exchange(ports: RedeemCodePorts, input: RedeemCodeInput, caller: Caller): Promise<OAuthTokenAnswer> {
  assertMayIssue(ports.revocations);
  if (input.code === undefined) throw requestInvalid({ problems: [{ at: 'body/code', why: 'is required' }] });
  if (!codeForm.test(input.code)) throw authorizationCodeInvalid();
  const presented = presentedOf(ports, input.code, input);
  const signIn = await ports.transact(async (tx) => {
    const consumed = await consumeCode(tx, presented);
    if (consumed === undefined) return null;
    const grant = { ...consumed, code_id: presented.codeHash, detailsAsked: input.authorizationDetails };
    return beginOAuthSignIn(tx, ports, input.client, grant, input.keys, caller);
  });
  if (signIn === null) return refuse(ports, presented, caller);
  return finishOAuthSignIn(ports, signIn, caller);
}

/** Ends the token family of a code that was already redeemed (RFC 6749 §4.1.2, ASVS 10.4.2), then throws the error. */
async function refuse(ports: RedeemCodePorts, presented: PresentedCode, caller: Caller): Promise<never> {
  const { audience, family_id: familyId, is_revoked: isRevoked } = await traceCode(ports.sql, presented);
  if (familyId !== null) {
    const target = { kind: 'family', id: familyId } as const;
    const event = { outcome: 'ended', target, clientId: presented.clientId } as const;
    // Many concurrent reuses would wait for one family row, so a family that is already revoked is not locked.
    if (isRevoked) await recordEvent(ports.sql, caller, codeReused, event);
    else {
      await ports.transact(async (tx) => {
        await endFamily(tx, familyId, 'code_reused', caller);
        await recordEvent(tx, caller, codeReused, event);
      });
      await ports.announceRevocations();
    }
  }
  throw audience !== null && presented.resource !== undefined && audience !== presented.resource
    ? resourceNotGranted()
    : authorizationCodeInvalid();
}
