import { recordEvent } from '#services/core/audit/record-event.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { userUnlocked } from '../audit-events.ts';
import { type MailedCode, redeemCode } from '../mail/one-time-codes.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { deviceSetCookie } from '../sign-in/device-cookie.ts';
import { clearSignInFailures } from '../sign-in/sign-in-guard.ts';
import { findAccount } from '../users/accounts.store.ts';
import { refuseCode } from './refuse-code.ts';

/**
 * Unlocks password sign-in from any device by a mailed code: clears the consecutive failures, as when an administrator
 * unlocks the account, and opens no session. The browser becomes a known device, because its user can read the
 * account's mail, and an attacker with only the password cannot. Of concurrent calls with one code, exactly one
 * succeeds. Throws `code_invalid` (400).
 */
export async function unlockAccount(
  ports: Pick<Ports, 'transact' | 'sql' | 'vault' | 'clock' | 'random'> & HasKeyRing & HasAuth,
  { token, cookie }: { readonly token: MailedCode; readonly cookie?: string | undefined },
  caller: Caller,
): Promise<{ readonly body: { readonly status: 'unlocked' }; readonly setCookie: readonly string[] }> {
  const email = await ports.transact(async (tx) => {
    const proof = await redeemCode(tx, ports, ['unlock_account'], token);
    const account = proof?.userId ? await findAccount(tx, proof.userId) : undefined;
    if (!account || account.isDisabled || account.email !== proof?.email) return null;
    const failures = (await clearSignInFailures(tx, ports, account.email)) ?? 0;
    await recordEvent(tx, caller, userUnlocked, {
      target: { kind: 'user', id: account.id },
      detail: { failures, reason: 'mailed_code' },
    });
    return account.email;
  });
  if (email === null) return refuseCode(ports.sql, caller);
  const isSecure = ports.auth.browser.secureCookies;
  return { body: { status: 'unlocked' }, setCookie: [deviceSetCookie(ports, { cookie, isSecure, email })] };
}
