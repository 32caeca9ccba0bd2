import type { Command } from 'commander';
import { endUserSessions } from '../services/domain/identity/admin/end-user-sessions.ts';
import type { LiveSessionView } from '../services/domain/identity/contracts/admin-contract.ts';
import { endAnySession, listSessions } from '../services/domain/identity/sessions/manage-sessions.ts';
import { findUserId } from '../services/domain/identity/users/find-user-id.ts';
import { loadConfig } from '../services/platform/config/load.ts';
import {
  type ActOptions,
  actAsked,
  addPage,
  addReason,
  type ListOptions,
  listPage,
  noNotices,
  onDatabase,
  pageOf,
} from './admin.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

const caller = systemCaller('sallyport sessions');

const line = (session: LiveSessionView): string =>
  [
    session.id,
    session.user_id,
    session.created_at,
    `until ${session.expires_at}`,
    `token families of ${session.logins.map(({ client_id }) => client_id).join(',') || 'none'}`,
  ].join('  ');

/** `sallyport sessions list|revoke`, directly on the database. */
export function registerSessions(program: Command): void {
  const sessions = program.command('sessions');
  addPage(sessions.command('list'))
    .description('list live sessions, newest first')
    .option('--user <user>', 'only sessions of this user, by id or e-mail address')
    .option('--client <client_id>', 'only sessions with a live token family of this client')
    .action((_own, command: Command) =>
      onDatabase<ListOptions & { user?: string; client?: string }>(command, async (ports, output, options) => {
        const tokenSettings = loadConfig(process.env).identity;
        const userId = options.user === undefined ? undefined : await findUserId(ports, options.user);
        const filter = { userId, clientId: options.client };
        const found = await listSessions({ ...ports, tokenSettings }, { ...filter, ...pageOf(options) });
        listPage(output, 'sessions', found, line);
      }),
    );
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
            await endAnySession(tools, { sessionId, reason }, caller);
            return { ended: 1 };
          };
          return actAsked(output, options, `end the session ${sessionId}`, act, () => [`${sessionId}  ended`]);
        }
        if (user === undefined || sessionId !== undefined)
          throw new CommandError(exitCodes.usage, 'name one session or pass --user', 'sallyport sessions list');
        const userId = await findUserId(ports, user);
        const act = async () => ({ ended: await endUserSessions(tools, { userId, reason }, caller) });
        await actAsked(output, options, `end every session and token of ${user}`, act, ({ ended }) => [
          `${userId}  ${ended} ended`,
        ]);
      }),
    );
}
