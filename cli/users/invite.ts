import type { Command } from 'commander';
import { inviteUserEndpoint } from '#services/domain/identity/accounts/invitation-contract.ts';
import { inviteAgain, inviteUser } from '#services/domain/identity/accounts/invite-user.ts';
import { showUser } from '#services/domain/identity/users/read-users.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { type ActOptions, actAsked, addReason, noNotices, onAccounts } from '../admin.ts';
import { systemCaller } from '../database-ports.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { mailer } from '../mailer.ts';

const caller = systemCaller('sallyport users');

const inviter = () => ({ ...mailer(), invitationSeconds: loadConfig(process.env).identity.invitationSeconds });

type InviteOptions = ActOptions & { readonly name?: string; readonly role: readonly string[] };

/** Validates the input as the API does. */
function checked(email: string, { name, role, reason }: InviteOptions) {
  const parsed = inviteUserEndpoint.body?.safeParse({ email, name, roles: role, reason });
  if (parsed?.success) return parsed.data;
  const [issue] = parsed?.error.issues ?? [];
  throw new CommandError(exitCodes.usage, `${issue?.path.join('.')}: ${issue?.message}`);
}

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
        const input = checked(email, options);
        const act = () => inviteUser({ ...ports, ...inviter() }, input, caller);
        await actAsked(output, options, `invite ${input.email}`, act, ({ id }) => [`${id}  ${input.email}  invited`]);
      }),
    );
  addReason(users.command('invite-again'))
    .description('mail a new invitation that replaces the previous ones')
    .argument('<user_id>')
    .action((userId: string, _own, command: Command) =>
      onAccounts<ActOptions>(command, async (ports, output, options) => {
        const { email } = await showUser(ports, userId);
        const { reason } = options;
        const act = () => inviteAgain({ ...ports, ...noNotices, ...inviter() }, { userId, reason }, caller);
        await actAsked(output, options, `invite ${email} again`, act, ({ id }) => [`${id}  ${email}  invited`]);
      }),
    );
}
