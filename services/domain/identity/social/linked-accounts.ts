import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import type { Caller, Ports } from '#services/domain/ports.ts';
import { lockOwnSession } from '../accounts/lock-own-session.ts';
import { ownAccount } from '../accounts/own-account.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { deleteAccount, hasPasskey, type LinkedAccountRow, listAccounts, lockWaysIn } from './social.store.ts';
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

/** The caller's ways to sign in beside passkeys: `credential` is the password. Throws `unauthenticated` (401), `permission_missing` (403). */
export async function listLinkedAccounts(
  { sql }: Pick<Ports, 'sql'>,
  _input: object,
  caller: Caller,
): Promise<{ readonly accounts: LinkedAccountView[] }> {
  const { userId } = ownAccount(caller);
  return { accounts: (await listAccounts(sql, userId)).map(viewOf) };
}

/**
 * Takes a way to sign in from the caller's account; its sessions stay.
 * @throws unauthenticated (401) where the session is over, linkedAccountUnknown (404), lastWayIn (409)
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
    const ways = await lockWaysIn(tx, userId);
    const found = ways.find(
      (way) => way.providerId === providerId && (accountId === undefined || way.accountId === accountId),
    );
    // A password is changed or reset, not unlinked.
    if (!found || providerId === 'credential') throw linkedAccountUnknown();
    if (ways.length === 1 && !(await hasPasskey(tx, userId))) throw lastWayIn();
    await deleteAccount(tx, found.id, userId);
    await queueMail(tx, ports, { template: 'account_unlinked', to, provider: providerId }, caller);
  });
  return { status: 'unlinked' };
}
