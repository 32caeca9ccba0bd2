import type { Command } from 'commander';
import { showUser } from '#services/domain/identity/admin/read-users.ts';
import { userOperations } from '#services/domain/identity/user-operations.ts';
import { findUserId } from '#services/domain/identity/users/find-user-id.ts';
import { unlockUser } from '#services/domain/security/unlock-user.ts';
import { type ActOptions, actAsked, addReason, onAccounts } from '../admin.ts';
import { systemCaller } from '../database-ports.ts';
import { registerOperations } from '../operations.ts';
import { registerUserInvitations } from './invite.ts';
import { registerUserRoles, USER } from './roles.ts';

const caller = systemCaller('sallyport users');

/** `sallyport users …`, directly on the database. */
export function registerUsers(program: Command): void {
  registerOperations(program, userOperations);
  const users = program.commands.find((verb) => verb.name() === 'users') as Command;
  registerUserRoles(users);
  registerUserInvitations(users);
  addReason(users.command('unlock'))
    .description('unlock an account for sign-ins from any device')
    .argument('<user>', USER)
    .action((user: string, _own, command: Command) =>
      onAccounts<ActOptions>(command, async (ports, output, options) => {
        const { id: userId, email } = await showUser(ports, { user_id: await findUserId(ports, user) });
        const act = () => unlockUser(ports, { user_id: userId, reason: options.reason }, caller);
        await actAsked(output, options, `clear the failed sign-ins of ${email}`, act, ({ user_id, failed_logins }) => [
          `${user_id}  unlocked after ${failed_logins} failures`,
        ]);
      }),
    );
}
