import type { Audience } from '#services/platform/define/endpoint.ts';
import { permissionMissing } from '#services/platform/errors.ts';
import type { Caller } from '../ports.ts';
import { clientOf, userOf } from './callers.ts';
import { assertNoApiKey, isInFull } from './own-account.ts';

const REFUSALS = {
  user: 'This is for users, and needs a token of one.',
  person: 'This requires the user’s session, or a token issued from it.',
  owner: 'This requires the user’s session, a token issued from it, or a client’s own credentials.',
  agent: 'This is for an agent, with its own credentials or token.',
} as const satisfies Record<Exclude<Audience, 'anyone'>, string>;

function isAmong(caller: Caller, audience: Exclude<Audience, 'anyone'>): boolean {
  const user = userOf(caller);
  switch (audience) {
    case 'user':
      return user !== null;
    case 'person':
      return user !== null && isInFull(user);
    case 'owner':
      return clientOf(caller) !== null || (user !== null && isInFull(user));
    case 'agent':
      return caller.kind === 'agent';
  }
}

/**
 * Whether an endpoint is for a caller of this kind, whatever its permissions. Throws `api_key_not_accepted` (403) for an
 * API key where the endpoint is not for anyone, and `permission_missing` (403) for every other caller that it is not for.
 */
export function assertIsFor(caller: Caller, audience: Audience): void {
  if (audience === 'anyone') return;
  assertNoApiKey(caller);
  if (!isAmong(caller, audience)) throw permissionMissing({ detail: REFUSALS[audience] });
}
