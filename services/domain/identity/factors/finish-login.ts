import { FIRST_PARTY_CLIENT_ID } from '../../access/access-directory.ts';
import type { Caller } from '../../ports.ts';
import { withDevice } from '../device-cookie.ts';
import { endSession } from '../end-session.ts';
import { finishLogin, type Login, type LoginAnswer } from '../open-session.ts';
import type { LoginPorts } from '../sign-in.ts';

/** The user a login is for, as an actor: no session yet, and no right. */
export const personCaller = (userId: string, { request }: Caller): Caller => ({
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

/** Signs what was committed; a session whose cookie cannot leave ends. */
export async function finishOrEnd(
  ports: LoginPorts,
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
