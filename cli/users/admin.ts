import { type Command, Option } from 'commander';
import { grantRole, removeRole } from '#services/domain/identity/admin/assign-role.ts';
import { deleteUser, disableUser, enableUser } from '#services/domain/identity/admin/disable-user.ts';
import { listUsers, showUser } from '#services/domain/identity/admin/read-users.ts';
import { resetFactors } from '#services/domain/identity/admin/reset-factors.ts';
import type { AccountDetailView, AccountView } from '#services/domain/identity/contracts/admin-contract.ts';
import { findUserId } from '#services/domain/identity/users/find-user-id.ts';
import {
  type ActOptions,
  actAsked,
  addPage,
  addReason,
  type ListOptions,
  listPage,
  noNotices,
  onAccounts,
  onDatabase,
  pageOf,
} from '../admin.ts';
import { instantOf } from '../arguments.ts';
import { systemCaller } from '../database-ports.ts';
import { mailer } from '../mailer.ts';
import type { GlobalOptions } from '../output.ts';

const caller = systemCaller('sallyport users');

/** An argument that `findUserId` reads. */
export const USER = 'user id or e-mail address';

type Filters = ListOptions & {
  readonly emailPrefix?: string;
  readonly role?: string;
  readonly disabled?: boolean;
  readonly createdFrom?: string;
  readonly createdTo?: string;
};

const line = (user: AccountView): string =>
  [
    user.id,
    user.created_at,
    (user.disabled_at === null ? 'enabled' : 'disabled').padEnd(8),
    user.roles.join(','),
    user.email,
  ].join('  ');

/** Summary of an account for support staff. */
function accountState(user: AccountDetailView): string[] {
  const { totp, passkeys, recovery_codes_left: codes } = user.factors;
  const lock = user.password_closed
    ? 'locked until an administrator or the owner unlocks it'
    : user.locked_until === null
      ? 'not locked'
      : `locked until ${user.locked_until}`;
  return [
    `sessions ${user.sessions}  token families ${user.logins}  last sign-in ${user.last_login_at ?? 'never'}`,
    `e-mail address ${user.email_verified_at === null ? 'not verified' : `verified ${user.email_verified_at}`}${user.invited_roles.length > 0 ? `  invited as ${user.invited_roles.join(',')}` : ''}`,
    `password ${lock}  wrong ${user.failed_logins}  changed ${user.password_changed_at ?? 'never'}`,
    `factors totp ${totp ? 'yes' : 'no'}  passkeys ${passkeys}  recovery codes ${codes}`,
  ];
}

/** `sallyport users list|show|disable|enable|reset-factors|delete|roles`, directly on the database. */
export function registerUserAdmin(users: Command): void {
  addPage(users.command('list'))
    .description('list accounts, newest first')
    .option('--email-prefix <text>', 'only addresses with this prefix')
    .option('--role <name>', 'only accounts with this role')
    .option('--disabled', 'only disabled accounts')
    .option('--created-from <time>', 'only accounts created then or later; a day, or a time as 2026-01-31T08:00:00Z')
    .option('--created-to <time>', 'only accounts created then or earlier')
    .action((_own, command: Command) =>
      onDatabase<Filters>(command, async (ports, output, options) => {
        const { emailPrefix, role } = options;
        const isDisabled = options.disabled ? true : undefined;
        const [createdFrom, createdTo] = [
          options.createdFrom && instantOf(options.createdFrom, '--created-from', 'first'),
          options.createdTo && instantOf(options.createdTo, '--created-to', 'last'),
        ];
        const filter = { emailPrefix, role, isDisabled, createdFrom, createdTo };
        const found = await listUsers(ports, { ...filter, ...pageOf(options) });
        listPage(output, 'users', found, line);
      }),
    );
  users
    .command('show')
    .description('show an account: sessions, token families, locks and second factors')
    .argument('<user>', USER)
    .action((user: string, _own, command: Command) =>
      onAccounts<GlobalOptions>(command, async (ports, output) => {
        output.data(await showUser(ports, await findUserId(ports, user)), (shown) => [
          line(shown),
          ...accountState(shown),
        ]);
      }),
    );
  for (const [verb, work, description] of [
    ['disable', disableUser, 'disable an account, end its sessions and revoke its tokens'],
    ['enable', enableUser, 'enable an account again; ended sessions stay ended'],
  ] as const)
    addReason(users.command(verb))
      .description(description)
      .argument('<user>', USER)
      .action((user: string, _own, command: Command) =>
        onAccounts<ActOptions>(command, async (ports, output, options) => {
          const { id: userId, email } = await showUser(ports, await findUserId(ports, user));
          const act = () => work({ ...ports, ...noNotices }, { userId, reason: options.reason }, caller);
          await actAsked(output, options, `${verb} ${email}`, act, (user) => [line(user)]);
        }),
      );
  addReason(users.command('reset-factors'))
    .description('remove a lost authenticator app from an account; its owner is notified by mail, and its sessions end')
    .argument('<user>', USER)
    .option('--passkeys', 'also remove every passkey, leaving only the password')
    .action((user: string, _own, command: Command) =>
      onAccounts<ActOptions & { passkeys?: boolean }>(command, async (ports, output, options) => {
        const { id: userId, email } = await showUser(ports, await findUserId(ports, user));
        const { reason, passkeys = false } = options;
        const act = () => resetFactors({ ...ports, ...noNotices, ...mailer() }, { userId, reason, passkeys }, caller);
        const what = `remove the authenticator app${passkeys ? ' and every passkey' : ''} from ${email}`;
        await actAsked(output, options, what, act, (user) => [line(user), ...accountState(user)]);
      }),
    );
  addReason(users.command('delete'))
    .description('delete an account with its sessions and tokens')
    .argument('<user>', USER)
    .action((user: string, _own, command: Command) =>
      onAccounts<ActOptions>(command, async (ports, output, options) => {
        const { id: userId, email } = await showUser(ports, await findUserId(ports, user));
        const act = async () => {
          await deleteUser({ ...ports, ...noNotices }, { userId, reason: options.reason }, caller);
          return { deleted: userId };
        };
        await actAsked(output, options, `delete ${email}`, act, ({ deleted }) => [`${deleted}  deleted`]);
      }),
    );
  users
    .command('roles')
    .description('show, grant or remove roles of an account (browser sessions get a new role within five minutes)')
    .argument('<user>', USER)
    .option('--reason <text>', 'reason, for the audit log', '')
    .addOption(new Option('--grant <role>', 'role to grant').conflicts('remove'))
    .addOption(new Option('--remove <role>', 'role to remove; existing tokens are revoked'))
    .action((user: string, _own, command: Command) =>
      onAccounts<ActOptions & { grant?: string; remove?: string }>(command, async (ports, output, options) => {
        const { id: userId, email, roles: held } = await showUser(ports, await findUserId(ports, user));
        const role = options.grant ?? options.remove;
        if (role === undefined) return output.data({ roles: held }, ({ roles }) => roles);
        const [work, what] = options.grant
          ? [grantRole, `give ${email} the role ${role}`]
          : [removeRole, `remove the role ${role} from ${email}`];
        const act = () => work({ ...ports, ...noNotices }, { userId, role, reason: options.reason }, caller);
        await actAsked(output, options, what, act, (changed) => [line(changed)]);
      }),
    );
}
