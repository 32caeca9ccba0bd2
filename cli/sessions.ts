import type { Command } from 'commander';
import { endUserSessions } from '../services/core/identity/admin/end-user-sessions.ts';
import { sessionOperations } from '../services/core/identity/session-operations.ts';
import { endAnySession } from '../services/core/identity/sessions/manage-sessions.ts';
import { findUserId } from '../services/core/identity/users/find-user-id.ts';
import { endFamily } from '../services/core/tokens/refresh/end-family.ts';
import { type ActOptions, actAsked, addReason, noNotices, onDatabase } from './admin.ts';
import { uuidOf } from './arguments.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { registerOperations } from './operations.ts';

const caller = systemCaller('sallyport sessions');

/**
 * `sallyport sessions revoke`, directly on the database: one session by its id, one token family of it, or all sessions of
 * a user.
 */
export function registerSessions(program: Command): void {
  registerOperations(program, sessionOperations);
  const sessions = program.commands.find((verb) => verb.name() === 'sessions') as Command;
  addReason(sessions.command('revoke'))
    .description('end one session, one token family, or all sessions of a user, and revoke their tokens')
    .argument('[session_id]')
    .option('--family <family_id>', 'end one token family: a sign-in at one application; its session goes on')
    .option('--user <user>', 'end every session and token of this user, by id or e-mail address')
    .action((sessionId: string | undefined, _own, command: Command) =>
      onDatabase<ActOptions & { user?: string; family?: string }>(command, async (ports, output, options) => {
        const { user, family, reason } = options;
        if ([sessionId, user, family].filter((given) => given !== undefined).length !== 1)
          throw new CommandError(
            exitCodes.usage,
            'name one session, or pass --family or --user',
            'sallyport sessions list --json',
          );
        if (family !== undefined) {
          const familyId = uuidOf(family, 'sallyport sessions list --json');
          const act = async () => {
            if ((await ports.transact((tx) => endFamily(tx, familyId, reason, caller))) === null)
              throw new CommandError(exitCodes.refused, 'token family unknown', 'sallyport sessions list --json');
            return { ended: 1 };
          };
          return actAsked(output, options, `end the token family ${familyId}`, act, () => [`${familyId}  ended`]);
        }
        // The revocation also covers cached copies of the session: none is accepted afterwards.
        const tools = { ...ports, ...noNotices, auth: { forget: async () => {} } };
        if (sessionId !== undefined) {
          const act = async () => {
            await endAnySession(tools, { session_id: sessionId, reason }, caller);
            return { ended: 1 };
          };
          return actAsked(output, options, `end the session ${sessionId}`, act, () => [`${sessionId}  ended`]);
        }
        const userId = await findUserId(ports, user as string);
        const act = async () => ({
          ended: (await endUserSessions(tools, { user_id: userId, reason }, caller)).sessions,
        });
        await actAsked(output, options, `end every session and token of ${user}`, act, ({ ended }) => [
          `${userId}  ${ended} ended`,
        ]);
      }),
    );
}
