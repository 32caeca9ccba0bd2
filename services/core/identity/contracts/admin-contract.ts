import { z } from 'zod';
import {
  anyRoleName,
  bodyReason,
  manages,
  pageQuery,
  reads,
  reason,
  text,
} from '#services/core/access/admin-shapes.ts';
import { roleSelfGrant, roleUnknown } from '#services/core/access/errors.ts';
import { rightsExceeded } from '#services/core/authority/errors.ts';
import { userUnknown } from '#services/core/tokens/errors.ts';
import { component, componentNames } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { sessionsManage, sessionsRead, usersManage, usersRead } from '../permissions.ts';
import { accountDisabled } from './account-errors.ts';
import { factorsAbsent } from './factors-errors.ts';
import { emailShape } from './sign-in-contract.ts';
import { emailTaken, lastAdmin, loginLocked, sessionUnknown } from './sign-in-errors.ts';

const defineEndpoint = endpointsOf('Users');
const defineSessionEndpoint = endpointsOf('Sessions');
const identifier = text(255);
const instant = z.iso.datetime({ offset: true }).max(40);
const accountShape = component('Account', {
  id: z.string(),
  email: z.string(),
  name: z.string().nullable(),
  email_verified_at: z.string().nullable(),
  roles: z.array(z.string()),
  disabled_at: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
});
export const accountDetailShape = accountShape
  .extend({
    /** Roles of a pending invitation, granted when it is accepted. */
    invited_roles: z.array(z.string()),
    sessions: z.int(),
    /** Live token families, with a browser session or without. */
    logins: z.int(),
    last_login_at: z.string().nullable(),
    /** Null if the account never had a password. */
    password_changed_at: z.string().nullable(),
    /** Consecutive wrong passwords from unknown devices. */
    failed_logins: z.int(),
    /**
     * Until this time, passwords from unknown devices are refused without verification. Null unless a timed lock is
     * active.
     */
    locked_until: z.string().nullable(),
    /**
     * Passwords from unknown devices are refused until a passkey, a mailed code, a known device or an administrator (POST
     * …/unlock) unlocks the account.
     */
    password_closed: z.boolean(),
    /** Factors other than the password; `owed`: an import could not bring one, so it is enrolled before the first session. */
    factors: z.object({ totp: z.boolean(), passkeys: z.int(), recovery_codes_left: z.int(), owed: z.boolean() }),
  })
  .register(componentNames, { id: 'AccountDetail' });
export type AccountView = z.output<typeof accountShape>;
export type AccountDetailView = z.output<typeof accountDetailShape>;

export const byUser = z.strictObject({ user_id: identifier });
const byUserAndRole = z.strictObject({ user_id: identifier, role: anyRoleName });

export const listUsersEndpoint = defineEndpoint({
  path: '/v1/admin/users',
  operation: 'listUsers',
  summary: 'List accounts, newest first',
  reads: 'replica',
  auth: reads(usersRead),
  query: z.strictObject({
    ...pageQuery,
    /** Prefix of the address, at least three characters. */
    email_prefix: text(254).min(3).optional(),
    role: anyRoleName.optional(),
    disabled: z.enum(['true', 'false']).optional(),
    created_from: instant.optional(),
    created_to: instant.optional(),
  }),
  responses: { 200: z.object({ users: z.array(accountShape), next: z.string().nullable() }) },
});

export const readUserEndpoint = defineEndpoint({
  path: '/v1/admin/users/{user_id}',
  operation: 'readUser',
  summary: 'Read an account with its sessions, token families, locks and second factors',
  auth: reads(usersRead),
  params: byUser,
  responses: { 200: accountDetailShape },
  errors: [userUnknown],
});

/** In the order of their weight: the first that applies is the answer. */
const SIGN_IN_CAUSES = [
  'disabled',
  'invited',
  'email_unverified',
  'password_closed',
  'password_locked',
  'no_sign_in_method',
  'second_factor_spent',
  'second_factor_locked',
  'no_password',
  'second_factor_missing',
  'second_factor_owed',
  'session_limit',
  'nothing',
] as const;
/** What helps: `POST /v1/admin/users/{user_id}/` and this. */
const HELPING_ACTS = ['enable', 'invite', 'unlock', 'factors/reset', 'password-mail'] as const;
const causeShape = component('SignInCause', {
  cause: z.enum(SIGN_IN_CAUSES),
  /** Whether it refuses a sign-in, or only explains what the user sees. */
  refuses: z.boolean(),
  /** Null: the user can do something, or nothing needs to be done. */
  act: z.enum(HELPING_ACTS).nullable(),
  /** When a disabled account was disabled, or the last sign-in was. */
  since: z.string().nullable().optional(),
  /** When a lock or an invitation ends. */
  until: z.string().nullable().optional(),
  is_expired: z.boolean().optional(),
  /** Who disabled the account, and why; absent until the event is sealed. */
  by: z.object({ kind: z.string(), id: z.string().nullable() }).optional(),
  reason: z.string().optional(),
  /** Consecutive wrong passwords. */
  failures: z.int().optional(),
  /** An incident closed the account. */
  by_incident: z.boolean().optional(),
  codes_left: z.int().optional(),
  /** What the user signs in with instead: providers, `passkey`. */
  methods: z.array(z.string()).optional(),
  /** Roles without effect. */
  roles: z.array(z.string()).optional(),
  sessions: z.int().optional(),
});
export type SignInCause = z.output<typeof causeShape>;
const explanationShape = causeShape
  .extend({
    user_id: z.string(),
    email: z.string(),
    /** Other causes that apply, by weight. */
    also: z.array(causeShape),
  })
  .register(componentNames, { id: 'SignInExplanation' });
export type SignInExplanation = z.output<typeof explanationShape>;

export const explainSignInEndpoint = defineEndpoint({
  ...readUserEndpoint,
  path: '/v1/admin/users/{user_id}/why',
  operation: 'explainSignIn',
  summary: 'Explain why a user cannot sign in, with the act that helps',
  responses: { 200: explanationShape },
});

export const disableUserEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/users/{user_id}/disable',
  operation: 'disableUser',
  summary: 'Disable an account and end its sessions, token families and tokens',
  auth: manages(usersManage),
  params: byUser,
  body: bodyReason,
  responses: { 200: accountDetailShape },
  errors: [userUnknown, rightsExceeded, lastAdmin],
});

export const enableUserEndpoint = defineEndpoint({
  ...disableUserEndpoint,
  path: '/v1/admin/users/{user_id}/enable',
  operation: 'enableUser',
  summary: 'Enable a disabled account; ended sessions stay ended',
  errors: [userUnknown, rightsExceeded],
});

export const resetFactorsEndpoint = defineEndpoint({
  ...disableUserEndpoint,
  path: '/v1/admin/users/{user_id}/factors/reset',
  operation: 'resetFactors',
  summary: 'Remove a lost authenticator app, and on request the passkeys, and end the account’s sessions and tokens',
  body: bodyReason.extend({
    /**
     * True removes every passkey too, and only the password remains. False keeps passkeys and recovery codes.
     */
    passkeys: z.boolean().default(false),
  }),
  errors: [userUnknown, rightsExceeded, factorsAbsent],
});

/** Of acts for the owner of an account: a retry with the same key sends no second mail. */
const HELPING = [userUnknown, rightsExceeded] as const;

export const sendPasswordMailEndpoint = defineEndpoint({
  ...disableUserEndpoint,
  path: '/v1/admin/users/{user_id}/password-mail',
  operation: 'sendPasswordMail',
  summary: 'Mail the owner of an account a code for a new password',
  idempotency: 'answer',
  errors: [...HELPING, accountDisabled],
});

export const verifyUserEmailEndpoint = defineEndpoint({
  ...disableUserEndpoint,
  path: '/v1/admin/users/{user_id}/email/verify',
  operation: 'verifyUserEmail',
  summary: 'Confirm the address of an account without a code; a pending invitation ends, and its roles are not granted',
  idempotency: 'answer',
  errors: HELPING,
});

export const changeUserEmailEndpoint = defineEndpoint({
  ...disableUserEndpoint,
  path: '/v1/admin/users/{user_id}/email/change',
  operation: 'changeUserEmail',
  summary: 'Change the address of an account at once and tell the old one; its sessions go on',
  /** The new address is verified if the old one was: the caller vouches for it. */
  body: bodyReason.extend({ email: emailShape }),
  idempotency: 'answer',
  errors: [...HELPING, emailTaken, loginLocked],
});

export const deleteUserEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/v1/admin/users/{user_id}',
  operation: 'deleteUser',
  summary: 'Delete an account with its sessions, token families and tokens',
  auth: manages(usersManage),
  params: byUser,
  query: z.strictObject({ reason }),
  responses: { 204: null },
  errors: [userUnknown, rightsExceeded, lastAdmin],
});

export const grantRoleEndpoint = defineEndpoint({
  method: 'PUT',
  path: '/v1/admin/users/{user_id}/roles/{role}',
  operation: 'grantRole',
  summary: 'Grant a role whose rights the caller has; the next token carries it',
  auth: manages(usersManage),
  params: byUserAndRole,
  body: bodyReason,
  responses: { 200: accountDetailShape },
  errors: [userUnknown, rightsExceeded, roleSelfGrant, roleUnknown],
});

export const removeRoleEndpoint = defineEndpoint({
  ...deleteUserEndpoint,
  path: '/v1/admin/users/{user_id}/roles/{role}',
  operation: 'removeRole',
  summary: 'Remove a role and end the tokens and token families issued with it',
  params: byUserAndRole,
  responses: { 200: accountDetailShape },
});

export const endUserSessionsEndpoint = defineSessionEndpoint({
  ...disableUserEndpoint,
  path: '/v1/admin/users/{user_id}/sessions/end',
  operation: 'endUserSessions',
  summary: 'End every session, token family and token of a user',
  auth: manages(sessionsManage),
  responses: { 200: z.object({ sessions: z.int() }) },
  errors: [userUnknown],
});

const liveSessionShape = component('LiveSession', {
  id: z.string(),
  user_id: z.string(),
  created_at: z.string(),
  expires_at: z.string(),
  ip_address: z.string().nullable(),
  user_agent: z.string().nullable(),
  /** The live token families of the session, one for each client that signed in with it. */
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

export const listSessionsEndpoint = defineSessionEndpoint({
  path: '/v1/admin/sessions',
  operation: 'listSessions',
  summary: 'List live sessions with their token families, newest first',
  reads: 'replica',
  auth: reads(sessionsRead),
  query: z.strictObject({ ...pageQuery, user_id: identifier.optional(), client_id: identifier.optional() }),
  responses: { 200: z.object({ sessions: z.array(liveSessionShape), next: z.string().nullable() }) },
});

/** Live token families that are counted; beyond it the answer says that there are more. */
export const REACH_MAX = 10_000;
const reachShape = component('Reach', {
  /** Live token families: sign-ins at applications. */
  logins: z.int(),
  sessions: z.int(),
  applications: z.int(),
  users: z.int(),
  /** There are more than were counted. */
  is_more: z.boolean(),
});
export type ReachView = z.output<typeof reachShape>;

export const readReachEndpoint = defineSessionEndpoint({
  path: '/v1/admin/sessions/reach',
  operation: 'readReach',
  summary:
    'Count what ends with a user, a client or a session: up to 10,000 token families, and then that there are more',
  auth: reads(sessionsRead),
  query: z.strictObject({
    user_id: identifier.optional(),
    client_id: identifier.optional(),
    session_id: identifier.optional(),
  }),
  responses: { 200: reachShape },
});

export const endSessionEndpoint = defineSessionEndpoint({
  method: 'DELETE',
  path: '/v1/admin/sessions/{session_id}',
  operation: 'endSession',
  summary: 'End a session with its token families and tokens',
  auth: manages(sessionsManage),
  params: bySession,
  query: z.strictObject({ reason }),
  responses: { 204: null },
  errors: [sessionUnknown],
});

const OWN = { accepts: ['bearer', 'session'], for: 'person', subject: 'own' } as const;

export const listOwnSessionsEndpoint = defineSessionEndpoint({
  path: '/v1/sessions',
  operation: 'listOwnSessions',
  summary: 'List the caller’s live sessions with their token families, newest first',
  auth: OWN,
  query: z.strictObject(pageQuery),
  responses: {
    200: z.object({
      sessions: z.array(liveSessionShape.extend({ current: z.boolean() })),
      next: z.string().nullable(),
    }),
  },
});

export const endOwnSessionEndpoint = defineSessionEndpoint({
  method: 'DELETE',
  path: '/v1/sessions/{session_id}',
  operation: 'endOwnSession',
  summary: 'End one of the caller’s sessions with its token families and tokens',
  auth: OWN,
  params: bySession,
  responses: { 204: null },
  errors: [sessionUnknown],
});
