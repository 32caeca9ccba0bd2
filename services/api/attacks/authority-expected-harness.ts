// For tests only: what each kind of caller may expect of an endpoint, derived from the endpoint's declaration alone.

import { type Audience, asksForOwnCredential, type Endpoint } from '#services/platform/define/endpoint.ts';
import type { Callers } from '#tools/testing/flows/every-caller.ts';

/** How the caller's credential travels; `cookie` is a session. */
type Sent = 'none' | 'cookie' | 'bearer' | 'basic';

type CallerKind = {
  readonly name: string;
  readonly sent: Sent;
  readonly is: 'anonymous' | 'user' | 'client' | 'agent';
  /** The user in person: by session, or by a token of the first-party client. */
  readonly isPerson: boolean;
  readonly isKey: boolean;
  /** An agent acts: by its own credentials or by a token of its owner. */
  readonly isAgent: boolean;
  /** Of users: no recent sign-in stands behind the credential. */
  readonly isStale: boolean;
};

const kind = (name: string, sent: Sent, is: CallerKind['is'], facts: Partial<CallerKind> = {}): CallerKind => ({
  name,
  sent,
  is,
  isPerson: false,
  isAgent: is === 'agent',
  isKey: false,
  isStale: false,
  ...facts,
});

export const KINDS = {
  anonymous: kind('anonymous', 'none', 'anonymous'),
  userBySession: kind('a user by session', 'cookie', 'user', { isPerson: true }),
  userByToken: kind('a user by token', 'bearer', 'user', { isPerson: true }),
  userByOtherClient: kind('a user by another client’s token', 'bearer', 'user'),
  userByKey: kind('a user’s API key', 'bearer', 'user', { isKey: true }),
  clientBySecret: kind('a client by secret', 'basic', 'client'),
  clientByToken: kind('a client by token', 'bearer', 'client'),
  clientByKey: kind('a client’s API key', 'bearer', 'client', { isKey: true }),
  agentBySecret: kind('an agent by secret', 'basic', 'agent'),
  agentByToken: kind('an agent by token', 'bearer', 'agent'),
  agentByKey: kind('an agent’s API key', 'bearer', 'agent', { isKey: true }),
  // The agent did not sign in, so its owner's token is never recent.
  agentForOwner: kind('an agent by its owner’s token', 'bearer', 'user', { isAgent: true, isStale: true }),
  staleSession: kind('a user by an old session', 'cookie', 'user', { isPerson: true, isStale: true }),
  staleToken: kind('a user by the token of an old sign-in', 'bearer', 'user', { isPerson: true, isStale: true }),
} as const satisfies Record<keyof Callers, CallerKind>;
export type KindName = keyof Callers;

/** What the caller may do: nothing, everything except the permission in question, this permission alone, or everything. */
export type Rights = 'none' | 'lacking' | 'holding' | 'all';

/** `allowed`: any answer that is no refusal of the caller. `missing`: that for a resource that does not exist. */
export type Decision =
  | 'allowed'
  | 'missing'
  | 'unauthenticated'
  | 'client_unauthenticated'
  | 'permission_missing'
  | 'rights_exceeded'
  | 'api_key_not_accepted'
  | 'agent_not_accepted'
  | 'step_up_required'
  | 'own_credential_required';

const CREDENTIAL = { cookie: 'session', bearer: 'bearer', basic: 'client' } as const;

function isAmong({ is, isPerson }: CallerKind, audience: Audience): boolean {
  switch (audience) {
    case 'anyone':
      return true;
    case 'user':
      return is === 'user';
    case 'person':
      return isPerson;
    case 'owner':
      return isPerson || is === 'client' || is === 'agent';
    case 'agent':
      return is === 'agent';
  }
}

/** A client or agent that sends a token or an API key, and nothing that only it has. */
const isByTokenAlone = ({ is, sent }: CallerKind): boolean => sent === 'bearer' && is !== 'user';

const stepUpOf = ({ is, isKey, isStale, isAgent }: CallerKind, usesPermission: boolean): Decision => {
  if (isAgent && usesPermission) return 'agent_not_accepted';
  if (is !== 'user') return 'allowed';
  if (isKey) return 'api_key_not_accepted';
  return isStale ? 'step_up_required' : 'allowed';
};

/**
 * The decision that a declaration promises. Callers have two factors, so that `two_factors` asks them as well.
 * @param isForeign whether the request names a resource of another caller
 */
export function expectedDecision(
  { auth, method }: Pick<Endpoint, 'auth' | 'method'>,
  caller: CallerKind,
  { rights, isForeign }: { readonly rights: Rights; readonly isForeign: boolean },
): Decision {
  if (auth === 'public') return 'allowed';
  const { accepts, subject } = auth;
  const isHeld = rights === 'holding' || rights === 'all';
  if (caller.sent === 'none' || !accepts.includes(CREDENTIAL[caller.sent])) {
    if (auth.optional && (caller.sent === 'none' || caller.sent === 'cookie')) return 'allowed';
    const asksForClient = accepts.includes('client') && (caller.sent === 'basic' || !accepts.includes('bearer'));
    return asksForClient ? 'client_unauthenticated' : 'unauthenticated';
  }
  if (caller.isKey && auth.for !== 'anyone') return 'api_key_not_accepted';
  if (!isAmong(caller, auth.for)) return 'permission_missing';
  if ((auth.permission !== undefined || subject === 'permitted') && !isHeld) return 'permission_missing';
  if (auth.rightsOf !== undefined && rights !== 'all') return 'rights_exceeded';
  if (auth.stepUp === true || auth.stepUp === 'two_factors') {
    const stepUp = stepUpOf(caller, auth.permission !== undefined);
    if (stepUp !== 'allowed') return stepUp;
    if (asksForOwnCredential({ auth }) && isByTokenAlone(caller)) return 'own_credential_required';
  }
  // An API key acts by its permissions: without one it only reads.
  if (caller.isKey && auth.permission === undefined && method !== 'GET') return 'api_key_not_accepted';
  if (!isForeign || subject === 'any' || subject === 'none' || subject === 'permitted') return 'allowed';
  if (subject === 'own') return 'missing';
  if (!isHeld) return subject.else === 'hidden' ? 'missing' : 'permission_missing';
  if (auth.stepUp !== 'of_others') return 'allowed';
  const stepUp = stepUpOf(caller, true);
  return stepUp === 'allowed' && asksForOwnCredential({ auth }) && isByTokenAlone(caller)
    ? 'own_credential_required'
    : stepUp;
}
