import type { Command } from 'commander';
import { showUser } from '#services/domain/identity/admin/read-users.ts';
import { findUserId } from '#services/domain/identity/users/find-user-id.ts';
import { unlockUser } from '#services/domain/security/unlock-user.ts';
import { type ActOptions, actAsked, addReason, onAccounts } from '../admin.ts';
import { systemCaller } from '../database-ports.ts';
import { registerUserAdmin, USER } from './admin.ts';
import { registerUserInvitations } from './invite.ts';
import { registerUserWhy } from './why.ts';

const caller = systemCaller('sallyport users');

/** `sallyport users …`, directly on the database. */
export function registerUsers(program: Command): void {
  const users = program.command('users');
  registerUserAdmin(users);
  registerUserWhy(users);
  registerUserInvitations(users);
  addReason(users.command('unlock'))
    .description('unlock an account for sign-ins from any device')
    .argument('<user>', USER)
    .action((user: string, _own, command: Command) =>
      onAccounts<ActOptions>(command, async (ports, output, options) => {
        const { id: userId, email } = await showUser(ports, await findUserId(ports, user));
        const act = () => unlockUser(ports, { user_id: userId, reason: options.reason }, caller);
        await actAsked(output, options, `clear the failed sign-ins of ${email}`, act, ({ user_id, failed_logins }) => [
          `${user_id}  unlocked after ${failed_logins} failures`,
        ]);
      }),
    );
}
