import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller } from '#services/core/ports.ts';
import { factorConflict } from '../contracts/factors-errors.ts';
import { lockOwnSession } from '../sessions/lock-own-session.ts';
import { ownSession } from '../sessions/own-session.ts';
import { newRecoveryCodes } from '../sessions/recovery-codes.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { replaceRecoveryCodes } from './factors.store.ts';

/**
 * Creates ten new recovery codes and returns them once; earlier codes become invalid. Throws `factor_conflict` (409) if
 * the caller has no factor.
 */
export async function renewRecoveryCodes(
  ports: SignInPorts,
  _input: object,
  caller: Caller,
): Promise<{ readonly recovery_codes: readonly string[] }> {
  await ownSession(ports, caller);
  const recoveryCodes = newRecoveryCodes(ports.random);
  const sealed = await ports.auth.factors.seal(JSON.stringify(recoveryCodes));
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, 'recovery_codes_renewed');
    const { userId } = await lockOwnSession(tx, caller);
    if (!(await replaceRecoveryCodes(tx, userId, sealed))) throw factorConflict();
  });
  return { recovery_codes: recoveryCodes };
}
