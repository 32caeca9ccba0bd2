import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import type { Caller, Ports, Tx } from '#services/domain/ports.ts';
import { lockOwnSession } from '../accounts/lock-own-session.ts';
import { ownAccount } from '../accounts/own-account.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import {
  deleteAccount,
  deleteAccountsSince,
  hasPasskey,
  type LinkedAccountRow,
  listAccounts,
  lockSignInMethods,
} from './social.store.ts';
import { lastWayIn, linkedAccountUnknown } from './social-errors.ts';

export type LinkedAccountView = {
  readonly id: string;
  readonly providerId: string;
  readonly accountId: string;
  readonly scopes: readonly string[];
  readonly createdAt: string;
};

const viewOf = ({ id, providerId, accountId, scope, createdAt }: LinkedAccountRow): LinkedAccountView => ({
  id,
  providerId,
  accountId,
  scopes: scope === null ? [] : scope.split(/[ ,]/).filter((each) => each !== ''),
  createdAt: createdAt.toISOString(),
});

/**
 * The caller's sign-in methods except passkeys; `credential` is the password. Throws `unauthenticated` (401),
 * `permission_missing` (403).
 */
export async function listLinkedAccounts(
  { sql }: Pick<Ports, 'sql'>,
  _input: object,
  caller: Caller,
): Promise<{ readonly accounts: LinkedAccountView[] }> {
  const { userId } = ownAccount(caller);
  return { accounts: (await listAccounts(sql, userId)).map(viewOf) };
}

/**
 * Unlinks an account from the caller's; sessions stay.
 * @throws unauthenticated (401) if the session has ended, linkedAccountUnknown (404), lastWayIn (409)
 */
export async function unlinkAccount(
  ports: Pick<Ports, 'transact'> & MailPorts,
  { providerId, accountId }: { readonly providerId: string; readonly accountId?: string | undefined },
  caller: Caller,
): Promise<{ readonly status: 'unlinked' }> {
  const { userId } = ownAccount(caller);
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, 'unlink_account');
    const { email: to } = await lockOwnSession(tx, caller);
    const methods = await lockSignInMethods(tx, userId);
    const found = methods.find(
      (method) => method.providerId === providerId && (accountId === undefined || method.accountId === accountId),
    );
    // A password can be changed or reset, but not unlinked.
    if (!found || providerId === 'credential') throw linkedAccountUnknown();
    if (methods.length === 1 && !(await hasPasskey(tx, userId))) throw lastWayIn();
    await deleteAccount(tx, found.id, userId);
    await queueMail(tx, ports, { template: 'account_unlinked', to, provider: providerId }, caller);
  });
  return { status: 'unlinked' };
}

/** Unlinks the providers linked to an account since; returns whether there were any. The caller has locked the user. */
export const unlinkSince = (tx: Tx, userId: string, since: string): Promise<boolean> =>
  deleteAccountsSince(tx, userId, since);
