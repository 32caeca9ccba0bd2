import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import type { HasRevocationPush } from '#services/core/revocations/revocation-set.ts';
import { isAddress, normaliseEmail } from '#services/platform/define/email.ts';
import { userEmailVerified } from '../audit-events.ts';
import { loginRefused } from '../contracts/sign-in-errors.ts';
import { socialEmailUnproven } from '../contracts/social-errors.ts';
import { voidInvitation } from '../mail/invitations.store.ts';
import { deleteCodes } from '../mail/one-time-codes.store.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { endEverySession } from '../sessions/sessions.store.ts';
import { clearSignInFailures } from '../sign-in/sign-in-guard.ts';
import {
  deleteFactors,
  deleteOtherAccounts,
  findAccount,
  findAccountByEmail,
  insertUser,
  lockUser,
  markEmailVerified,
} from '../users/accounts.store.ts';
import { type LinkPorts, linkOAuthAccount, refreshOAuthAccount } from './link-oauth-account.ts';
import type { Profile } from './profile.ts';
import { deletePassword, findOwner } from './social.store.ts';

type RecognisePorts = LinkPorts & MailPorts & Pick<Ports, 'sql'> & HasRevocationPush;

export type Recognised = { readonly userId: string; readonly isNewUser: boolean };

/**
 * Finds or creates the user of a provider sign-in: the user who has linked the provider's account; otherwise the user
 * whose verified address the provider has verified too; otherwise a new user. An unverified address may have been
 * registered by an attacker: the password, other sign-in methods, sessions and tokens of that account end when its
 * owner verifies the address here (CVE-2026-53516).
 * @throws socialEmailUnproven (403), the same for known and unknown addresses; loginRefused (401) for a disabled
 *   account; socialSignInRefused (400) if the provider's account was unlinked in the meantime
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
  const email = verifiedEmail(profile);
  const id = ports.random.uuid();
  if (await insertUser(tx, { id, email, name: profile.name })) {
    // Failures counted so far belong to no user.
    await clearSignInFailures(tx, ports, email);
    await linkOAuthAccount(tx, ports, id, profile);
    return { userId: id, isNewUser: true };
  }
  const userId = await ownerOfAddress(tx, ports, email, caller);
  await linkOAuthAccount(tx, ports, userId, profile);
  await queueMail(tx, ports, { template: 'account_linked', to: email, provider: profile.providerId }, caller);
  return { userId, isNewUser: false };
}

/** The address verified by the provider. Throws `social_email_unproven` (403). */
export function verifiedEmail({ email, isEmailVerified }: Pick<Profile, 'email' | 'isEmailVerified'>): string {
  if (email === null || !isEmailVerified) throw socialEmailUnproven();
  const address = normaliseEmail(email);
  if (!isAddress(address))
    throw socialEmailUnproven({ detail: 'Accounts need an e-mail address of ASCII characters before the @.' });
  return address;
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
    await recordEvent(tx, caller, userEmailVerified, { target: { kind: 'user', id: account.id } });
  }
  return account.id;
}
