import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { factorConflict, passkeyUnknown } from '../contracts/factors-errors.ts';
import { admitAgain } from '../sessions/admit-session.ts';
import { endSessionIn } from '../sessions/end-session.ts';
import { lockOwnSession } from '../sessions/lock-own-session.ts';
import { createSessionFamily, type SignInAnswer } from '../sessions/open-session.ts';
import { type LiveOwnSession, ownSession } from '../sessions/own-session.ts';
import { finishOrEnd } from '../sign-in/finish-sign-in.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { deletePasskey } from '../users/passkeys.store.ts';
import { removeFactorsSince, removeIdleCodes, removeTotp } from './factors.store.ts';

type Cookie = { readonly cookie?: string | undefined; readonly signal?: AbortSignal };

/**
 * Removes the caller's authenticator app, ends every existing session, token family and access token, and opens a new
 * session. Requires a recent two-factor sign-in.
 * @throws factorConflict (409) if there is none, stepUpRequired (403)
 */
export const removeTotpFactor = (ports: SignInPorts, input: Cookie, caller: Caller): Promise<SignInAnswer> =>
  removeFactor(ports, input, caller, async (tx, { userId }) => {
    if (!(await removeTotp(tx, userId))) throw factorConflict();
  });

/** Removes a passkey of the caller, and ends and opens sessions in the same way. Throws `passkey_unknown` (404). */
export const removePasskey = (
  ports: SignInPorts,
  { id, ...input }: Cookie & { readonly id: string },
  caller: Caller,
): Promise<SignInAnswer> =>
  removeFactor(ports, input, caller, async (tx, { userId }) => {
    if (!(await deletePasskey(tx, userId, id))) throw passkeyUnknown();
  });

async function removeFactor(
  ports: SignInPorts,
  { cookie }: Cookie,
  caller: Caller,
  remove: (tx: Tx, session: LiveOwnSession) => Promise<void>,
): Promise<SignInAnswer> {
  const session = await ownSession(ports, caller);
  const { userId, sessionId, assurance, expiresAt } = session;
  const signedIn = await ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'factor_removed');
    await lockOwnSession(tx, caller);
    await remove(tx, session);
    await removeIdleCodes(tx, userId);
    await endSessionIn(tx, ports, sessionId);
    const admission = await admitAgain(tx, { userId, assurance });
    const opened = await ports.auth.openSession({ admission, expiresAt }, caller.request);
    return createSessionFamily(tx, ports, opened, caller);
  });
  return finishOrEnd(ports, signedIn, { cookie }, caller);
}

/** Removes the factors that an account got since, with the recovery codes; every session ends if there was a factor. */
export const takeFactorsSince = (tx: Tx, userId: string, since: string): Promise<unknown> =>
  removeFactorsSince(tx, userId, since);
