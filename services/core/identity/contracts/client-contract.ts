import { z } from 'zod';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { stepUpRequired } from '#services/platform/errors.ts';
import { currentPasswordWrong } from './account-errors.ts';
import { clientSessionShape, clientSignInShape, done } from './client-shapes.ts';
import { answerSecondFactorEndpoint, confirmTotpEndpoint, stepUpEndpoint } from './factors-contract.ts';
import { factorConflict } from './factors-errors.ts';
import { own, ownFresh, password, recovery_code, TAG, totp } from './factors-shapes.ts';
import { hashingBusy, loginLocked } from './sign-in-errors.ts';

/** Endpoints that only Better Auth's client calls; for each there is one of ours (docs/how-to/use-the-better-auth-client.md). */

const defineEndpoint = endpointsOf(TAG);
const defineSessionEndpoint = endpointsOf('Sessions');
const emptyBody = { body: z.strictObject({}), bodyOptional: true } as const;

export const listClientSessionsEndpoint = defineSessionEndpoint({
  path: '/api/auth/list-sessions',
  operation: 'listClientSessions',
  summary: 'List the caller’s hundred newest sessions, as Better Auth’s client expects them',
  auth: own,
  responses: { 200: z.array(clientSessionShape) },
});

export const revokeClientSessionEndpoint = defineSessionEndpoint({
  method: 'POST',
  path: '/api/auth/revoke-session',
  operation: 'revokeClientSession',
  summary: 'End one of the caller’s sessions with its token families and tokens',
  auth: own,
  // As listed: the id of the session.
  body: z.strictObject({ token: z.string().regex(/^[\w-]{1,128}$/) }),
  // The same if there is no such session, or if it is another user's.
  responses: { 200: done },
});

export const revokeClientSessionsEndpoint = defineSessionEndpoint({
  method: 'POST',
  path: '/api/auth/revoke-sessions',
  operation: 'revokeClientSessions',
  summary: 'End every session of the caller with its token families and tokens',
  auth: own,
  ...emptyBody,
  responses: { 200: done },
});

export const revokeOtherClientSessionsEndpoint = defineSessionEndpoint({
  ...revokeClientSessionsEndpoint,
  path: '/api/auth/revoke-other-sessions',
  operation: 'revokeOtherClientSessions',
  summary: 'End every other session of the caller with its token families and tokens',
});

/** Without a session: the second step of a sign-in. With one: the first code of an enrolment, or a step-up. */
const ofCookieOrChallenge = { ...own, optional: true } as const;
const trustDevice = z.boolean().optional();
const verified = [...answerSecondFactorEndpoint.errors, ...stepUpEndpoint.errors];

export const verifyClientTotpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/two-factor/verify-totp',
  operation: 'verifyClientTotp',
  summary: 'Send a code of the authenticator app, to complete a sign-in or an enrolment, or to authenticate again',
  auth: ofCookieOrChallenge,
  limit: 'credential',
  body: z.strictObject({ code: totp, trustDevice }),
  responses: { 200: clientSignInShape },
  errors: [...verified, ...confirmTotpEndpoint.errors, stepUpRequired],
});

export const verifyClientBackupCodeEndpoint = defineEndpoint({
  ...verifyClientTotpEndpoint,
  path: '/api/auth/two-factor/verify-backup-code',
  operation: 'verifyClientBackupCode',
  summary: 'Send a recovery code, to complete a sign-in or to authenticate again',
  body: z.strictObject({ code: recovery_code, trustDevice, disableSession: z.literal(false).optional() }),
  errors: verified,
});

export const generateBackupCodesEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/two-factor/generate-backup-codes',
  operation: 'generateBackupCodes',
  summary: 'Replace the recovery codes with ten new ones, shown once',
  auth: ownFresh,
  limit: 'credential',
  body: z.strictObject({ password: password.optional() }),
  responses: { 200: done.extend({ backupCodes: z.array(z.string()) }) },
  errors: [factorConflict, currentPasswordWrong, loginLocked, hashingBusy],
});
