import { passwordUpgrades } from '#observability/metrics/identity.ts';
import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Ports, Sql } from '#services/domain/ports.ts';
import { lockUser } from '../accounts/accounts.store.ts';
import { accountPasswordRehashed } from '../audit-events.ts';
import { findCredential, replaceDigest } from '../identity.store.ts';
import { admissionOf } from './hash-password.ts';

type Proven = { readonly userId: string; readonly digest: string };

/**
 * Puts a digest of today's kind and cost in place of the one by which this password has just been proved. The password
 * stays what it is: no session ends. Not awaited by the answer; what fails is tried again at the next sign-in.
 */
export async function upgradeDigest(
  ports: Pick<Ports, 'transact' | 'hasher' | 'log'>,
  { userId, digest }: Proven,
  password: string,
  caller: Caller,
): Promise<void> {
  if (!ports.hasher.needsUpgrade(digest)) return;
  try {
    const upgraded = await ports.hasher.hash(password, admissionOf(caller));
    const isReplaced = await ports.transact(async (tx) => {
      await setAuditContext(tx, caller, 'hash_upgrade');
      // Whoever reads a digest with the user held finds it there to the end.
      await lockUser(tx, userId);
      const replaced = await replaceDigest(tx, userId, digest, upgraded);
      if (replaced)
        await recordEvent(tx, caller, accountPasswordRehashed, { outcome: 'ok', target: { kind: 'user', id: userId } });
      return replaced;
    });
    passwordUpgrades.add(1, { outcome: isReplaced ? 'done' : 'superseded' });
  } catch (err) {
    passwordUpgrades.add(1, { outcome: 'failed' });
    ports.log.warn({ err }, 'a password digest could not be replaced by a stronger one');
  }
}

/** True when another sign-in has put a stronger digest of the same account in place since this one was proved. */
export async function isUpgradedSince(
  { sql, hasher }: { readonly sql: Sql } & Pick<Ports, 'hasher'>,
  email: string,
  { digest }: Proven,
): Promise<boolean> {
  if (!hasher.needsUpgrade(digest)) return false;
  const now = (await findCredential(sql, email))?.digest;
  return now != null && now !== digest && !hasher.needsUpgrade(now);
}
