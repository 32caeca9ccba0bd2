import { operation } from '../shared/operation.ts';
import {
  endOwnSessionEndpoint,
  endSessionEndpoint,
  type LiveSessionView,
  listOwnSessionsEndpoint,
  listSessionsEndpoint,
} from './contracts/admin-contract.ts';
import { endAnySession, endOwnSession, listOwnSessions, listSessions } from './sessions/manage-sessions.ts';

const line = (session: LiveSessionView): string =>
  [
    session.id,
    session.user_id,
    session.created_at,
    `until ${session.expires_at}`,
    `token families of ${session.logins.map(({ client_id }) => client_id).join(',') || 'none'}`,
  ].join('  ');

/** Sessions: every one for administrators, and each user's own. */
export const sessionOperations = [
  operation(listSessionsEndpoint, listSessions, {
    verb: 'sessions list',
    help: 'list live sessions, newest first',
    options: {
      user_id: {
        flags: '--user <user>',
        help: 'only sessions of this user, by id or e-mail address',
        reads: 'user',
      },
      client_id: {
        flags: '--client <client_id>',
        help: 'only sessions with a live token family of this client',
      },
    },
    line,
  }),
  operation(endSessionEndpoint, endAnySession),
  operation(listOwnSessionsEndpoint, listOwnSessions),
  operation(endOwnSessionEndpoint, endOwnSession),
];
