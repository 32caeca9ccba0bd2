import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Ports, Tx } from '#services/domain/ports.ts';
import type { HasRevocationPush } from '#services/domain/tokens/revocations/revocation-set.ts';
import {
  deleteFactors,
  deleteOtherAccounts,
  endEverySession,
  findAccount,
  findAccountByEmail,
  insertUser,
  lockUser,
  markEmailVerified,
} from '../accounts/accounts.store.ts';
import { voidInvitation } from '../accounts/invitations.store.ts';
import { deleteCodes } from '../accounts/one-time-codes.store.ts';
import { userEmailVerified } from '../audit-events.ts';
import { isAddress, normaliseEmail } from '../email.ts';
import { loginRefused } from '../errors.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { clearSignInFailures } from '../sign-in/forgive-sign-in.ts';
import { type LinkPorts, linkOAuthAccount, refreshOAuthAccount } from './link-oauth-account.ts';
import type { Profile } from './profile.ts';
import { deletePassword, findOwner } from './social.store.ts';
import { socialEmailUnproven } from './social-errors.ts';

export type RecognisePorts = LinkPorts & MailPorts & Pick<Ports, 'sql'> & HasRevocationPush;

export type Recognised = { readonly userId: string; readonly isNewUser: boolean };

/**
 * Whose sign-in this is: the user who has the provider's account linked; else the one whose proved address the
 * provider says it has proved too; else a new one. An address that nobody had proved here may have been registered by
 * somebody else: their password, other ways in, sessions and tokens end as its owner proves it (CVE-2026-53516).
 * @throws socialEmailUnproven (403), alike for known and unknown addresses; loginRefused (401) for a disabled account;
 *   socialSignInRefused (400) where the provider's account was taken from the user meanwhile
 */
export async function recogniseUser(
  tx: Tx,
  ports: RecognisePorts,
  profile: Profile,
  caller: Caller,
): Promise<Recognised> {
  const owner = await findOwner(tx, profile.providerId, profile.accountId);
  if (owner) {
    await lockUser(tx, owner.userId);
    await refreshOAuthAccount(tx, ports, owner.userId, profile);
    return { userId: owner.userId, isNewUser: false };
  }
  const email = provenEmail(profile);
  const id = ports.random.uuid();
  if (await insertUser(tx, { id, email, name: profile.name })) {
    // What was counted against the name before was against nobody here.
    await clearSignInFailures(tx, ports, email);
    await linkOAuthAccount(tx, ports, id, profile);
    return { userId: id, isNewUser: true };
  }
  const userId = await ownerOfAddress(tx, ports, email, caller);
  await linkOAuthAccount(tx, ports, userId, profile);
  await queueMail(tx, ports, { template: 'account_linked', to: email, provider: profile.providerId }, caller);
  return { userId, isNewUser: false };
}

/** The address that the provider answers for. Throws `social_email_unproven` (403). */
export function provenEmail({ email, isEmailVerified }: Pick<Profile, 'email' | 'isEmailVerified'>): string {
  if (email === null || !isEmailVerified) throw socialEmailUnproven();
  if (!isAddress(email))
    throw socialEmailUnproven({ detail: 'An account here has an address of ASCII letters alone.' });
  return normaliseEmail(email);
}

async function ownerOfAddress(tx: Tx, ports: RecognisePorts, email: string, caller: Caller): Promise<string> {
  const found = await findAccountByEmail(tx, email);
  if (!found || !(await lockUser(tx, found.id))) throw loginRefused();
  const account = await findAccount(tx, found.id);
  if (!account || account.email !== email || account.isDisabled) throw loginRefused();
  if (!account.emailVerified) {
    tx.afterCommit(ports.announceRevocations);
    await deletePassword(tx, account.id);
    await deleteOtherAccounts(tx, account.id);
    await deleteFactors(tx, account.id);
    await voidInvitation(tx, account.id);
    await deleteCodes(tx, account.id, email);
    await endEverySession(tx, account.id);
    await markEmailVerified(tx, account.id, email);
    await recordEvent(tx, caller, userEmailVerified, { outcome: 'ok', target: { kind: 'user', id: account.id } });
  }
  return account.id;
}
