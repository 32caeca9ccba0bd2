import type { HasAccess } from '#services/core/access/access-directory.ts';
import { DEVICE_GRANT } from '#services/core/access/grant-shapes.ts';
import type { HasPublicAddress } from '#services/core/access/server-metadata.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { assertMayIssue, type HasRevocations } from '#services/core/revocations/revocation-set.ts';
import { newUserCode, shownUserCode } from '#services/core/shared/user-codes.ts';
import { grantNotAllowed, scopeInvalid, targetInvalid } from '#services/core/tokens/errors.ts';
import { oauthClient } from '#services/core/tokens/issue/grant-token.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import { codeHashOf } from '../authorize/issue-code.ts';
import { type HasOpenRequests, shareOf } from '../open-requests.ts';
import { parseAuthorizationDetails, requestedAudience, requestedScopes } from '../requested-terms.ts';
import { deviceGrantCounts, insertDeviceGrant } from './device-grants.store.ts';

export type DeviceGrantPorts = Pick<Ports, 'transact' | 'random'> &
  HasAccess &
  HasKeyRing &
  HasOpenRequests &
  HasPublicAddress &
  HasRevocations &
  HasTokenSettings;

type DeviceGrantInput = {
  readonly clientId: string | undefined;
  readonly scope: string | undefined;
  readonly resource: string | undefined;
  readonly authorizationDetails?: string | undefined;
};

/** RFC 8628 §3.2. */
export type DeviceGrantAnswer = {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
  readonly expires_in: number;
  readonly interval: number;
};

const LIFE_SECONDS = 600;
const INTERVAL_SECONDS = 5;
/** With 2^34 possible codes a second try is rare; needing a fifth means that something else is wrong. */
const TRIES = 5;

/**
 * Starts a device grant (RFC 8628 §3.1): issues a device code, and a user code for the user to enter. The user's
 * decision is audited; the request is not, because it may be unauthenticated.
 * Throws `client_unauthenticated` (401), `grant_not_allowed`, `scope_invalid`, `target_invalid`,
 * `authorization_details_invalid` (400),
 * `open_requests_full` (429), `state_rewound`, `store_unavailable` (503).
 */
export async function beginDeviceGrant(
  ports: DeviceGrantPorts,
  input: DeviceGrantInput,
  caller: Caller,
): Promise<DeviceGrantAnswer> {
  assertMayIssue(ports.revocations);
  const named = oauthClient(ports, input.clientId, caller);
  const { clientId } = named;
  const client = ports.access.client(clientId);
  if (!client?.grant_types.includes(DEVICE_GRANT)) throw grantNotAllowed();
  const audience = requestedAudience(ports, client, input.resource, input.scope);
  const { scopes, why } = requestedScopes(ports, client, input.scope, audience);
  if (scopes === undefined) throw scopeInvalid({ detail: why });
  if (audience === null) throw targetInvalid();
  const details = parseAuthorizationDetails(ports, { client, audience }, input.authorizationDetails);
  const deviceCode = ports.random.bytes(32).toString('base64url');
  const share = shareOf(ports, named, caller);
  const terms = {
    client_id: clientId,
    scope: scopes.join(' '),
    audience,
    authorization_details: details ?? null,
    share,
  };
  const userCode = await ports.transact(async (tx) => {
    await ports.openRequests.assertRoom('device', client, share, deviceGrantCounts(tx, clientId));
    for (let tries = 0; tries < TRIES; tries += 1) {
      const code = newUserCode(ports.random);
      const grant = { ...terms, userCode: code, deviceCodeHash: codeHashOf(deviceCode) };
      if (await insertDeviceGrant(tx, { ...grant, intervalSeconds: INTERVAL_SECONDS, lifeSeconds: LIFE_SECONDS }))
        return code;
    }
    throw storeUnavailable({ retryAfterSeconds: 1 });
  });
  const verificationUri = `${ports.publicUrl}/device`;
  return {
    device_code: deviceCode,
    user_code: shownUserCode(userCode),
    verification_uri: verificationUri,
    verification_uri_complete: `${verificationUri}?user_code=${shownUserCode(userCode)}`,
    expires_in: LIFE_SECONDS,
    interval: INTERVAL_SECONDS,
  };
}
