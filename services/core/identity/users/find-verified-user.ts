import type { Ports } from '#services/core/ports.ts';
import { isAddress, normaliseEmail } from '#services/platform/define/email.ts';
import { findAccountByEmail } from './accounts.store.ts';

/** The id of the active user who has verified this address; null if there is none. */
export async function findVerifiedUser({ sql }: Pick<Ports, 'sql'>, email: string): Promise<string | null> {
  const address = normaliseEmail(email);
  if (!isAddress(address)) return null;
  const account = await findAccountByEmail(sql, address);
  return account?.emailVerified && !account.isDisabled ? account.id : null;
}
