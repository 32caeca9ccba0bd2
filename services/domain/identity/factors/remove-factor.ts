import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { stepUpRequired } from '#services/platform/errors.ts';
import { lockOwnSession } from '../accounts/lock-own-session.ts';
import { isTwoFactors } from '../assurance.ts';
import { endSessionIn } from '../sessions/end-session.ts';
import { beginLogin, type LoginAnswer } from '../sessions/open-session.ts';
import { finishOrEnd } from '../sign-in/finish-sign-in.ts';
import type { LoginPorts } from '../sign-in/sign-in.ts';
import { removeIdleCodes, removeTotp } from './factors.store.ts';
import { factorConflict, passkeyUnknown } from './factors-errors.ts';
import { type LiveOwnSession, ownSession } from './own-session.ts';
import { deletePasskey } from './passkeys.store.ts';

type Cookie = { readonly cookie?: string | undefined; readonly signal?: AbortSignal };

/**
 * Takes the authenticator app from the caller's account: every session, login and access token of before ends, and
 * the answer is a new session. Asks for a fresh login of two factors.
 * @throws factorConflict (409) where there is none, stepUpRequired (403)
 */
export const removeTotpFactor = (ports: LoginPorts, input: Cookie, caller: Caller): Promise<LoginAnswer> =>
  removeFactor(ports, input, caller, async (tx, { userId }) => {
    if (!(await removeTotp(tx, userId))) throw factorConflict();
  });

/** Takes a passkey from the caller's account, with the same end of every session. Throws `passkey_unknown` (404). */
export const removePasskey = (
  ports: LoginPorts,
  { id, ...input }: Cookie & { readonly id: string },
  caller: Caller,
): Promise<LoginAnswer> =>
  removeFactor(ports, input, caller, async (tx, { userId }) => {
    if (!(await deletePasskey(tx, userId, id))) throw passkeyUnknown();
  });

async function removeFactor(
  ports: LoginPorts,
  { cookie }: Cookie,
  caller: Caller,
  remove: (tx: Tx, session: LiveOwnSession) => Promise<void>,
): Promise<LoginAnswer> {
  const session = await ownSession(ports, caller);
  const { userId, sessionId, amr, acr, expiresAt } = session;
  const login = await ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'factor_removed');
    await lockOwnSession(tx, caller);
    await remove(tx, session);
    // Who has a factor has a session of two; the rule is kept here all the same.
    if (!isTwoFactors(acr)) throw stepUpRequired();
    await removeIdleCodes(tx, userId);
    await endSessionIn(tx, ports, sessionId);
    const opened = await ports.auth.openSession({ userId, assurance: { amr, acr }, expiresAt }, caller.request);
    return beginLogin(tx, ports, opened, caller);
  });
  return finishOrEnd(ports, login, { cookie }, caller);
}
