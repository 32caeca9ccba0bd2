import { z } from 'zod';
import { anyRoleName, bodyReason, manages, reason, text } from '#services/core/access/admin-shapes.ts';
import { roleSelfGrant, roleUnknown } from '#services/core/access/errors.ts';
import { rightsExceeded } from '#services/core/authority/errors.ts';
import { userUnknown } from '#services/core/tokens/errors.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { directoryStale, storeUnavailable } from '#services/platform/errors.ts';
import { usersManage } from '../permissions.ts';
import { codeInvalid, invitationOver, passwordHashUnknown } from './account-errors.ts';
import { accountDetailShape, byUser } from './admin-contract.ts';
import { passwordErrors } from './password-errors.ts';
import { emailShape, nameShape, passwordShape } from './sign-in-contract.ts';
import { emailTaken, hashingBusy } from './sign-in-errors.ts';

const TAG = 'Users';

const invitation = z.strictObject({
  email: emailShape,
  name: nameShape.optional(),
  /** Roles besides `user`, granted at once with `password_hash`, else on acceptance; the caller must have their rights. */
  roles: z.array(anyRoleName).max(20).optional(),
  /** A bcrypt, scrypt, argon2id or PBKDF2 digest in a common format; upgraded at the first sign-in. */
  password_hash: text(512).optional(),
  reason,
});
export type NewInvitation = z.output<typeof invitation>;

export const inviteUserEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/users',
  operation: 'inviteUser',
  summary: 'Create an account and mail an invitation; with `password_hash` the account has a password already',
  tag: TAG,
  auth: manages(usersManage),
  body: invitation,
  idempotency: 'answer',
  responses: { 201: accountDetailShape },
  errors: [passwordHashUnknown, rightsExceeded, roleSelfGrant, roleUnknown, emailTaken],
});

export const inviteAgainEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/users/{user_id}/invite',
  operation: 'inviteAgain',
  summary: 'Mail another invitation that replaces the previous ones',
  tag: TAG,
  auth: manages(usersManage),
  params: byUser,
  body: bodyReason,
  idempotency: 'answer',
  responses: { 200: accountDetailShape },
  errors: [userUnknown, rightsExceeded, roleSelfGrant, invitationOver],
});

export const acceptInvitationEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/accept-invitation',
  operation: 'acceptInvitation',
  summary: 'Set the password of an invited account by its mailed code, which verifies the address too',
  tag: 'Accounts',
  auth: 'public',
  limit: 'credential',
  body: z.strictObject({ token: z.string().max(128), new_password: passwordShape }),
  responses: { 200: z.object({ status: z.literal('invitation_accepted') }) },
  errors: [codeInvalid, ...passwordErrors, hashingBusy, storeUnavailable, directoryStale],
});
