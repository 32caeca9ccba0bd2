import { passwordUpgrades } from '#observability/metrics/identity.ts';
import { setAuditContext } from '#services/core/audit/audit-context.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Sql } from '#services/core/ports.ts';
import { accountPasswordRehashed } from '../audit-events.ts';
import { findCredential, lockUser, replaceDigest } from '../users/accounts.store.ts';
import { admissionOf } from './hash-password.ts';

type VerifiedPassword = { readonly userId: string; readonly digest: string };

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
      if (replaced)
        await recordEvent(tx, caller, accountPasswordRehashed, { outcome: 'ok', target: { kind: 'user', id: userId } });
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
