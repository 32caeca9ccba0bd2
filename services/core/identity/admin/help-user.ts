import { rightsToGrant } from '#services/core/access/role-rights.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import { assertHolds } from '#services/core/authority/callers.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import { asEmailTaken, replaceAddress } from '../accounts/change-email.ts';
import { forgetSessions } from '../accounts/forget-sessions.ts';
import { userHelped } from '../audit-events.ts';
import { accountDisabled } from '../contracts/account-errors.ts';
import type { AccountDetailView, AccountView } from '../contracts/admin-contract.ts';
import { readInvitation, takeInvitation } from '../mail/invitations.store.ts';
import { deleteCodes } from '../mail/one-time-codes.store.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { markEmailVerified } from '../users/accounts.store.ts';
import { actOnUser, lockNothing, type UserAct, type UserPorts } from './act-on-user.ts';
import { showUser } from './read-users.ts';

type HelpPorts = UserPorts & MailPorts;
type HelpAct = 'password_mail' | 'email_verified' | 'email_changed';

/** `work` answers false if there was nothing to do. */
async function help(
  ports: HelpPorts,
  input: UserAct,
  caller: Caller,
  act: HelpAct,
  work: (tx: Tx, user: AccountView) => Promise<boolean>,
): Promise<AccountDetailView> {
  const { user_id: id, reason } = input;
  const record = async (tx: Tx, user: AccountView) => {
    if (!(await work(tx, user))) return;
    await recordEvent(tx, caller, userHelped, { target: { kind: 'user', id }, detail: { act, reason } });
  };
  await actOnUser(ports, input, caller, record, lockNothing);
  return showUser(ports, input);
}

/** Throws `account_disabled` (409), and the errors of `actOnUser`. */
export const sendPasswordMail = (ports: HelpPorts, input: UserAct, caller: Caller): Promise<AccountDetailView> =>
  help(ports, input, caller, 'password_mail', async (tx, { email: to, disabled_at: disabledAt }) => {
    if (disabledAt !== null) throw accountDisabled();
    await queueMail(tx, ports, { template: 'reset_password', to }, caller);
    return true;
  });

/**
 * Vouches for an address. As when its owner proves it by a code, a pending invitation ends without its roles: who
 * invited vouched for the person who would accept it. Throws the errors of `actOnUser`.
 */
export const verifyUserEmail = (ports: HelpPorts, input: UserAct, caller: Caller): Promise<AccountDetailView> =>
  help(ports, input, caller, 'email_verified', async (tx, { id, email }) => {
    if (!(await markEmailVerified(tx, id, email))) return false;
    await deleteCodes(tx, id, email);
    await takeInvitation(tx, id);
    await forgetCached(tx, ports, id);
    return true;
  });

/**
 * Changes an address by the rule of the owner's own change (`replaceAddress`). A change that the owner asked for and has
 * not confirmed is void. An invitation goes to the new address when it is repeated, so the caller must have the rights
 * that it grants. Throws `email_taken` (409), `login_locked` (429), and the errors of `actOnUser`.
 */
export const changeUserEmail = (
  ports: HelpPorts,
  input: UserAct & { readonly email: string },
  caller: Caller,
): Promise<AccountDetailView> =>
  help(ports, input, caller, 'email_changed', async (tx, { id, email, email_verified_at: verifiedAt }) => {
    const to = normaliseEmail(input.email);
    if (to === email) return false;
    assertHolds(caller, await rightsToGrant(tx, (await readInvitation(tx, id))?.roles ?? []));
    await replaceAddress(tx, ports, { id, email, to, isVerified: verifiedAt !== null }, caller);
    await forgetCached(tx, ports, id);
    return true;
  }).catch(asEmailTaken);

/** Cached sessions show the address and whether it is verified. */
async function forgetCached(tx: Tx, { auth }: HelpPorts, userId: string): Promise<void> {
  if (auth) await forgetSessions(tx, { auth }, userId);
}
