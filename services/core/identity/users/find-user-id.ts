import type { Ports } from '#services/core/ports.ts';
import { userUnknown } from '#services/core/tokens/errors.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import { findCredential } from './accounts.store.ts';

/**
 * The id of an account that an operator names by its id or e-mail address. An id is returned as it is, known or not.
 * @throws userUnknown (404) for an address without account
 */
export async function findUserId({ sql }: Pick<Ports, 'sql'>, idOrEmail: string): Promise<string> {
  if (!idOrEmail.includes('@')) return idOrEmail;
  const account = await findCredential(sql, normaliseEmail(idOrEmail));
  if (account === undefined) throw userUnknown({ detail: 'No account has this address.' });
  return account.userId;
}
