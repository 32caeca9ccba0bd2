import { z } from 'zod';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { cursorInvalid, stepUpRequired } from '#services/platform/errors.ts';
import { bodyReason, manages, pageQuery, REFUSALS, reads, reason, roleName, text } from '../access/admin-shapes.ts';
import { rightsExceeded, roleUnknown } from '../access/errors.ts';
import { userUnknown } from '../tokens/errors.ts';
import { lastAdmin, sessionUnknown } from './errors.ts';
import { factorsAbsent } from './factors/factors-errors.ts';

const USERS = 'Users';
const SESSIONS = 'Sessions';
const MANAGING = [...REFUSALS, stepUpRequired, userUnknown] as const;
const identifier = text(255);
const instant = z.iso.datetime({ offset: true }).max(40);
const accountShape = z.object({
  id: z.string(),
  email: z.string(),
  name: z.string().nullable(),
  email_verified_at: z.string().nullable(),
  roles: z.array(z.string()),
  disabled_at: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
});
export const accountDetailShape = accountShape.extend({
  /** What an invitation gives that nobody has accepted yet. */
  invited_roles: z.array(z.string()),
  /** Live browser sessions. */
  sessions: z.int(),
  /** Live logins (token families), with a session or without. */
  logins: z.int(),
  last_login_at: z.string().nullable(),
  /** Null where it never had a password. */
  password_changed_at: z.string().nullable(),
  /** Consecutive wrong passwords from devices that are not known. */
  failed_logins: z.int(),
  /** No password from an unknown device is looked at before; null where there is no lock that time ends. */
  locked_until: z.string().nullable(),
  /** No time ends it: a passkey, a mailed code, a known device or an administrator does (POST …/unlock). */
  password_closed: z.boolean(),
  /** What it can prove beside a password. */
  factors: z.object({ totp: z.boolean(), passkeys: z.int(), recovery_codes_left: z.int() }),
});
export type AccountView = z.output<typeof accountShape>;
export type AccountDetailView = z.output<typeof accountDetailShape>;

export const byUser = z.strictObject({ user_id: identifier });
const byUserAndRole = z.strictObject({ user_id: identifier, role: roleName });

export const listUsersEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/admin/users',
  operation: 'listUsers',
  summary: 'Accounts, the newest first',
  tag: USERS,
  auth: reads('users:read'),
  query: z.strictObject({
    ...pageQuery,
    /** Three characters or more of the beginning of the address. */
    email_prefix: text(254).min(3).optional(),
    role: roleName.optional(),
    disabled: z.enum(['true', 'false']).optional(),
    created_from: instant.optional(),
    created_to: instant.optional(),
  }),
  responses: { 200: z.object({ users: z.array(accountShape), next: z.string().nullable() }) },
  errors: [...REFUSALS, cursorInvalid],
});

export const readUserEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/admin/users/{user_id}',
  operation: 'readUser',
  summary: 'One account: its sessions and logins, locks and second factors',
  tag: USERS,
  auth: reads('users:read'),
  params: byUser,
  responses: { 200: accountDetailShape },
  errors: [...REFUSALS, userUnknown],
});

export const disableUserEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/users/{user_id}/disable',
  operation: 'disableUser',
  summary: 'Refuse an account, and end its sessions, logins and tokens',
  tag: USERS,
  auth: manages('users:manage'),
  params: byUser,
  body: bodyReason,
  responses: { 200: accountDetailShape },
  errors: [...MANAGING, rightsExceeded, lastAdmin],
});

export const enableUserEndpoint = defineEndpoint({
  ...disableUserEndpoint,
  path: '/v1/admin/users/{user_id}/enable',
  operation: 'enableUser',
  summary: 'Take an account in again; what ended stays ended',
  errors: [...MANAGING, rightsExceeded],
});

export const resetFactorsEndpoint = defineEndpoint({
  ...disableUserEndpoint,
  path: '/v1/admin/users/{user_id}/factors/reset',
  operation: 'resetFactors',
  summary:
    'Take a lost authenticator app from an account, its passkeys too where asked for; its sessions and tokens end',
  body: bodyReason.extend({
    /** True: every passkey goes, too, and the password alone is left. Without it they and their recovery codes stay. */
    passkeys: z.boolean().default(false),
  }),
  errors: [...MANAGING, rightsExceeded, factorsAbsent],
});

export const deleteUserEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/v1/admin/users/{user_id}',
  operation: 'deleteUser',
  summary: 'Delete an account with its sessions, logins and tokens',
  tag: USERS,
  auth: manages('users:manage'),
  params: byUser,
  query: z.strictObject({ reason }),
  responses: { 204: null },
  errors: [...MANAGING, rightsExceeded, lastAdmin],
});

export const grantRoleEndpoint = defineEndpoint({
  method: 'PUT',
  path: '/v1/admin/users/{user_id}/roles/{role}',
  operation: 'grantRole',
  summary: 'Give an account a role, by somebody who has its rights; the next token has it',
  tag: USERS,
  auth: manages('users:manage'),
  params: byUserAndRole,
  body: bodyReason,
  responses: { 200: accountDetailShape },
  errors: [...MANAGING, rightsExceeded, roleUnknown],
});

export const removeRoleEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/v1/admin/users/{user_id}/roles/{role}',
  operation: 'removeRole',
  summary: 'Take a role away; tokens and logins from before end',
  tag: USERS,
  auth: manages('users:manage'),
  params: byUserAndRole,
  query: z.strictObject({ reason }),
  responses: { 200: accountDetailShape },
  errors: [...MANAGING, rightsExceeded, lastAdmin],
});

export const endUserSessionsEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/users/{user_id}/sessions/end',
  operation: 'endUserSessions',
  summary: 'End every session, login and token of a user',
  tag: SESSIONS,
  auth: manages('sessions:manage'),
  params: byUser,
  body: bodyReason,
  responses: { 200: z.object({ sessions: z.int() }) },
  errors: MANAGING,
});

const liveSessionShape = z.object({
  id: z.string(),
  user_id: z.string(),
  created_at: z.string(),
  expires_at: z.string(),
  ip_address: z.string().nullable(),
  user_agent: z.string().nullable(),
  /** Which clients have live tokens of it. */
  logins: z.array(
    z.object({
      family_id: z.string(),
      client_id: z.string(),
      scope: z.string(),
      device: z.record(z.string(), z.unknown()),
      created_at: z.string(),
      refreshed_at: z.string(),
      expires_at: z.string(),
    }),
  ),
});
export type LiveSessionView = z.output<typeof liveSessionShape>;

const bySession = z.strictObject({ session_id: identifier });

export const listSessionsEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/admin/sessions',
  operation: 'listSessions',
  summary: 'Live sessions with their logins, the newest first',
  tag: SESSIONS,
  auth: reads('sessions:read'),
  query: z.strictObject({ ...pageQuery, user_id: identifier.optional(), client_id: identifier.optional() }),
  responses: { 200: z.object({ sessions: z.array(liveSessionShape), next: z.string().nullable() }) },
  errors: [...REFUSALS, cursorInvalid],
});

export const endSessionEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/v1/admin/sessions/{session_id}',
  operation: 'endSession',
  summary: 'End a session with its logins and tokens',
  tag: SESSIONS,
  auth: manages('sessions:manage'),
  params: bySession,
  query: z.strictObject({ reason }),
  responses: { 204: null },
  errors: [...REFUSALS, stepUpRequired, sessionUnknown],
});

const OWN = { accepts: ['bearer', 'session'] } as const;

export const listOwnSessionsEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/sessions',
  operation: 'listOwnSessions',
  summary: 'One’s own live sessions with their logins, the newest first',
  tag: SESSIONS,
  auth: OWN,
  query: z.strictObject(pageQuery),
  responses: {
    200: z.object({
      sessions: z.array(liveSessionShape.extend({ current: z.boolean() })),
      next: z.string().nullable(),
    }),
  },
  errors: [...REFUSALS, cursorInvalid],
});

export const endOwnSessionEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/v1/sessions/{session_id}',
  operation: 'endOwnSession',
  summary: 'End one of one’s own sessions, with its logins and tokens',
  tag: SESSIONS,
  auth: OWN,
  params: bySession,
  responses: { 204: null },
  errors: [...REFUSALS, sessionUnknown],
});
