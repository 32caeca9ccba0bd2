import type { z } from 'zod';
import {
  authReqHash,
  type BackchannelPorts,
  type BackchannelRequest,
  readBackchannelRequest,
} from '#services/core/oauth/backchannel.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { requestBackchannelEndpoint } from '../contract.ts';
import { type HasSignOffLimit, requestSignOff } from '../request-signoff.ts';
import { readPeopleNames } from '../signoff-names.store.ts';
import { LIFE_MINUTES_MAX } from '../signoff-shapes.ts';
import { insertBackchannelRequest, pingContext } from './backchannel.store.ts';

type RequestBackchannelPorts = Pick<Ports, 'transact' | 'random' | 'vault'> & BackchannelPorts & HasSignOffLimit;

type Form = z.output<NonNullable<(typeof requestBackchannelEndpoint)['body']>>;

const INTERVAL_SECONDS = 5;

const lifeOf = ({ lifeSeconds: seconds }: BackchannelRequest): { readonly expires_in_minutes?: number } =>
  seconds === undefined
    ? {}
    : { expires_in_minutes: Math.min(LIFE_MINUTES_MAX, Math.max(1, Math.floor(seconds / 60))) };

/**
 * Asks people to sign off one act for the owner of the calling agent (CIBA Core §7). It is a sign-off as any other: the
 * policy of the act says who approves, and the people behind the agent do not. Throws `grant_not_allowed`,
 * `request_invalid`, `request_object_unsupported`, `scope_invalid`, `target_invalid`, `authorization_details_invalid`,
 * `hinted_user_unknown`, `binding_message_invalid` (400), and what `requestSignOff` throws.
 */
export async function requestBackchannel(ports: RequestBackchannelPorts, form: Form, caller: Caller) {
  const asked = readBackchannelRequest(ports, form, caller);
  const { client, scope, audience, details, notificationToken: token } = asked;
  const request = { ...asked.act, title: asked.message ?? asked.act.act, ...lifeOf(asked) };
  const authReqId = ports.random.bytes(32).toString('base64url');
  const signOff = await ports.transact(async (tx) => {
    // An agent acts for its owner alone. Every other hint gets the same answer after the same read.
    const [owner] = await readPeopleNames(tx, [client.agent?.ownerId ?? '']);
    asked.assertNames(owner);
    const made = await requestSignOff({ ...ports, transact: (work) => work(tx) }, request, caller);
    const ping = Buffer.from(JSON.stringify({ auth_req_id: authReqId, token }));
    await insertBackchannelRequest(tx, {
      scope,
      audience,
      details,
      id: made.signoff_id,
      authReqIdHash: authReqHash(authReqId),
      clientId: client.clientId,
      intervalSeconds: INTERVAL_SECONDS,
      expiresAt: made.expires_at,
      sealedPing: token === null ? null : ports.vault.seal(ping, pingContext(made.signoff_id)),
    });
    return made;
  });
  return {
    auth_req_id: authReqId,
    expires_in: Math.max(1, Math.floor((Date.parse(signOff.expires_at) - Date.parse(signOff.requested_at)) / 1_000)),
    interval: INTERVAL_SECONDS,
    signoff_id: signOff.signoff_id,
  };
}
