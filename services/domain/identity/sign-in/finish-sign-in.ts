import { FIRST_PARTY_CLIENT_ID } from '#services/domain/access/access-directory.ts';
import type { Caller, Ports } from '#services/domain/ports.ts';
import type { HasAuth } from '../better-auth/auth.ts';
import type { HasCsrf } from '../sessions/csrf.ts';
import { type EndSessionPorts, endSession } from '../sessions/end-session.ts';
import {
  draftLogin,
  type Login,
  type LoginAnswer,
  type LoginDraft,
  type SessionTokenPorts,
  signDraft,
} from '../sessions/open-session.ts';
import { withDevice } from './device-cookie.ts';

/** A person known by their id alone, as an actor: no session, and no right. */
export const personCaller = (userId: string, { request }: Pick<Caller, 'request'>): Caller => ({
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
 * Signs what was committed. A session whose cookie cannot leave ends, so that the list of sessions stays true.
 * Throws `signing_unavailable` (503).
 */
export const finishOrEnd = (
  ports: FinishPorts,
  login: Login,
  asked: { readonly cookie: string | undefined },
  caller: Caller,
): Promise<LoginAnswer> => signOrEnd(ports, draftLogin(ports, login), asked, caller);

/**
 * The same of a draft. One that is kept for a retry stays for it; a replay of it makes no browser known, for the account
 * may be another's by now.
 */
export async function signOrEnd(
  ports: FinishPorts,
  draft: LoginDraft,
  {
    cookie,
    isKept = false,
    isReplay = false,
  }: { readonly cookie: string | undefined; readonly isKept?: boolean; readonly isReplay?: boolean },
  caller: Caller,
): Promise<LoginAnswer> {
  const { user, session } = draft.body;
  const answer = await signDraft(ports, draft, caller).catch(async (err: unknown) => {
    if (!isKept) await endSession(ports, { sessionId: session.id, reason: 'issue_failed' }, caller).catch(() => {});
    throw err;
  });
  return isReplay ? answer : withDevice(ports, answer, { email: user.email, cookie });
}
