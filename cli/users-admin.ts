import { type Command, Option } from 'commander';
import type { AccountView } from '../services/domain/identity/admin-contract.ts';
import { grantRole, removeRole } from '../services/domain/identity/assign-role.ts';
import { deleteUser, disableUser, enableUser } from '../services/domain/identity/disable-user.ts';
import { listUsers, showUser } from '../services/domain/identity/read-users.ts';
import {
  type ActOptions,
  actAsked,
  addPage,
  addReason,
  type ListOptions,
  listPage,
  onDatabase,
  pageOf,
  untold,
} from './admin.ts';
import { systemCaller } from './database-ports.ts';
import type { GlobalOptions } from './output.ts';

const caller = systemCaller('sallyport users');

type Filters = ListOptions & { readonly emailPrefix?: string; readonly role?: string; readonly disabled?: boolean };

const line = (user: AccountView): string =>
  [
    user.id,
    user.created_at,
    (user.disabled_at === null ? 'enabled' : 'disabled').padEnd(8),
    user.roles.join(','),
    user.email,
  ].join('  ');

/** `sallyport users list|show|disable|enable|delete|roles`, directly on the database. */
export function registerUserAdmin(users: Command): void {
  addPage(users.command('list'))
    .description('accounts, the newest first')
    .option('--email-prefix <text>', 'only addresses that begin so')
    .option('--role <name>', 'only those who have it')
    .option('--disabled', 'only disabled ones')
    .action((_own, command: Command) =>
      onDatabase<Filters>(command, async (ports, output, options) => {
        const { emailPrefix, role } = options;
        const isDisabled = options.disabled ? true : undefined;
        const found = await listUsers(ports, { emailPrefix, role, isDisabled, ...pageOf(options) });
        listPage(output, 'users', found, line);
      }),
    );
  users
    .command('show')
    .description('one account, with how many sessions and logins it has')
    .argument('<user_id>')
    .action((userId: string, _own, command: Command) =>
      onDatabase<GlobalOptions>(command, async (ports, output) => {
        output.data(await showUser(ports, userId), (user) => [
          line(user),
          `sessions ${user.sessions}  logins ${user.logins}`,
        ]);
      }),
    );
  for (const [verb, work, description] of [
    ['disable', disableUser, 'refuse an account, and end its sessions, logins and tokens'],
    ['enable', enableUser, 'take an account in again; what ended stays ended'],
  ] as const)
    addReason(users.command(verb))
      .description(description)
      .argument('<user_id>')
      .action((userId: string, _own, command: Command) =>
        onDatabase<ActOptions>(command, async (ports, output, options) => {
          const { email } = await showUser(ports, userId);
          const act = () => work({ ...ports, ...untold }, { userId, reason: options.reason }, caller);
          await actAsked(output, options, `${verb} ${email}`, act, (user) => [line(user)]);
        }),
      );
  addReason(users.command('delete'))
    .description('delete an account with its sessions, logins and tokens')
    .argument('<user_id>')
    .action((userId: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const { email } = await showUser(ports, userId);
        const act = async () => {
          await deleteUser({ ...ports, ...untold }, { userId, reason: options.reason }, caller);
          return { deleted: userId };
        };
        await actAsked(output, options, `delete ${email}`, act, ({ deleted }) => [`${deleted}  deleted`]);
      }),
    );
  users
    .command('roles')
    .description('the roles of an account; give one, or take one away (signed-in pages see a new one in five minutes)')
    .argument('<user_id>')
    .option('--reason <text>', 'why, for the audit log', '')
    .addOption(new Option('--grant <role>', 'give it').conflicts('remove'))
    .addOption(new Option('--remove <role>', 'take it away; tokens and logins from before end'))
    .action((userId: string, _own, command: Command) =>
      onDatabase<ActOptions & { grant?: string; remove?: string }>(command, async (ports, output, options) => {
        const user = await showUser(ports, userId);
        const role = options.grant ?? options.remove;
        if (role === undefined) return output.data({ roles: user.roles }, ({ roles }) => roles);
        const [work, what] = options.grant
          ? [grantRole, `give ${user.email} the role ${role}`]
          : [removeRole, `take the role ${role} from ${user.email}`];
        const act = () => work({ ...ports, ...untold }, { userId, role, reason: options.reason }, caller);
        await actAsked(output, options, what, act, (changed) => [line(changed)]);
      }),
    );
}
