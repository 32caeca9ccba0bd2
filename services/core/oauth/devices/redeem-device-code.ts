import { tokenIssueDuration, tokensIssued } from '#observability/metrics/tokens.ts';
import type { Caller } from '#services/core/ports.ts';
import { assertMayIssue } from '#services/core/revocations/revocation-set.ts';
import type { OAuthClient, ProvenKeys } from '#services/core/tokens/issue/grant-token.ts';
import { sessionEnded } from '#services/core/tokens/refresh/refresh-errors.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { requestInvalid } from '#services/platform/errors.ts';
import { codeForm, codeHashOf } from '../authorize/issue-code.ts';
import {
  deviceCodeExpired,
  deviceCodeInvalid,
  deviceGrantDenied,
  deviceGrantPending,
  devicePollsTooFast,
} from '../errors.ts';
import { finishOAuthSignIn, type OAuthTokenAnswer } from '../finish-oauth-sign-in.ts';
import { beginOAuthSignIn, type OAuthSignInPorts } from '../oauth-sign-in.ts';
import { consumeDeviceGrant, pollDeviceGrant } from './device-grants.store.ts';

type RedeemDeviceCodeInput = {
  readonly deviceCode: string | undefined;
  readonly authorizationDetails?: string | undefined;
  readonly client: OAuthClient;
  readonly keys: ProvenKeys;
};

/**
 * Exchanges a device code (RFC 8628 §3.4) after the user allowed it: one transaction consumes it and creates the token
 * family. The family outlives the browser session of the decision, so that a television stays signed in. Revoking all
 * tokens of the user or client between decision and exchange ends the grant too.
 * Throws `device_grant_pending`, `device_polls_too_fast`, `device_grant_denied`, `device_code_expired`,
 * `device_code_invalid`, `authorization_details_invalid`, `request_invalid` (400), `signing_unavailable`, `state_rewound`, `store_unavailable` (503).
 */
export async function redeemDeviceCode(
  ports: OAuthSignInPorts,
  input: RedeemDeviceCodeInput,
  caller: Caller,
): Promise<OAuthTokenAnswer> {
  const startedAt = ports.clock.monotonic();
  try {
    const answer = await exchange(ports, input, caller);
    tokensIssued.add(1, { grant: 'device_code', outcome: 'ok' });
    tokenIssueDuration.record((ports.clock.monotonic() - startedAt) / 1_000, { grant: 'device_code' });
    return answer;
  } catch (err) {
    const outcome = isAppError(err) && err.definition.status < 500 ? 'refused' : 'unavailable';
    tokensIssued.add(1, { grant: 'device_code', outcome });
    throw err;
  }
}

async function exchange(
  ports: OAuthSignInPorts,
  { deviceCode, authorizationDetails, client, keys }: RedeemDeviceCodeInput,
  caller: Caller,
): Promise<OAuthTokenAnswer> {
  assertMayIssue(ports.revocations);
  if (deviceCode === undefined) throw requestInvalid({ problems: [{ at: 'body/device_code', why: 'is required' }] });
  if (!codeForm.test(deviceCode)) throw deviceCodeInvalid();
  const deviceCodeHash = codeHashOf(deviceCode);
  const signIn = await ports
    .transact(async (tx) => {
      const consumed = await consumeDeviceGrant(tx, deviceCodeHash, client.clientId);
      if (consumed === undefined) return null;
      return beginOAuthSignIn(
        tx,
        ports,
        client,
        { ...consumed, session_id: null, nonce: null, id_token_claims: [], detailsAsked: authorizationDetails },
        keys,
        caller,
      );
    })
    .catch((err: unknown) => {
      // The transaction is rolled back, so the grant stays, and later polls get the same error until it is purged.
      throw isAppError(err) && err.definition === sessionEnded.definition ? deviceCodeExpired({ cause: err }) : err;
    });
  if (signIn !== null) return finishOAuthSignIn(ports, signIn, caller);
  const poll = await pollDeviceGrant(ports.sql, deviceCodeHash, client.clientId);
  if (poll === undefined) throw deviceCodeInvalid();
  if (poll.is_expired) throw deviceCodeExpired();
  if (poll.status === 'denied') throw deviceGrantDenied();
  throw poll.is_early ? devicePollsTooFast() : deviceGrantPending();
}
