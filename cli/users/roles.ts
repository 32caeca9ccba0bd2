import { type Command, Option } from 'commander';
import { grantRole, removeRole } from '#services/core/identity/admin/assign-role.ts';
import { showUser } from '#services/core/identity/admin/read-users.ts';
import { userLine } from '#services/core/identity/user-operations.ts';
import { findUserId } from '#services/core/identity/users/find-user-id.ts';
import { type ActOptions, actAsked, noNotices, onAccounts } from '../admin.ts';
import { systemCaller } from '../database-ports.ts';

const caller = systemCaller('sallyport users');

/** An argument that `findUserId` reads. */
export const USER = 'user id or e-mail address';

/** `sallyport users roles`, directly on the database: one verb of three operations. */
export function registerUserRoles(users: Command): void {
  users
    .command('roles')
    .description('show, grant or remove roles of an account (browser sessions get a new role within five minutes)')
    .argument('<user>', USER)
    .option('--reason <text>', 'reason, for the audit log', '')
    .addOption(new Option('--grant <role>', 'role to grant').conflicts('remove'))
    .addOption(new Option('--remove <role>', 'role to remove; existing tokens are revoked'))
    .action((user: string, _own, command: Command) =>
      onAccounts<ActOptions & { grant?: string; remove?: string }>(command, async (ports, output, options) => {
        const { id: userId, email, roles: held } = await showUser(ports, { user_id: await findUserId(ports, user) });
        const role = options.grant ?? options.remove;
        if (role === undefined) return output.data({ roles: held }, ({ roles }) => roles);
        const [work, what] = options.grant
          ? [grantRole, `give ${email} the role ${role}`]
          : [removeRole, `remove the role ${role} from ${email}`];
        const act = () => work({ ...ports, ...noNotices }, { user_id: userId, role, reason: options.reason }, caller);
        await actAsked(output, options, what, act, (changed) => [userLine(changed)]);
      }),
    );
}
