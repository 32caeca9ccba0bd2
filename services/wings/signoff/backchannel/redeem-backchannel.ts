import { tokenIssueDuration, tokensIssued } from '#observability/metrics/tokens.ts';
import { SIGNED_ACT } from '#services/core/access/detail-type.ts';
import { CIBA_GRANT } from '#services/core/access/grant-shapes.ts';
import { authReqHash, beginClientGrant, finishClientGrant, type Grant } from '#services/core/oauth/backchannel.ts';
import {
  authReqDenied,
  authReqExpired,
  authReqIdInvalid,
  authReqPending,
  authReqPollsTooFast,
} from '#services/core/oauth/errors.ts';
import type { Ports } from '#services/core/ports.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { requestInvalid } from '#services/platform/errors.ts';
import { lockBehind } from '../requester.ts';
import type { SignOffState } from '../signoff-shapes.ts';
import { lockSignOff, readSignOffRow, type SignOffRow } from '../signoffs.store.ts';
import { voidApprovals } from '../void-approvals.ts';
import { consumeBackchannelRequest, pollBackchannelRequest } from './backchannel.store.ts';

type BackchannelGrant = Grant<Pick<Ports, 'transact' | 'sql'> & Parameters<typeof beginClientGrant>[1]>;
type Redeem = BackchannelGrant['redeem'];

/** Why a sign-off in this state gives no token; null while it may. */
const REFUSALS: Record<SignOffState, () => Error | null> = {
  pending: authReqPending,
  approved: () => null,
  denied: authReqDenied,
  expired: authReqExpired,
  // The act started without the token of the request: it is for an act that has not.
  running: authReqIdInvalid,
  interrupted: authReqIdInvalid,
  done: authReqIdInvalid,
  failed: authReqIdInvalid,
};

function assertNotRefused({ state }: Pick<SignOffRow, 'state'>): void {
  const refusal = REFUSALS[state]();
  if (refusal !== null) throw refusal;
}

/**
 * Gives the token of an approved act once: one transaction counts the approvals again, consumes the request and records the
 * token, which carries exactly the approved act. Throws `auth_req_pending`, `auth_req_polls_too_fast`, `auth_req_denied`,
 * `auth_req_expired`, `auth_req_id_invalid`, `request_invalid` (400), `signing_unavailable`, `store_unavailable` (503).
 */
const exchange: Redeem = async (ports, { client, keys, authReqId }, caller) => {
  if (authReqId === undefined) throw requestInvalid({ problems: [{ at: 'body/auth_req_id', why: 'is required' }] });
  const hash = authReqHash(authReqId);
  const poll = await pollBackchannelRequest(ports.sql, hash, client.clientId);
  const before = poll && (await readSignOffRow(ports.sql, poll.id));
  if (before === undefined) throw authReqIdInvalid();
  if (poll?.is_expired) throw authReqExpired();
  if (poll?.is_early && before.state === 'pending') throw authReqPollsTooFast();
  assertNotRefused(before);
  const claims = await ports.transact(async (tx) => {
    if (!(await lockBehind(tx, before))) throw authReqDenied();
    const locked = (await lockSignOff(tx, before.id)) as SignOffRow;
    assertNotRefused(locked);
    // Committed: an approval that does not count any more is removed, and the sign-off waits again.
    if ((await voidApprovals(tx, locked, caller)).state === 'pending') return null;
    const consumed = await consumeBackchannelRequest(tx, hash, client.clientId);
    if (consumed === undefined) throw authReqIdInvalid();
    return beginClientGrant(tx, ports, { client, keys, ...consumed, of: locked.id }, caller);
  });
  if (claims === null) throw authReqPending();
  return finishClientGrant(ports, claims, authReqId, caller);
};

const redeemBackchannel: Redeem = async (ports, request, caller) => {
  const grant = 'ciba';
  const startedAt = ports.clock.monotonic();
  try {
    const answer = await exchange(ports, request, caller);
    tokensIssued.add(1, { grant, outcome: 'ok' });
    tokenIssueDuration.record((ports.clock.monotonic() - startedAt) / 1_000, { grant });
    return answer;
  } catch (err) {
    tokensIssued.add(1, { grant, outcome: isAppError(err) && err.definition.status < 500 ? 'refused' : 'unavailable' });
    throw err;
  }
};

/** OpenID Connect CIBA Core 1.0, by poll and ping. */
export const backchannelGrant: BackchannelGrant = {
  type: CIBA_GRANT,
  metadata: (publicUrl) => ({
    backchannel_authentication_endpoint: `${publicUrl}/oauth2/bc-authorize`,
    backchannel_token_delivery_modes_supported: ['poll', 'ping'],
    backchannel_user_code_parameter_supported: false,
  }),
  detailTypes: [SIGNED_ACT],
  redeem: redeemBackchannel,
};
