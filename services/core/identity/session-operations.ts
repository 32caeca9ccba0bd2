import { operation } from '../shared/operation.ts';
import {
  endOwnSessionEndpoint,
  endSessionEndpoint,
  type LiveSessionView,
  listOwnSessionsEndpoint,
  listSessionsEndpoint,
  type ReachView,
  readReachEndpoint,
} from './contracts/admin-contract.ts';
import { endAnySession, endOwnSession, listOwnSessions, listSessions, readReach } from './sessions/manage-sessions.ts';

const line = (session: LiveSessionView): string =>
  [
    session.id,
    session.user_id,
    session.created_at,
    `until ${session.expires_at}`,
    `token families of ${session.logins.map(({ client_id }) => client_id).join(',') || 'none'}`,
  ].join('  ');

export const sessionOperations = [
  operation(listSessionsEndpoint, listSessions, {
    verb: 'sessions list',
    help: 'list live sessions, newest first',
    options: {
      user_id: { flags: '--user <user>', help: 'only sessions of this user, by id or e-mail address', reads: 'user' },
      client_id: { flags: '--client <client_id>', help: 'only sessions with a live token family of this client' },
    },
    line,
  }),
  operation(readReachEndpoint, readReach, {
    verb: 'sessions reach',
    help: 'count what ends with a user, a client or a session, before it is ended',
    options: {
      user_id: { flags: '--user <user>', help: 'this user, by id or e-mail address', reads: 'user' },
      client_id: { flags: '--client <client_id>', help: 'this client' },
      session_id: { flags: '--session <session_id>', help: 'this session' },
    },
    lines: ({ logins, sessions, applications, users, is_more: isMore }: ReachView) => [
      `${isMore ? 'over ' : ''}${logins} sign-ins at ${applications} applications, in ${sessions} sessions of ${users} users`,
    ],
  }),
  operation(endSessionEndpoint, endAnySession),
  operation(listOwnSessionsEndpoint, listOwnSessions),
  operation(endOwnSessionEndpoint, endOwnSession),
];
