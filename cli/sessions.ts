import type { Command } from 'commander';
import { endUserSessions } from '../services/domain/identity/admin/end-user-sessions.ts';
import { sessionOperations } from '../services/domain/identity/session-operations.ts';
import { endAnySession } from '../services/domain/identity/sessions/manage-sessions.ts';
import { findUserId } from '../services/domain/identity/users/find-user-id.ts';
import { type ActOptions, actAsked, addReason, noNotices, onDatabase } from './admin.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { registerOperations } from './operations.ts';

const caller = systemCaller('sallyport sessions');

/** `sallyport sessions revoke`, directly on the database: one session by its id, or all of a user. */
export function registerSessions(program: Command): void {
  registerOperations(program, sessionOperations);
  const sessions = program.commands.find((verb) => verb.name() === 'sessions') as Command;
  addReason(sessions.command('revoke'))
    .description('end one session, or all sessions of a user, and revoke their tokens')
    .argument('[session_id]')
    .option('--user <user>', 'end every session and token of this user, by id or e-mail address')
    .action((sessionId: string | undefined, _own, command: Command) =>
      onDatabase<ActOptions & { user?: string }>(command, async (ports, output, options) => {
        const { user, reason } = options;
        // The revocation also covers cached copies of the session: none is accepted afterwards.
        const tools = { ...ports, ...noNotices, auth: { forget: async () => {} } };
        if (sessionId !== undefined && user === undefined) {
          const act = async () => {
            await endAnySession(tools, { session_id: sessionId, reason }, caller);
            return { ended: 1 };
          };
          return actAsked(output, options, `end the session ${sessionId}`, act, () => [`${sessionId}  ended`]);
        }
        if (user === undefined || sessionId !== undefined)
          throw new CommandError(exitCodes.usage, 'name one session or pass --user', 'sallyport sessions list');
        const userId = await findUserId(ports, user);
        const act = async () => ({
          ended: (await endUserSessions(tools, { user_id: userId, reason }, caller)).sessions,
        });
        await actAsked(output, options, `end every session and token of ${user}`, act, ({ ended }) => [
          `${userId}  ${ended} ended`,
        ]);
      }),
    );
}
