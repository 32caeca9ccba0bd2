import type { Command } from 'commander';
import { showUser } from '#services/domain/identity/users/read-users.ts';
import { unlockUser } from '#services/domain/security/unlock-user.ts';
import { type ActOptions, actAsked, addReason, onAccounts } from '../admin.ts';
import { systemCaller } from '../database-ports.ts';
import { registerUserAdmin } from './admin.ts';
import { registerUserInvitations } from './invite.ts';

const caller = systemCaller('sallyport users');

/** `sallyport users …`, directly on the database. */
export function registerUsers(program: Command): void {
  const users = program
    .command('users')
    .description('accounts: list, show, invite, invite-again, disable, enable, reset-factors, delete, roles, unlock');
  registerUserAdmin(users);
  registerUserInvitations(users);
  addReason(users.command('unlock'))
    .description('unlock an account for sign-ins from any device')
    .argument('<user_id>')
    .action((userId: string, _own, command: Command) =>
      onAccounts<ActOptions>(command, async (ports, output, options) => {
        const { email } = await showUser(ports, userId);
        const act = () => unlockUser(ports, { userId, reason: options.reason }, caller);
        await actAsked(output, options, `clear the failed sign-ins of ${email}`, act, ({ user_id, failed_logins }) => [
          `${user_id}  unlocked after ${failed_logins} failures`,
        ]);
      }),
    );
}
