import { storedInstant } from '#services/core/audit/read/list-events.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import { userUnknown } from '#services/core/tokens/errors.ts';
import { countFamilies } from '#services/core/tokens/refresh/list-families.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import type { AccountDetailView, AccountView } from '../contracts/admin-contract.ts';
import { readSignInStatus } from '../sign-in/sign-in-status.ts';
import { readFactors } from '../users/accounts.store.ts';
import { readUser, readUsersPage, type UserFilter } from '../users/users.store.ts';

type UsersInput = {
  readonly email_prefix?: string | undefined;
  readonly role?: string | undefined;
  readonly disabled?: 'true' | 'false' | undefined;
  readonly created_from?: string | undefined;
  readonly created_to?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
};

/** One page of accounts, newest first. Throws `cursor_invalid` (400). */
export async function listUsers(
  { sql }: Pick<Ports, 'sql'>,
  input: UsersInput,
): Promise<{ readonly users: readonly AccountView[]; readonly next: string | null }> {
  const before = placeOfCursor(input.cursor, [PLACE.time, PLACE.id]);
  const filter: UserFilter = {
    emailPrefix: input.email_prefix === undefined ? undefined : normaliseEmail(input.email_prefix),
    role: input.role,
    isDisabled: input.disabled === undefined ? undefined : input.disabled === 'true',
    createdFrom: storedInstant(input.created_from),
    createdTo: storedInstant(input.created_to),
  };
  const { items, next } = pageOf(await readUsersPage(sql, filter, before, input.limit + 1), input.limit, (row) => [
    row.created_at,
    row.id,
  ]);
  return { users: items, next };
}

export type ShowUserPorts = Pick<Ports, 'sql' | 'clock'> & HasKeyRing;

/** The account as an administrator who helps its owner needs it, without secrets. Throws `user_unknown` (404). */
export async function showUser(
  ports: ShowUserPorts,
  { user_id: userId }: { readonly user_id: string },
): Promise<AccountDetailView> {
  const { sql } = ports;
  const row = await readUser(sql, userId);
  if (row === undefined) throw userUnknown();
  const { last_login_at, password_changed_at, ...account } = row;
  const signIn = await readSignInStatus(ports, row.email);
  const { hasTotp, passkeys, codesLeft, owesFactor } = await readFactors(sql, userId);
  return {
    ...account,
    logins: await countFamilies({ sql }, userId),
    last_login_at,
    password_changed_at,
    failed_logins: signIn.failedLogins,
    locked_until: signIn.lockedUntil,
    password_closed: signIn.isSpent,
    factors: {
      totp: hasTotp,
      passkeys,
      recovery_codes_left: hasTotp || passkeys > 0 ? codesLeft : 0,
      owed: owesFactor,
    },
  };
}
