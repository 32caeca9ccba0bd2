import { recordEvent } from '../../audit/record-event.ts';
import type { HasKeyRing } from '../../keys/key-ring.ts';
import type { Caller, Ports } from '../../ports.ts';
import { userUnlocked } from '../audit-events.ts';
import { clearLoginFailures } from '../forgive-login.ts';
import { findAccount } from './accounts.store.ts';
import { redeemCode } from './one-time-codes.ts';
import { refuseCode } from './refuse-code.ts';

/**
 * Lets an account try its password again from any device, by the code that was mailed: its consecutive failures are
 * forgotten, as where an administrator unlocks it. It signs nobody in and changes nothing else. Of any number of calls
 * with one code one succeeds. Throws `code_invalid` (400).
 */
export async function unlockAccount(
  ports: Pick<Ports, 'transact' | 'sql' | 'vault'> & HasKeyRing,
  { token }: { readonly token: string },
  caller: Caller,
): Promise<{ readonly status: 'unlocked' }> {
  const isUnlocked = await ports.transact(async (tx) => {
    const proof = await redeemCode(tx, ports, ['unlock_account'], token);
    const account = proof?.userId ? await findAccount(tx, proof.userId) : undefined;
    if (!account || account.isDisabled || account.email !== proof?.email) return false;
    const failures = (await clearLoginFailures(tx, ports, account.email)) ?? 0;
    await recordEvent(tx, caller, userUnlocked, {
      outcome: 'ok',
      target: { kind: 'user', id: account.id },
      detail: { failures, reason: 'mailed_code' },
    });
    return true;
  });
  return isUnlocked ? { status: 'unlocked' } : refuseCode(ports.sql, caller);
}
