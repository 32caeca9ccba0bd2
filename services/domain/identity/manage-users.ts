import { assertHolds } from '../access/assert-holds.ts';
import { holdRole, rightsOf } from '../access/role-rights.ts';
import { setAuditContext } from '../audit/audit-context.ts';
import { type Page, PLACE, pageOf, placeOfCursor } from '../pages.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { endFamiliesOfUser } from '../tokens/end-family.ts';
import { userUnknown } from '../tokens/errors.ts';
import { countLogins } from '../tokens/list-logins.ts';
import type { HasRevocationPush } from '../tokens/revocation-set.ts';
import type { AccountDetailView, AccountView } from './admin-contract.ts';
import { assertAdminStays } from './assert-admin-stays.ts';
import type { Auth } from './auth.ts';
import {
  addUserRole,
  deleteSessionsOf,
  deleteUserRow,
  disableUserRow,
  enableUserRow,
  lockAdminRole,
  lockUser,
  readSessionTokens,
  readUser,
  readUsersPage,
  removeUserRole,
  type UserFilter,
  type UserRow,
} from './users.store.ts';

/** Where sessions are not cached (command line), there is nothing to forget. */
type UserPorts = Pick<Ports, 'transact' | 'sql'> & HasRevocationPush & { readonly auth?: Pick<Auth, 'forget'> };
type Act = { readonly userId: string; readonly reason: string };

const accountView = (row: UserRow): AccountView => ({
  id: row.id,
  email: row.email,
  name: row.name,
  email_verified_at: row.emailVerifiedAt,
  roles: [...row.roles],
  disabled_at: row.disabledAt,
  created_at: row.createdAt,
  updated_at: row.updatedAt,
});

/** Accounts, the newest first, a page at a time. Throws `cursor_invalid` (400). */
export async function listUsers(
  { sql }: Pick<Ports, 'sql'>,
  input: UserFilter & { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<AccountView>> {
  const before = placeOfCursor(input.cursor, [PLACE.time, PLACE.id]);
  const filter = { ...input, emailPrefix: input.emailPrefix?.toLowerCase() };
  const { items, next } = pageOf(
    await readUsersPage(sql, filter, before, input.limit + 1),
    input.limit,
    ({ createdAt, id }) => [createdAt, id],
  );
  return { items: items.map(accountView), next };
}

/** Throws `user_unknown` (404). */
export async function showUser({ sql }: Pick<Ports, 'sql'>, userId: string): Promise<AccountDetailView> {
  const row = await readUser(sql, userId);
  if (row === undefined) throw userUnknown();
  return { ...accountView(row), sessions: row.sessions, logins: await countLogins({ sql }, userId) };
}

/**
 * One act on an account, by somebody who has every right that its user has. Locks role, user, sessions, families, in
 * this order. Throws `user_unknown` (404), `rights_exceeded` (403).
 */
async function act(
  ports: UserPorts,
  { userId, reason }: Act,
  caller: Caller,
  work: (tx: Tx, user: UserRow) => Promise<unknown>,
  holdFirst: (tx: Tx) => Promise<void> = lockAdminRole,
): Promise<void> {
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, reason);
    await holdFirst(tx);
    const user = await lockUser(tx, userId);
    if (user === undefined) throw userUnknown();
    assertHolds(caller, await rightsOf(tx, user.roles));
    await work(tx, user);
    tx.afterCommit(ports.announceRevocations);
  });
}

const assertStays = (tx: Tx, { id, roles, disabledAt }: UserRow): Promise<void> =>
  assertAdminStays(tx, { id, roles, isDisabled: disabledAt !== null });

/** Disables an account: its sessions, logins and tokens end. Throws `last_admin` (409), and as every act. */
export async function disableUser(ports: UserPorts, input: Act, caller: Caller): Promise<AccountDetailView> {
  await act(ports, input, caller, async (tx, user) => {
    await assertStays(tx, user);
    await disableUserRow(tx, user.id);
  });
  return showUser(ports, input.userId);
}

/** Takes an account in again; what ended stays ended. */
export async function enableUser(ports: UserPorts, input: Act, caller: Caller): Promise<AccountDetailView> {
  await act(ports, input, caller, (tx, user) => enableUserRow(tx, user.id));
  return showUser(ports, input.userId);
}

/** Deletes an account with everything that hangs on it. Throws `last_admin` (409), and as every act. */
export const deleteUser = (ports: UserPorts, input: Act, caller: Caller): Promise<void> =>
  act(ports, input, caller, async (tx, user) => {
    await assertStays(tx, user);
    await deleteUserRow(tx, user.id);
  });

/** Gives a role, by somebody who has its rights; it is in the next token. Throws `role_unknown` (404), and as every act. */
export async function grantRole(
  ports: UserPorts,
  input: Act & { readonly role: string },
  caller: Caller,
): Promise<AccountDetailView> {
  await act(
    ports,
    input,
    caller,
    async (tx, user) => {
      assertHolds(caller, await rightsOf(tx, [input.role]));
      await addUserRole(tx, user.id, input.role);
    },
    (tx) => holdRole(tx, input.role),
  );
  // A cached session still has the roles of before; nothing else of the user changes.
  const tokens = ports.auth === undefined ? [] : await readSessionTokens(ports.sql, input.userId);
  await Promise.all(tokens.map((token) => ports.auth?.forget(token)));
  return showUser(ports, input.userId);
}

/** Takes a role away: tokens and logins from before end. Throws `last_admin` (409), and as every act. */
export async function removeRole(
  ports: UserPorts,
  input: Act & { readonly role: string },
  caller: Caller,
): Promise<AccountDetailView> {
  await act(ports, input, caller, async (tx, user) => {
    if (input.role === 'admin') await assertStays(tx, user);
    await removeUserRole(tx, user.id, input.role);
  });
  return showUser(ports, input.userId);
}

/** Ends every session, login and token of a user. How many sessions there were. Throws `user_unknown` (404). */
export const endUserSessions = (ports: UserPorts, input: Act, caller: Caller): Promise<number> =>
  ports.transact(async (tx) => {
    await setAuditContext(tx, caller, input.reason);
    if ((await lockUser(tx, input.userId)) === undefined) throw userUnknown();
    const ended = await deleteSessionsOf(tx, input.userId);
    await endFamiliesOfUser(tx, input.userId, input.reason, caller);
    tx.afterCommit(ports.announceRevocations);
    return ended;
  });
