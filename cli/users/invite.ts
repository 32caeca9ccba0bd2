import type { Command } from 'commander';
import { showUser } from '#services/core/identity/admin/read-users.ts';
import { inviteUserEndpoint } from '#services/core/identity/contracts/invitation-contract.ts';
import { findUserId } from '#services/core/identity/users/find-user-id.ts';
import type { Config } from '#services/platform/config/load.ts';
import { type ActOptions, actAsked, addReason, noNotices, onAccounts } from '../admin.ts';
import { checked } from '../arguments.ts';
import { systemCaller } from '../database-ports.ts';
import { mailer } from '../mailer.ts';
import { USER } from './roles.ts';

const caller = systemCaller('sallyport users');

/** Loaded when it is used: it verifies digests, and so needs the hashing libraries. */
const invitations = () => import('#services/core/identity/admin/invite-user.ts');

const inviter = (settings: Config) => ({ ...mailer(settings), invitationSeconds: settings.identity.invitationSeconds });

type InviteOptions = ActOptions & { readonly name?: string; readonly role: readonly string[] };

/** `sallyport users invite|invite-again`, directly on the database. */
export function registerUserInvitations(users: Command): void {
  addReason(users.command('invite'))
    .description('create an account, and mail an invitation to choose its password')
    .argument('<email>')
    .option('--name <text>', 'name of the invited person')
    .option(
      '--role <name>',
      'role besides `user`; may be repeated',
      (role: string, roles: string[]) => [...roles, role],
      [],
    )
    .action((email: string, _own, command: Command) =>
      onAccounts<InviteOptions>(command, async (ports, output, options) => {
        const { name, role: roles, reason } = options;
        const input = checked(inviteUserEndpoint, { email, name, roles, reason });
        const { inviteUser } = await invitations();
        const act = () => inviteUser({ ...ports, ...inviter(ports.settings) }, input, caller);
        await actAsked(output, options, `invite ${input.email}`, act, ({ id }) => [`${id}  ${input.email}  invited`]);
      }),
    );
  addReason(users.command('invite-again'))
    .description('mail a new invitation that replaces the previous ones')
    .argument('<user>', USER)
    .action((user: string, _own, command: Command) =>
      onAccounts<ActOptions>(command, async (ports, output, options) => {
        const { id: userId, email } = await showUser(ports, { user_id: await findUserId(ports, user) });
        const { reason } = options;
        const { inviteAgain } = await invitations();
        const act = () =>
          inviteAgain({ ...ports, ...noNotices, ...inviter(ports.settings) }, { user_id: userId, reason }, caller);
        await actAsked(output, options, `invite ${email} again`, act, ({ id }) => [`${id}  ${email}  invited`]);
      }),
    );
}
