import { z } from 'zod';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import {
  originRefused,
  permissionMissing,
  stepUpRequired,
  storeUnavailable,
  unauthenticated,
} from '#services/platform/errors.ts';
import { keyName, keyPermission } from '../api-keys/contract.ts';
import { apiKeyTooMany, apiKeyUnknown } from '../api-keys/errors.ts';
import { rightsExceeded } from '../authority/errors.ts';
import { changePasswordEndpoint, deleteOwnUserEndpoint } from '../identity/contracts/account-contract.ts';
import {
  confirmTotpEndpoint,
  enrolTotpEndpoint,
  removeTotpEndpoint,
  stepUpEndpoint,
} from '../identity/contracts/factors-contract.ts';
import { passkeyName, removePasskeyEndpoint } from '../identity/contracts/passkeys-contract.ts';
import { NO_CONTROLS, nameShape, passwordShape } from '../identity/contracts/sign-in-contract.ts';
import { sessionUnknown } from '../identity/contracts/sign-in-errors.ts';
import { unlinkAccountEndpoint } from '../identity/contracts/social-contract.ts';
import { stateRewound } from '../revocations/contract.ts';
import { consentUnknown } from './client-errors.ts';
import { formTokenShape, PAGE, sentForm, shownPage } from './oauth-shapes.ts';

const defineEndpoint = endpointsOf('Accounts');

/** What the account page says was done. */
export const ACCOUNT_ACTS = [
  'profile',
  'password',
  'email',
  'end_session',
  'end_other_sessions',
  'withdraw',
  'revoke_key',
  'unlink',
  'add_passkey',
  'rename_passkey',
  'remove_passkey',
  'confirm_totp',
  'disable_totp',
  'step_up',
] as const;
export type AccountAct = (typeof ACCOUNT_ACTS)[number];

/** The sections of the account page, in the order of its navigation. */
const SECTIONS = ['profile', 'security', 'sessions', 'applications', 'keys', 'data'] as const;
export type AccountSection = (typeof SECTIONS)[number];

const shown = {
  ...shownPage,
  query: z.looseObject({ done: z.string().max(32).optional() }),
  responses: { 200: PAGE, 303: null },
  errors: [storeUnavailable],
} as const;

export const showAccountEndpoint = defineEndpoint({
  ...shown,
  path: '/account',
  operation: 'showAccount',
  summary: 'Open the account page of the signed-in user with name and address, or the sign-in page',
});

export const showAccountSecurityEndpoint = defineEndpoint({
  ...shown,
  path: '/account/security',
  operation: 'showAccountSecurity',
  summary: 'Open the account page with password, second factors, passkeys and other providers',
});

export const showAccountSessionsEndpoint = defineEndpoint({
  ...shown,
  path: '/account/sessions',
  operation: 'showAccountSessions',
  summary: 'Open the account page with the sessions of the user',
});

export const showAccountApplicationsEndpoint = defineEndpoint({
  ...shown,
  path: '/account/applications',
  operation: 'showAccountApplications',
  summary: 'Open the account page with the applications that have access',
});

export const showAccountKeysEndpoint = defineEndpoint({
  ...shown,
  path: '/account/api-keys',
  operation: 'showAccountKeys',
  summary: 'Open the account page with the API keys of the user',
});

export const showAccountDataEndpoint = defineEndpoint({
  ...shown,
  path: '/account/data',
  operation: 'showAccountData',
  summary: 'Open the account page that exports the data and deletes the account',
});

const act = <const A extends string, S extends z.ZodRawShape>(name: A, fields: S) =>
  z.strictObject({ form_token: formTokenShape, act: z.literal(name), ...fields });
const id = z.string().max(255).regex(NO_CONTROLS);
const passkeyId = z.string().regex(/^[\w-]{1,64}$/);

const accountForm = z.union([
  act('profile', { name: nameShape }),
  act('password', { current_password: passwordShape, password: passwordShape }),
  act('email', { email: z.string().max(254).regex(NO_CONTROLS) }),
  act('end_session', { session_id: id }),
  act('end_other_sessions', {}),
  act('withdraw', { client_id: id }),
  act('revoke_key', { api_key_id: z.uuid() }),
  act('create_key', {
    name: keyName,
    /** Days, up to the longest lifetime. */
    days: z.string().regex(/^([1-9]\d?|[12]\d\d|3[0-5]\d|36[0-6])$/),
    permissions: z.union([keyPermission, z.array(keyPermission).max(64)]).optional(),
  }),
  act('unlink', { provider: z.string().max(32), account_id: id }),
  act('rename_passkey', { passkey_id: passkeyId, name: passkeyName }),
  act('remove_passkey', { passkey_id: passkeyId }),
  act('enable_totp', { password: passwordShape }),
  act('confirm_totp', {
    code: z.string().max(64),
    /** What the page shows until the code is right: the address of the authenticator, and the recovery codes in lines. */
    totp_uri: z
      .string()
      .max(1_024)
      .regex(/^otpauth:\/\/totp\/[!-~]+$/)
      .optional(),
    recovery_codes: z.string().max(512).optional(),
  }),
  act('disable_totp', {}),
  act('renew_codes', {}),
  act('delete', { email: z.string().max(254).regex(NO_CONTROLS) }),
  act('step_up', {
    password: passwordShape.optional(),
    code: z.string().max(64).optional(),
    /** Where the user goes on. */
    section: z.enum(SECTIONS).optional(),
  }),
]);
export type AccountForm = z.output<typeof accountForm>;

export const sendAccountEndpoint = defineEndpoint({
  ...sentForm,
  path: '/account',
  operation: 'sendAccount',
  summary: 'Submit one of the forms of the account page, which says what was done',
  body: accountForm,
  errors: [
    ...changePasswordEndpoint.errors,
    ...deleteOwnUserEndpoint.errors,
    ...enrolTotpEndpoint.errors,
    ...confirmTotpEndpoint.errors,
    ...removeTotpEndpoint.errors,
    ...removePasskeyEndpoint.errors,
    ...unlinkAccountEndpoint.errors,
    ...stepUpEndpoint.errors,
    rightsExceeded,
    apiKeyTooMany,
    sessionUnknown,
    apiKeyUnknown,
    consentUnknown,
    stepUpRequired,
    permissionMissing,
    originRefused,
    unauthenticated,
    stateRewound,
    storeUnavailable,
  ],
});

export const exportAccountEndpoint = defineEndpoint({
  ...shownPage,
  path: '/account/export',
  operation: 'exportAccount',
  summary: 'Download what the service keeps about the signed-in user, as JSON',
  limit: 'credential',
  responses: { 200: { contentType: 'application/json; charset=utf-8' }, 303: null },
  errors: [unauthenticated, storeUnavailable],
});

export const readAccountScriptEndpoint = defineEndpoint({
  ...shownPage,
  path: '/account/passkey.js',
  operation: 'readAccountScript',
  summary: 'Load the script of the account page that adds passkeys',
  responses: { 200: { contentType: 'text/javascript; charset=utf-8' } },
  errors: [],
});
