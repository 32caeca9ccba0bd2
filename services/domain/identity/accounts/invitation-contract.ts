import { z } from 'zod';
import { bodyReason, manages, REFUSALS, reason, roleName, text } from '#services/domain/access/admin-shapes.ts';
import { rightsExceeded, roleUnknown } from '#services/domain/access/errors.ts';
import { userUnknown } from '#services/domain/tokens/errors.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { idempotencyKeyReused, requestInvalid, stepUpRequired, storeUnavailable } from '#services/platform/errors.ts';
import { accountDetailShape, byUser } from '../admin-contract.ts';
import { emailShape, nameShape, passwordShape } from '../contract.ts';
import { emailTaken, hashingBusy } from '../errors.ts';
import { passwordErrors } from '../passwords/password-errors.ts';
import { codeInvalid, invitationOver, passwordHashUnknown } from './account-errors.ts';

const TAG = 'Users';

export const inviteUserEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/users',
  operation: 'inviteUser',
  summary: 'Make an account and mail an invitation to choose its password; with `password_hash` it has one already',
  tag: TAG,
  auth: manages('users:manage'),
  body: z.strictObject({
    email: emailShape,
    name: nameShape.optional(),
    /** Beside `user`, by somebody who has their rights. */
    roles: z.array(roleName).max(20).optional(),
    /** bcrypt, scrypt, argon2id or PBKDF2, as other systems write them; replaced at the first sign-in. */
    password_hash: text(512).optional(),
    reason,
  }),
  idempotency: 'answer',
  responses: { 201: accountDetailShape },
  errors: [
    ...REFUSALS,
    stepUpRequired,
    passwordHashUnknown,
    rightsExceeded,
    roleUnknown,
    emailTaken,
    idempotencyKeyReused,
  ],
});

export const inviteAgainEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/users/{user_id}/invite',
  operation: 'inviteAgain',
  summary: 'Mail another invitation in the place of the ones before',
  tag: TAG,
  auth: manages('users:manage'),
  params: byUser,
  body: bodyReason,
  responses: { 200: accountDetailShape },
  errors: [...REFUSALS, stepUpRequired, userUnknown, rightsExceeded, invitationOver],
});

export const acceptInvitationEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/accept-invitation',
  operation: 'acceptInvitation',
  summary: 'Choose the password of an account by the code of its invitation, which proves the address too.',
  tag: 'Accounts',
  auth: 'public',
  limit: 'credential',
  body: z.strictObject({ token: z.string().max(128), new_password: passwordShape }),
  responses: { 200: z.object({ status: z.literal('invitation_accepted') }) },
  errors: [requestInvalid, codeInvalid, ...passwordErrors, hashingBusy, storeUnavailable],
});
