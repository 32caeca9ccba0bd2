import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { isAddress, normaliseEmail } from '#services/platform/define/email.ts';
import { requestInvalid } from '#services/platform/errors.ts';
import type { UserView } from '../contracts/sign-in-contract.ts';
import { emailTaken } from '../contracts/sign-in-errors.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { userView } from '../sessions/live-session.ts';
import { insertPassword, insertUser } from '../users/accounts.store.ts';
import { type NewPasswordPorts, newDigest } from './set-password.ts';

export type NewUser = { readonly email: string; readonly password: string; readonly name?: string | undefined };

/**
 * Creates an account without a session, for software that embeds this one. Its address is unverified, and a mail asks
 * to verify it.
 * @throws the `passwordErrors`, requestInvalid (400), emailTaken (409), hashingBusy (503)
 */
export async function createUser(
  ports: Pick<Ports, 'transact'> & NewPasswordPorts & MailPorts,
  { email: given, password, name = '' }: NewUser,
  caller: Caller,
): Promise<UserView> {
  const email = normaliseEmail(given);
  if (!isAddress(email))
    throw requestInvalid({ problems: [{ at: 'body/email', why: 'must be an address of visible ASCII' }] });
  const digest = await newDigest(ports, { password, owner: { email, name, roles: ['user'] } }, caller);
  return ports.transact(async (tx) => {
    await setAuditContext(tx, caller, 'user_created');
    const id = ports.random.uuid();
    const user = await insertUser(tx, { id, email, name, isVerified: false });
    if (!user) throw emailTaken();
    await insertPassword(tx, ports.random.uuid(), id, digest);
    await queueMail(tx, ports, { template: 'verify_email', to: email }, caller);
    return userView(user);
  });
}
