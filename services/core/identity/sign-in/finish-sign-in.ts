import { FIRST_PARTY_CLIENT_ID } from '#services/core/authority/callers.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { HasAuth } from '../sessions/auth.ts';
import type { HasCsrf } from '../sessions/csrf.ts';
import { type EndSessionPorts, endSession } from '../sessions/end-session.ts';
import {
  draftSignIn,
  type SessionTokenPorts,
  type SessionWithFamily,
  type SignInAnswer,
  type SignInDraft,
  signDraft,
} from '../sessions/open-session.ts';
import { withDevice } from './device-cookie.ts';

/** Returns a caller for the audit log that names the user and has no session or permissions. */
export const userCaller = (userId: string, { request }: Pick<Caller, 'request'>): Caller => ({
  kind: 'user',
  userId,
  sessionId: null,
  clientId: FIRST_PARTY_CLIENT_ID,
  permissions: new Set(),
  by: 'session',
  tokenId: null,
  familyId: null,
  authTime: 0,
  request,
});

type FinishPorts = Pick<Ports, 'transact'> & SessionTokenPorts & HasAuth & HasCsrf & EndSessionPorts;

/**
 * Signs a committed sign-in. If signing fails, the session ends, because its cookie never reached the browser. Throws
 * `signing_unavailable` (503).
 */
export const finishOrEnd = (
  ports: FinishPorts,
  signedIn: SessionWithFamily,
  asked: { readonly cookie: string | undefined },
  caller: Caller,
): Promise<SignInAnswer> => signOrEnd(ports, draftSignIn(ports, signedIn), asked, caller);

/**
 * The same for a draft. If the draft is stored for a retry (`isKept`), its session stays open. A replay makes no
 * browser a known device, because the account may have another owner by now.
 */
export async function signOrEnd(
  ports: FinishPorts,
  draft: SignInDraft,
  {
    cookie,
    isKept = false,
    isReplay = false,
  }: { readonly cookie: string | undefined; readonly isKept?: boolean; readonly isReplay?: boolean },
  caller: Caller,
): Promise<SignInAnswer> {
  const { user, session } = draft.body;
  const answer = await signDraft(ports, draft, caller).catch(async (err: unknown) => {
    if (!isKept) await endSession(ports, { sessionId: session.id, reason: 'issue_failed' }, caller).catch(() => {});
    throw err;
  });
  return isReplay ? answer : withDevice(ports, answer, { email: user.email, cookie });
}
