import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import type { Caller } from '#services/domain/ports.ts';
import { findAccount } from '../accounts/accounts.store.ts';
import { lockOwnSession } from '../accounts/lock-own-session.ts';
import { withSecondFactor } from '../assurance.ts';
import { required } from '../better-auth/handover.ts';
import { endSessionIn } from '../sessions/end-session.ts';
import { beginLogin, type LoginAnswer } from '../sessions/open-session.ts';
import { finishOrEnd } from '../sign-in/finish-sign-in.ts';
import type { LoginPorts } from '../sign-in/sign-in.ts';
import { confirmTotp, readTwoFactor, useStep } from './factors.store.ts';
import { factorCodeWrong, factorConflict } from './factors-errors.ts';
import { ownSession } from './own-session.ts';
import { matchingStep } from './totp.ts';
import { type OwnPassword, verifyOwnPassword } from './verify-own-password.ts';

export type TotpEnrolment = { readonly totpUri: string; readonly recoveryCodes: readonly string[] };

/**
 * A secret for an authenticator app and new recovery codes, shown this once. It counts when it has shown a code
 * (`confirmTotpEnrolment`); asked for again before that, there is another secret.
 * @throws unauthenticated (401), factorConflict (409) where one is confirmed, currentPasswordWrong (403), loginLocked (429), hashingBusy (503)
 */
export async function enrolTotp(ports: LoginPorts, input: OwnPassword, caller: Caller): Promise<TotpEnrolment> {
  const { userId } = await ownSession(ports, caller);
  await verifyOwnPassword(ports, userId, input, caller);
  return ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'enrol_totp');
    await lockOwnSession(tx, caller);
    // Another password would have ended this session: the one that was proved still counts, under whatever digest.
    const provenDigest = required(required(await findAccount(tx, userId)).digest);
    return ports.auth.factors.enableTotp({ userId, provenDigest }, caller.request);
  });
}

/**
 * The first code of the new authenticator makes it a factor. Every other session of the account ends where it had no
 * factor before; the answer is a new session of two factors in the place of the caller's.
 * @throws factorCodeWrong (400), factorConflict (409) where none waits for its code
 */
export async function confirmTotpEnrolment(
  ports: LoginPorts,
  { code, cookie }: { readonly code: string; readonly cookie?: string | undefined; readonly signal?: AbortSignal },
  caller: Caller,
): Promise<LoginAnswer> {
  const { userId, sessionId, amr, expiresAt } = await ownSession(ports, caller);
  const row = await readTwoFactor(ports.sql, userId);
  if (!row || row.isVerified) throw factorConflict();
  const { lastUsedStep } = row;
  const secret = await ports.auth.factors.open(row.secret);
  const step = await matchingStep(secret, code, { nowMs: ports.clock.now(), lastUsedStep });
  if (step === null) throw factorCodeWrong();
  const login = await ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'factor_enrolled');
    await lockOwnSession(tx, caller);
    const isFirst = await useStep(tx, userId, { secret: row.secret, step, isConfirmed: false });
    if (!isFirst || !(await confirmTotp(tx, userId))) throw factorConflict();
    await endSessionIn(tx, ports, sessionId);
    const assurance = withSecondFactor(amr, ['otp']);
    const opened = await ports.auth.openSession({ userId, assurance, expiresAt }, caller.request);
    return beginLogin(tx, ports, opened, caller);
  });
  return finishOrEnd(ports, login, { cookie }, caller);
}
