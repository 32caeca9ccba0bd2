import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller } from '#services/core/ports.ts';
import { factorCodeWrong, factorConflict } from '../contracts/factors-errors.ts';
import { admitAgain } from '../sessions/admit-session.ts';
import { endSessionIn } from '../sessions/end-session.ts';
import { required } from '../sessions/handover.ts';
import { lockOwnSession } from '../sessions/lock-own-session.ts';
import { createSessionFamily, type SignInAnswer } from '../sessions/open-session.ts';
import { ownSession } from '../sessions/own-session.ts';
import { finishOrEnd } from '../sign-in/finish-sign-in.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { findAccount, readFactors } from '../users/accounts.store.ts';
import { withSecondFactor } from '../users/assurance.ts';
import { confirmTotp, readTwoFactor, replaceSecret, useStep } from './factors.store.ts';
import { matchingStep, newSecret, SECRET_BYTES, totpUriOf } from './totp.ts';
import { provedIf } from './verify-code.ts';
import { type OwnPassword, verifyOwnPassword } from './verify-own-password.ts';

export type TotpEnrolment = {
  readonly totpUri: string;
  /** Empty if the codes that came with a passkey stay valid. */
  readonly recoveryCodes: readonly string[];
};

/**
 * Creates a secret for an authenticator app and, unless the account has some, recovery codes, and returns them once. The factor becomes active
 * with its first code (`confirmTotpEnrolment`); enrolling again before that replaces the secret.
 * @throws unauthenticated (401), factorConflict (409) if one is confirmed, currentPasswordWrong (403), loginLocked
 *   (429), hashingBusy (503)
 */
export async function enrolTotp(ports: SignInPorts, input: OwnPassword, caller: Caller): Promise<TotpEnrolment> {
  const { userId } = await ownSession(ports, caller);
  await verifyOwnPassword(ports, userId, input, caller);
  return ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'enrol_totp');
    const { email } = await lockOwnSession(tx, caller);
    // A password change would have ended this session, so the verified password is still current, even if its digest
    // was upgraded.
    const { passkeys, codesLeft } = await readFactors(tx, userId);
    if (passkeys > 0 && codesLeft > 0) {
      const secret = newSecret(ports.random.bytes(SECRET_BYTES));
      if (!(await replaceSecret(tx, userId, await ports.auth.factors.seal(secret)))) throw factorConflict();
      return { totpUri: totpUriOf(secret, email), recoveryCodes: [] };
    }
    const verifiedDigest = required(required(await findAccount(tx, userId)).digest);
    return ports.auth.factors.enableTotp({ userId, verifiedDigest }, caller.request);
  });
}

/**
 * Confirms a new authenticator with its first code. If it is the first factor of the account, every other session ends;
 * a new two-factor session replaces the caller's.
 * @throws factorCodeWrong (400), factorConflict (409) if none waits for its code
 */
export async function confirmTotpEnrolment(
  ports: SignInPorts,
  { code, cookie }: { readonly code: string; readonly cookie?: string | undefined; readonly signal?: AbortSignal },
  caller: Caller,
): Promise<SignInAnswer> {
  const { userId, sessionId, amr, expiresAt } = await ownSession(ports, caller);
  const row = await readTwoFactor(ports.sql, userId);
  if (!row || row.is_verified) throw factorConflict();
  const { lastUsedStep } = row;
  const secret = await ports.auth.factors.open(row.secret);
  const step = await matchingStep(secret, code, { nowMs: ports.clock.now(), lastUsedStep });
  if (step === null) throw factorCodeWrong();
  const signedIn = await ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'factor_enrolled');
    await lockOwnSession(tx, caller);
    const isFirst = await useStep(tx, userId, { secret: row.secret, step, isConfirmed: false });
    const proof = provedIf(isFirst && (await confirmTotp(tx, userId)));
    if (proof === null) throw factorConflict();
    await endSessionIn(tx, ports, sessionId);
    const admission = await admitAgain(tx, { userId, assurance: withSecondFactor(amr, proof) });
    const opened = await ports.auth.openSession({ admission, expiresAt }, caller.request);
    return createSessionFamily(tx, ports, opened, caller);
  });
  return finishOrEnd(ports, signedIn, { cookie }, caller);
}
