import type { Caller, Ports } from '#services/core/ports.ts';
import { codeInvalid } from '../contracts/account-errors.ts';
import type { CodePurpose } from '../mail/one-time-codes.store.ts';
import { findTypedCode, isLinkCode, type MailedCode } from '../mail/one-time-codes.ts';
import { recordRefusal } from './refuse-code.ts';

/** What each page of a mailed link redeems. */
const PURPOSES = {
  verify: ['sign_up', 'verify_email', 'change_email'],
  reset: ['reset_password'],
  unlock: ['unlock_account'],
  invitation: ['invitation'],
} as const satisfies Record<string, readonly CodePurpose[]>;

/**
 * The code that a reader of a mail typed in place of following its link; also that of the link, pasted. Throws
 * `code_invalid` (400), the same for a code that is wrong or expired, of another address, or tried too often. It is
 * recorded in the transaction that counts the attempt: an address without codes waits for as many commits.
 */
export async function readTypedCode(
  ports: Pick<Ports, 'transact' | 'vault'>,
  input: { readonly link: keyof typeof PURPOSES; readonly email: string; readonly typed: string },
  caller: Caller,
): Promise<MailedCode> {
  const pasted = input.typed.trim();
  if (isLinkCode(pasted)) return pasted;
  const found = await ports.transact(async (tx) => {
    const code = await findTypedCode(tx, ports, PURPOSES[input.link], input);
    if (code === undefined) await recordRefusal(tx, caller);
    return code;
  });
  if (found === undefined) throw codeInvalid();
  return found;
}
