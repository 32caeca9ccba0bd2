import { setAuditContext } from '#services/core/audit/audit-context.ts';
import { ownAccount } from '#services/core/authority/own-account.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import type { LinkedAccountView } from '../contracts/social-contract.ts';
import { lastWayIn, linkedAccountUnknown } from '../contracts/social-errors.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { lockOwnSession } from '../sessions/lock-own-session.ts';
import { isClosedTo } from '../sign-in/refuse-stepped-up.ts';
import type { HasSocialProviders } from './providers.ts';
import {
  deleteAccountsSince,
  deleteLinkedAccount,
  findOwner,
  hasPasskey,
  type LinkedAccountRow,
  listAccounts,
  lockSignInMethods,
} from './social.store.ts';

export type VouchPorts = Parameters<typeof isClosedTo>[1] & HasSocialProviders;

const viewOf = (
  userId: string,
  { id, providerId, accountId, scope, createdAt, updatedAt }: LinkedAccountRow,
): LinkedAccountView => ({
  id,
  providerId,
  accountId,
  userId,
  scopes: scope === null ? [] : scope.split(/[ ,]/).filter((each) => each !== ''),
  createdAt: createdAt.toISOString(),
  updatedAt: updatedAt.toISOString(),
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
  return { accounts: (await listAccounts(sql, userId)).map((row) => viewOf(userId, row)) };
}

/** An account by its provider, and its id there if the caller has several, or by the `id` of the list. */
type UnlinkInput = { readonly providerId: string; readonly accountId?: string | undefined } | { readonly id: string };

const isNamed = (method: LinkedAccountRow, input: UnlinkInput): boolean =>
  'id' in input
    ? method.id === input.id
    : method.providerId === input.providerId && (input.accountId === undefined || method.accountId === input.accountId);

/**
 * Unlinks an account from the caller's; sessions stay.
 * @throws unauthenticated (401) if the session has ended, linkedAccountUnknown (404), lastWayIn (409)
 */
export async function unlinkAccount(
  ports: Pick<Ports, 'transact'> & MailPorts,
  input: UnlinkInput,
  caller: Caller,
): Promise<{ readonly status: 'unlinked' }> {
  const { userId } = ownAccount(caller);
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, 'unlink_account');
    const { email: to } = await lockOwnSession(tx, caller);
    const methods = await lockSignInMethods(tx, userId);
    const found = methods.find((method) => isNamed(method, input));
    // A password can be changed or reset, but not unlinked.
    if (!found || found.providerId === 'credential') throw linkedAccountUnknown();
    if (methods.length === 1 && !(await hasPasskey(tx, userId))) throw lastWayIn();
    await deleteLinkedAccount(tx, found.id, userId);
    await queueMail(tx, ports, { template: 'account_unlinked', to, provider: found.providerId }, caller);
  });
  return { status: 'unlinked' };
}

/**
 * The user of this linked account: undefined also while an incident asks the user for more than one factor, and for a
 * provider that has another issuer, whose subjects are other people.
 */
export async function vouchedUser(
  tx: Tx,
  ports: VouchPorts,
  { provider, issuer, subject }: { readonly provider: string; readonly issuer: string; readonly subject: string },
): Promise<string | undefined> {
  if ((ports.socialProviders.provider(provider)?.issuer ?? issuer) !== issuer) return undefined;
  const { userId } = (await findOwner(tx, provider, subject)) ?? {};
  return userId === undefined || (await isClosedTo(tx, ports, { userId, cookie: undefined })) ? undefined : userId;
}

/** Unlinks the providers linked to an account since; returns whether there were any. The caller has locked the user. */
export const unlinkSince = (tx: Tx, userId: string, since: string): Promise<boolean> =>
  deleteAccountsSince(tx, userId, since);
