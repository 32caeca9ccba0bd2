import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { loginLocked } from '../contracts/sign-in-errors.ts';
import type { HasFormerPasswords } from '../passwords/take-former-password.ts';
import type { PasswordCredential } from '../users/accounts.store.ts';
import { deleteCounter, readCounters } from '../users/sign-in-failures.store.ts';
import { refusedSeconds, uncomparedKeyOf } from './sign-in-counters.ts';
import { type AdmittedSignIn, recordLocked, type UncomparedSignIn } from './sign-in-guard.ts';

type Attempt = { readonly email: string; readonly admitted: AdmittedSignIn };

/**
 * Refuses an attempt whose name failed too often while an old provider is away, as a locked account is refused. A known
 * device has a counter of its own.
 * @throws loginLocked (429 with Retry-After), recorded before
 */
export async function refuseUncompared(
  ports: Pick<Ports, 'sql'> & HasKeyRing & HasFormerPasswords,
  { email, admitted }: Attempt,
  caller: Caller,
): Promise<void> {
  const { formerPasswords } = ports;
  if (formerPasswords === null || formerPasswords.isInUse() || admitted.isKnownDevice) return;
  const key = uncomparedKeyOf(ports, email);
  const seconds = refusedSeconds([key], await readCounters(ports.sql, [key]));
  // The lock ends when the provider is back.
  if (seconds === 0 || (await formerPasswords.away()) === null) return;
  await recordLocked(ports.sql, admitted, caller);
  throw loginLocked({ retryAfterSeconds: seconds });
}

/** How a refused attempt counts while an old provider is away: a password that was compared on a known device as always. */
export function uncomparedOf(
  ports: HasKeyRing,
  { email, admitted }: Attempt,
  credential: PasswordCredential | undefined,
): UncomparedSignIn | null {
  const comparedUserId = typeof credential?.digest === 'string' ? credential.userId : null;
  if (comparedUserId !== null && admitted.isKnownDevice) return null;
  return { key: uncomparedKeyOf(ports, email), comparedUserId };
}

/**
 * Clears the counter after a correct password, after `forgiveSignIn`: in the order of keys of every writer.
 * @throws loginLocked (429) if a lock began while the password was being verified
 */
export async function forgiveUncompared(
  tx: Tx,
  ports: HasKeyRing & HasFormerPasswords,
  { email, admitted }: Attempt,
): Promise<void> {
  if (ports.formerPasswords === null) return;
  const counter = await deleteCounter(tx, uncomparedKeyOf(ports, email));
  const seconds = counter?.lockedSeconds ?? 0;
  if (seconds > 0 && !admitted.isKnownDevice && !ports.formerPasswords.isInUse())
    throw loginLocked({ retryAfterSeconds: seconds });
}
