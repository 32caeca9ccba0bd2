import { FIRST_PARTY_CLIENT_ID } from '../access/access-directory.ts';
import type { Caller, Ports } from '../ports.ts';
import type { HasAuth } from './auth.ts';
import type { HasCsrf } from './csrf.ts';
import { withDevice } from './device-cookie.ts';
import { type EndSessionPorts, endSession } from './end-session.ts';
import { finishLogin, type Login, type LoginAnswer, type SessionTokenPorts } from './open-session.ts';

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

/**
 * Signs what was committed. A session whose cookie cannot leave ends, so that the list of sessions stays true.
 * Throws `signing_unavailable` (503).
 */
export async function finishOrEnd(
  ports: Pick<Ports, 'transact'> & SessionTokenPorts & HasAuth & HasCsrf & EndSessionPorts,
  login: Login,
  { cookie }: { readonly cookie: string | undefined },
  caller: Caller,
): Promise<LoginAnswer> {
  const answer = await finishLogin(ports, login, caller).catch(async (err: unknown) => {
    await endSession(ports, { sessionId: login.session.id, reason: 'issue_failed' }, caller).catch(() => {});
    throw err;
  });
  return withDevice(ports, answer, { email: login.user.email, cookie });
}
