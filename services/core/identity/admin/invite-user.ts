import { roleSelfGrant } from '#services/core/access/errors.ts';
import { lockRoleForGrant, rightsToGrant } from '#services/core/access/role-rights.ts';
import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import { assertHolds } from '#services/core/authority/callers.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import { inspectDigest } from '#services/platform/hasher/schemes.ts';
import { userInvited } from '../audit-events.ts';
import { invitationOver, passwordHashUnknown } from '../contracts/account-errors.ts';
import type { AccountDetailView } from '../contracts/admin-contract.ts';
import type { NewInvitation } from '../contracts/invitation-contract.ts';
import { emailTaken } from '../contracts/sign-in-errors.ts';
import { insertInvitation, readInvitation, takeInvitation } from '../mail/invitations.store.ts';
import { deleteCodesOf } from '../mail/one-time-codes.store.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { findAccount, insertPassword, insertUser } from '../users/accounts.store.ts';
import { addUserRole, isOwnSignOffRole } from '../users/users.store.ts';
import { actOnUser, lockNothing, type UserAct, type UserPorts } from './act-on-user.ts';
import { type ShowUserPorts, showUser } from './read-users.ts';

type HasInvitationRule = { readonly invitationSeconds: number };

type InvitePorts = MailPorts & HasInvitationRule;

/**
 * Creates an account and mails its future owner a code that sets the password and verifies the address
 * (`acceptInvitation`). The caller must have every right of the roles.
 * @throws passwordHashUnknown (400), rightsExceeded, roleSelfGrant (403), roleUnknown (404), emailTaken (409)
 */
export async function inviteUser(
  ports: Pick<Ports, 'transact'> & ShowUserPorts & InvitePorts,
  { email: given, name = '', roles = [], password_hash: passwordHash, reason }: NewInvitation,
  caller: Caller,
): Promise<AccountDetailView> {
  const to = normaliseEmail(given);
  if (passwordHash !== undefined) assertVerifiable(passwordHash);
  const id = ports.random.uuid();
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, reason);
    const wanted = [...new Set(roles)].filter((role) => role !== 'user').sort();
    for (const role of wanted) await lockRoleForGrant(tx, role);
    assertHolds(caller, await rightsToGrant(tx, wanted));
    if (!(await insertUser(tx, { id, email: to, name, isVerified: false }))) throw emailTaken();
    await assertOthers(tx, id, wanted);
    if (passwordHash === undefined)
      return invite(tx, ports, { to, userId: id, roles: wanted, hasPassword: false, reason }, caller);
    for (const role of wanted) await addUserRole(tx, id, role);
    await insertPassword(tx, ports.random.uuid(), id, passwordHash);
    const mailId = await queueMail(tx, ports, { template: 'verify_email', to }, caller);
    await insertInvitation(tx, { id: mailId, userId: id, roles: [], lifeSeconds: null });
  });
  return showUser(ports, { user_id: id });
}

/**
 * Sends another invitation with the full lifetime; it replaces the previous ones. The caller must have every right that
 * it grants.
 * @throws invitationOver (409) if the address is verified or the account disabled; userUnknown (404), rightsExceeded,
 *   roleSelfGrant (403)
 */
export async function inviteAgain(
  ports: UserPorts & InvitePorts,
  input: UserAct,
  caller: Caller,
): Promise<AccountDetailView> {
  const { user_id: userId, reason } = input;
  await actOnUser(
    ports,
    input,
    caller,
    async (tx, { email, email_verified_at: emailVerifiedAt, disabled_at: disabledAt }) => {
      if (emailVerifiedAt !== null || disabledAt !== null) throw invitationOver();
      const roles = (await readInvitation(tx, userId))?.roles ?? [];
      assertHolds(caller, await rightsToGrant(tx, roles));
      await assertOthers(tx, userId, roles);
      await takeInvitation(tx, userId);
      await deleteCodesOf(tx, userId, 'invitation');
      const hasPassword = ((await findAccount(tx, userId))?.digest ?? null) !== null;
      await invite(tx, ports, { to: email, userId, roles, hasPassword, reason }, caller);
    },
    lockNothing,
  );
  return showUser(ports, input);
}

/** An account of one's own mailbox gets no role of sign-off, at once or when the invitation is accepted. */
async function assertOthers(tx: Tx, userId: string, roles: readonly string[]): Promise<void> {
  for (const role of roles) if (await isOwnSignOffRole(tx, userId, role)) throw roleSelfGrant();
}

type InvitationAsked = {
  readonly to: string;
  readonly userId: string;
  readonly roles: readonly string[];
  readonly hasPassword: boolean;
  readonly reason: string;
};

async function invite(
  tx: Tx,
  ports: InvitePorts,
  { to, userId, roles, hasPassword, reason }: InvitationAsked,
  caller: Caller,
): Promise<void> {
  const { invitationSeconds: lifeSeconds } = ports;
  const id = await queueMail(tx, ports, { template: 'invitation', to, userId, lifeSeconds }, caller);
  await insertInvitation(tx, { id, userId, roles, lifeSeconds: hasPassword ? null : lifeSeconds });
  await recordEvent(tx, caller, userInvited, { target: { kind: 'user', id: userId }, detail: { reason, roles } });
}

/** Rejects a digest that is unknown, weak, or so expensive that verifying it would occupy a hashing process. */
function assertVerifiable(digest: string): void {
  if (!inspectDigest(digest).isAccepted) throw passwordHashUnknown();
}
