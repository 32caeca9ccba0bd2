import { logins } from '#observability/metrics/identity.ts';
import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { assertMayIssue } from '#services/core/revocations/revocation-set.ts';
import { userLogin } from '../audit-events.ts';
import { passkeyRefused } from '../contracts/factors-errors.ts';
import { admitSession } from '../sessions/admit-session.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { makeRoom } from '../sessions/make-room.ts';
import { createSessionFamily, type SignInAnswer } from '../sessions/open-session.ts';
import type { PasskeyOptions, PasskeyResponse } from '../sessions/passkey-ceremonies.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { finishOrEnd, userCaller } from '../sign-in/finish-sign-in.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { readSignInOriginOf } from '../sign-in/sign-in-origin.ts';
import { lockUser } from '../users/accounts.store.ts';
import { withSecondFactor } from '../users/assurance.ts';
import { findPasskey } from '../users/passkeys.store.ts';

type PasskeySignInInput = PasskeyResponse & { readonly cookie?: string | undefined; readonly signal?: AbortSignal };

/**
 * Returns the options for the browser to request any passkey for this origin. They are the same for every user, so they
 * reveal no account.
 */
export const askForPasskey = (ports: HasAuth): Promise<PasskeyOptions> => ports.auth.passkeys.authenticationOptions();

/**
 * Signs in with a passkey, for a two-factor session and its token pair. No password is involved, so no lock for wrong
 * passwords applies.
 * @throws passkeyRefused (401), storeUnavailable (503)
 */
export async function signInWithPasskey(
  ports: SignInPorts,
  input: PasskeySignInInput,
  caller: Caller,
): Promise<SignInAnswer> {
  try {
    const answer = await attempt(ports, input, caller);
    logins.add(1, { outcome: 'ok', factor: 'passkey' });
    return answer;
  } catch (err) {
    if (!isRefused(err)) {
      logins.add(1, { outcome: 'unavailable', factor: 'passkey' });
      throw err;
    }
    logins.add(1, { outcome: 'refused', factor: 'passkey' });
    await recordEvent(ports.sql, caller, userLogin, { outcome: 'refused', detail: { factor: 'passkey' } });
    throw err;
  }
}

/** Whether no account has this passkey, so that the browser may forget it. */
export const isPasskeyUnknown = async ({ sql }: Pick<Ports, 'sql'>, credentialId: string): Promise<boolean> =>
  (await findPasskey(sql, credentialId)) === undefined;

const isRefused = (err: unknown): boolean => (err as { code?: unknown }).code === passkeyRefused.definition.code;

async function attempt(ports: SignInPorts, input: PasskeySignInInput, caller: Caller): Promise<SignInAnswer> {
  assertMayIssue(ports.revocations);
  const { challenge, response, cookie } = input;
  const former = await findByCookie(ports, cookie);
  const signedIn = await ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'sign_in');
    // Lock the owner before the ceremony reads the passkey, so that a passkey that is being removed opens no session.
    const owner = (await findPasskey(tx, String(response.id)))?.userId;
    if (owner === undefined || !(await lockUser(tx, owner))) throw passkeyRefused();
    const { userId, proof } = await ports.auth.passkeys.authenticate({ challenge, response });
    const admission = await admitSession(tx, ports, { userId, assurance: withSecondFactor([], proof) }, caller);
    const renews = await makeRoom(tx, ports, { userId, former, reason: 'sign_in' }, caller);
    const opened = await ports.auth.openSession({ admission, renews }, caller.request);
    if (opened.user.disabledAt !== null) throw passkeyRefused();
    const actor = userCaller(opened.user.id, caller);
    await recordEvent(tx, actor, userLogin, {
      outcome: 'ok',
      target: { kind: 'user', id: opened.user.id },
      detail: { factor: 'passkey', ...(await readSignInOriginOf(tx, ports, opened, cookie, caller)) },
    });
    return createSessionFamily(tx, ports, opened, actor);
  });
  return finishOrEnd(ports, signedIn, { cookie }, userCaller(signedIn.user.id, caller));
}
