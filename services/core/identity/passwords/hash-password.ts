import { passwordUpgrades } from '#observability/metrics/identity.ts';
import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import type { Caller, HashAdmission, PasswordHasher, Ports, Sql } from '#services/core/ports.ts';
import { clientPrefixOf } from '#services/core/shared/client-prefix.ts';
import { HasherBusyError } from '#services/platform/hasher/errors.ts';
import { accountPasswordRehashed } from '../audit-events.ts';
import { hashingBusy } from '../contracts/sign-in-errors.ts';
import { findCredential, lockUser, replaceDigest } from '../users/accounts.store.ts';

/** Longest password, bytes of its normal form. */
export const BYTES_MAX = 1_024;

/** @param knownDevice whether the browser has signed in before; the queue then keeps a place for it under a flood */
export const admissionOf = ({ request }: Caller, signal?: AbortSignal, knownDevice = false): HashAdmission => ({
  clientPrefix: clientPrefixOf(request.ip),
  knownDevice,
  ...(signal ? { signal } : {}),
});

/** Throws `hashing_busy` (503) if the queue is full; called before any work that a full queue would waste. */
export function assertQueueHasPlace(hasher: Pick<PasswordHasher, 'refusalOf'>, admission: HashAdmission): void {
  const refusal = hasher.refusalOf(admission);
  if (refusal !== undefined) throw asBusy(refusal);
}

/** Runs a hashing job; a full queue throws `hashing_busy` (503). Never call it inside a transaction. */
export async function inQueue<T>(work: Promise<T>): Promise<T> {
  return work.catch((err: unknown) => {
    throw asBusy(err);
  });
}

const asBusy = (err: unknown): unknown =>
  err instanceof HasherBusyError ? hashingBusy({ retryAfterSeconds: err.retryAfterSeconds, cause: err }) : err;

/** Whether a password can be hashed; a password that cannot be hashed belongs to no account. */
export const isHashable = (password: string): boolean =>
  password !== '' && password.isWellFormed() && Buffer.byteLength(password.normalize('NFKC')) <= BYTES_MAX;

export type VerifiedPassword = { readonly userId: string; readonly digest: string };

/**
 * Replaces the digest of a password that was just verified with one of the current algorithm and cost. The password is
 * unchanged, so no session ends. The response does not wait for it; a failed upgrade is retried at the next sign-in.
 */
export async function upgradeDigest(
  ports: Pick<Ports, 'transact' | 'hasher' | 'log'>,
  { userId, digest }: VerifiedPassword,
  password: string,
  caller: Caller,
): Promise<void> {
  if (!ports.hasher.needsUpgrade(digest)) return;
  try {
    const upgraded = await ports.hasher.hash(password, admissionOf(caller));
    const isReplaced = await ports.transact(async (tx) => {
      await setAuditContext(tx, caller, 'hash_upgrade');
      // A transaction that has locked the user relies on the digest that it read, until it ends.
      await lockUser(tx, userId);
      const replaced = await replaceDigest(tx, userId, digest, upgraded);
      if (replaced) await recordEvent(tx, caller, accountPasswordRehashed, { target: { kind: 'user', id: userId } });
      return replaced;
    });
    passwordUpgrades.add(1, { outcome: isReplaced ? 'done' : 'superseded' });
  } catch (err) {
    passwordUpgrades.add(1, { outcome: 'failed' });
    ports.log.warn({ err }, 'password digest could not be upgraded');
  }
}

/** Whether a concurrent sign-in has upgraded the digest since this one was verified. */
export async function isUpgradedSince(
  { sql, hasher }: { readonly sql: Sql } & Pick<Ports, 'hasher'>,
  email: string,
  { digest }: VerifiedPassword,
): Promise<boolean> {
  if (!hasher.needsUpgrade(digest)) return false;
  const now = (await findCredential(sql, email))?.digest;
  return now != null && now !== digest && !hasher.needsUpgrade(now);
}
