import { rightsOf } from '../access/role-rights.ts';
import { recordEvent } from '../audit/record-event.ts';
import { assertHolds } from '../authority/callers.ts';
import { userUnlocked } from '../identity/audit-events.ts';
import { clearSignInFailures } from '../identity/sign-in/sign-in-guard.ts';
import type { HasKeyRing } from '../keys/key-ring.ts';
import type { Caller, Ports } from '../ports.ts';
import { userUnknown } from '../tokens/errors.ts';
import { readAccount } from './sightings.store.ts';

type UnlockInput = {
  readonly user_id: string;
  /** For the audit log. */
  readonly reason: string;
};

/**
 * Clears the consecutive failures of an account, so that its password works from any device again. An attacker can then
 * continue to guess, so the caller needs every permission of the user. Throws `user_unknown` (404), `rights_exceeded`
 * (403).
 */
export async function unlockUser(
  ports: Pick<Ports, 'transact'> & HasKeyRing,
  { user_id: userId, reason }: UnlockInput,
  caller: Caller,
): Promise<{ readonly user_id: string; readonly failed_logins: number }> {
  return ports.transact(async (tx) => {
    const account = await readAccount(tx, userId);
    if (account === undefined) throw userUnknown();
    assertHolds(caller, await rightsOf(tx, account.roles));
    const failures = (await clearSignInFailures(tx, ports, account.email)) ?? 0;
    await recordEvent(tx, caller, userUnlocked, { target: { kind: 'user', id: userId }, detail: { failures, reason } });
    return { user_id: userId, failed_logins: failures };
  });
}
