import type { Client, HasAccess } from '#services/core/access/access-directory.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { HasAuth } from '#services/core/identity/sessions/auth.ts';
import type { LiveSession } from '#services/core/identity/sessions/live-session.ts';
import { sessionCallerOf } from '#services/core/identity/sessions/open-session.ts';
import { findByCookie } from '#services/core/identity/sessions/read-session.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { assertMayIssue, type HasRevocations } from '#services/core/revocations/revocation-set.ts';
import { normaliseUserCode } from '#services/core/shared/user-codes.ts';
import { holdSession } from '#services/core/tokens/refresh/create-family.ts';
import { deviceGrantDecided } from '../audit-events.ts';
import { type AuthorizationDetails, detailFacts } from '../requested-terms.ts';
import { type DeviceGrantTerms, decideDeviceGrant, readDeviceGrant } from './device-grants.store.ts';

type DeviceDecisionPorts = Pick<Ports, 'transact' | 'sql'> & HasAccess & HasAuth & HasRevocations;

/** What the device page shows. */
export type DeviceStep =
  | { readonly kind: 'sign-in' }
  | { readonly kind: 'ask-code'; readonly isUnknown: boolean; readonly live: LiveSession }
  | {
      readonly kind: 'confirm';
      readonly userCode: string;
      readonly client: Client;
      readonly scopes: readonly string[];
      readonly details: AuthorizationDetails | null;
      readonly live: LiveSession;
    }
  | { readonly kind: 'done'; readonly isAllowed: boolean };

type DeviceInput = { readonly userCode: string | undefined; readonly cookie: string | undefined };

/**
 * Returns the step of the page that a device sends its user to (RFC 8628 §3.3): sign in, enter the code, then confirm
 * client and scopes. The user confirms in spite of an earlier consent, because the code may come from an attacker's
 * device (§5.4).
 * Throws `state_rewound`, `store_unavailable` (503).
 */
export async function showDeviceGrant(ports: DeviceDecisionPorts, input: DeviceInput): Promise<DeviceStep> {
  assertMayIssue(ports.revocations);
  const live = await findByCookie(ports, input.cookie);
  if (live === null) return { kind: 'sign-in' };
  if (input.userCode === undefined || input.userCode === '') return { kind: 'ask-code', isUnknown: false, live };
  const userCode = normaliseUserCode(input.userCode);
  const terms = userCode === null ? undefined : await readDeviceGrant(ports.sql, userCode);
  return confirmStep(ports, userCode, terms, live);
}

function confirmStep(
  { access }: HasAccess,
  userCode: string | null,
  terms: DeviceGrantTerms | undefined,
  live: LiveSession,
): DeviceStep {
  const client = terms && access.client(terms.client_id);
  if (userCode === null || terms === undefined || client === undefined || client.disabled)
    return { kind: 'ask-code', isUnknown: true, live };
  const { scope, authorization_details: details } = terms;
  return { kind: 'confirm', userCode, client, scopes: scope.split(' '), details, live };
}

/**
 * Stores the user's decision and its audit row in one transaction; the first decision is final.
 * Throws `state_rewound`, `store_unavailable` (503).
 */
export async function answerDeviceGrant(
  ports: DeviceDecisionPorts,
  input: DeviceInput & { readonly isAllowed: boolean },
  caller: Caller,
): Promise<DeviceStep> {
  const step = await showDeviceGrant(ports, input);
  if (step.kind !== 'confirm') return step;
  const user = sessionCallerOf(step.live, ports, caller) as Caller & { readonly kind: 'user' };
  const { isAllowed } = input;
  const isDecided = await ports.transact(async (tx) => {
    // The session may have been read from a cache, and an ended session must not allow a device.
    if (!(await holdSession(tx, step.live.session.id, user.userId))) return null;
    const status = isAllowed ? 'approved' : 'denied';
    const terms = await decideDeviceGrant(tx, step.userCode, { status, userId: user.userId, authTime: user.authTime });
    if (terms === undefined) return false;
    await recordEvent(tx, user, deviceGrantDecided, {
      outcome: isAllowed ? 'ok' : 'denied',
      target: { kind: 'client', id: terms.client_id },
      clientId: terms.client_id,
      detail: { scope: terms.scope, audience: terms.audience, ...detailFacts(terms.authorization_details) },
    });
    return true;
  });
  if (isDecided === null) return { kind: 'sign-in' };
  return isDecided ? { kind: 'done', isAllowed } : { kind: 'ask-code', isUnknown: true, live: step.live };
}
