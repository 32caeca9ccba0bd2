import { readFileSync } from 'node:fs';
import type { FastifyRequest } from 'fastify';
import { listApiKeys } from '#services/domain/api-keys/list-api-keys.ts';
import { revokeApiKey } from '#services/domain/api-keys/revoke-api-key.ts';
import { changeEmail } from '#services/domain/identity/accounts/change-email.ts';
import { changePassword } from '#services/domain/identity/accounts/change-password.ts';
import { deleteAccount } from '#services/domain/identity/accounts/delete-account.ts';
import { readProfile, updateProfile } from '#services/domain/identity/accounts/update-profile.ts';
import { emailShape } from '#services/domain/identity/contract.ts';
import { normaliseEmail } from '#services/domain/identity/email.ts';
import { confirmTotpEnrolment, enrolTotp } from '#services/domain/identity/factors/enrol-totp.ts';
import { factorCodeWrong } from '#services/domain/identity/factors/factors-errors.ts';
import { listFactors, listPasskeys } from '#services/domain/identity/factors/own-factors.ts';
import { removePasskey, removeTotpFactor } from '#services/domain/identity/factors/remove-factor.ts';
import { renewRecoveryCodes } from '#services/domain/identity/factors/renew-recovery-codes.ts';
import { stepUp } from '#services/domain/identity/factors/step-up.ts';
import { clearedCookies } from '#services/domain/identity/sessions/csrf.ts';
import { endOwnSession, listOwnSessions } from '#services/domain/identity/sessions/manage-sessions.ts';
import { sessionCallerOf } from '#services/domain/identity/sessions/open-session.ts';
import { findByCookie } from '#services/domain/identity/sessions/read-session.ts';
import { listLinkedAccounts, unlinkAccount } from '#services/domain/identity/social/linked-accounts.ts';
import { listConsents } from '#services/domain/oauth/consents/list-consents.ts';
import { withdrawConsent } from '#services/domain/oauth/consents/withdraw-consent.ts';
import {
  ACCOUNT_ACTS,
  type AccountAct,
  type AccountForm,
  exportAccountEndpoint,
  readAccountScriptEndpoint,
  sendAccountEndpoint,
  showAccountEndpoint,
} from '#services/domain/oauth/own-account-page-contract.ts';
import type { Caller } from '#services/domain/ports.ts';
import type { Page as ListPage } from '#services/domain/shared/pagination.ts';
import { assertRecentSignIn, type HasStepUp } from '#services/domain/shared/step-up.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { stepUpRequired, unauthenticated } from '#services/platform/errors.ts';
import { type Answer, answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';
import { asPage, expiredForm, goTo, isOwnForm, showPage, tieForm, withErrorHeaders } from '../pages/browser-form.ts';
import type { Said } from '../pages/fields.ts';
import {
  type AccountView,
  accountDeletedPage,
  accountPage,
  recoveryCodesPage,
  stepUpPage,
  totpPage,
} from '../pages/own-account-pages.ts';
import { saidOf } from '../pages/problems.ts';
import type { AccountPagesPorts } from './account-pages.ts';
import type { ApiKeysRoutesDeps } from './api-keys.ts';

export type OwnAccountPagesPorts = AccountPagesPorts & ApiKeysRoutesDeps & HasStepUp;

const SCRIPT = readFileSync(new URL('../pages/passkey-add.js', import.meta.url), 'utf8');
const PATH = showAccountEndpoint.path;
/** Items of each list on the page, which stays below 30 KB; the export has all. */
const SHOWN = 8;
const EXPORT_PAGE = 100;
const EXPORT_PAGES = 100;

const toSignIn = (): Answer => goTo(`/login?${new URLSearchParams({ next: PATH })}`);

/** The user of the session cookie as a caller; null if no user is signed in. */
async function userOf(ports: OwnAccountPagesPorts, request: FastifyRequest, caller: Caller): Promise<Caller | null> {
  const live = await findByCookie(ports, request.headers.cookie);
  return live && sessionCallerOf(live, ports, caller);
}

async function readAccount(ports: OwnAccountPagesPorts, user: Caller): Promise<AccountView> {
  const limit = { limit: SHOWN };
  const [{ user: profile }, sessions, factors, { passkeys }, { accounts }, consents, apiKeys] = await Promise.all([
    readProfile(ports, undefined, user),
    listOwnSessions(ports, limit, user),
    listFactors(ports, user),
    listPasskeys(ports, user),
    listLinkedAccounts(ports, {}, user),
    listConsents(ports, limit, user),
    listApiKeys(ports, limit, user),
  ]);
  const lists = { sessions, consents, apiKeys };
  return {
    email: profile.email,
    isVerified: profile.emailVerified,
    name: profile.name ?? '',
    sessions: sessions.items,
    factors,
    passkeys,
    linked: accounts,
    consents: consents.items,
    apiKeys: apiKeys.items,
    longer: new Set((Object.keys(lists) as (keyof typeof lists)[]).filter((name) => lists[name].next !== null)),
  };
}

async function showAccount(
  ports: OwnAccountPagesPorts,
  request: FastifyRequest,
  user: Caller,
  said: { readonly done?: AccountAct | undefined; readonly problem?: Said; readonly status?: number } = {},
): Promise<Answer> {
  const account = await readAccount(ports, user);
  const { token, setCookie } = tieForm(ports, request);
  const { done, problem, status = 200 } = said;
  return showPage(status, accountPage({ formToken: token, account, done, problem }), { setCookie });
}

async function showStepUp(
  ports: OwnAccountPagesPorts,
  request: FastifyRequest,
  user: Caller,
  error?: AppError,
): Promise<Answer> {
  const { totp, passkeys } = await listFactors(ports, user);
  const { token, setCookie } = tieForm(ports, request);
  const page = stepUpPage({ formToken: token, hasFactor: totp || passkeys > 0, problem: error && saidOf(error) });
  return showPage(error?.definition.status ?? 403, page, { setCookie });
}

/** What a form does; the answer of most is the page again, with what was done. */
type Done = { readonly act: AccountAct; readonly setCookie?: readonly string[] } | { readonly answer: Answer };

type Sent = { readonly form: AccountForm; readonly user: Caller; readonly request: FastifyRequest };

/** The forms that the JSON API accepts only after a recent sign-in. */
const FRESH: ReadonlySet<AccountForm['act']> = new Set([
  'email',
  'unlink',
  'remove_passkey',
  'enable_totp',
  'confirm_totp',
  'disable_totp',
  'renew_codes',
  'delete',
]);

function assertFresh(ports: HasStepUp, { act }: AccountForm, user: Caller): void {
  // A new password verifies the password again, which replaces a recent sign-in with one factor.
  const isOfTwoFactors = user.kind === 'user' && user.acr === 'aal2';
  if (FRESH.has(act) || (act === 'password' && isOfTwoFactors))
    assertRecentSignIn(user, ports.stepUp, { usesPermission: false });
}

const codeOf = (text: string): string => text.replaceAll(/\s/g, '');

async function perform(ports: OwnAccountPagesPorts, { form, user, request }: Sent): Promise<Done> {
  const { cookie } = request.headers;
  const at = { cookie, signal: request.signal };
  switch (form.act) {
    case 'profile':
      await updateProfile(ports, { name: form.name === '' ? null : form.name }, user);
      return { act: form.act };
    case 'password': {
      const input = { currentPassword: form.current_password, newPassword: form.password, ...at };
      const { setCookie } = await changePassword(ports, input, user);
      return { act: form.act, setCookie };
    }
    case 'email':
      await changeEmail(ports, { newEmail: form.email }, user);
      return { act: form.act };
    case 'end_session':
      await endOwnSession(ports, { sessionId: form.session_id }, user);
      return { act: form.act };
    case 'withdraw':
      await withdrawConsent(ports, form.client_id, user);
      return { act: form.act };
    case 'revoke_key':
      await revokeApiKey(ports, { apiKeyId: form.api_key_id }, user);
      return { act: form.act };
    case 'unlink':
      await unlinkAccount(ports, { providerId: form.provider, accountId: form.account_id }, user);
      return { act: form.act };
    case 'remove_passkey':
      return { act: form.act, setCookie: (await removePasskey(ports, { id: form.passkey_id, ...at }, user)).setCookie };
    case 'enable_totp': {
      const enrolment = await enrolTotp(ports, { password: form.password, ...at }, user);
      const { token, setCookie } = tieForm(ports, request);
      return { answer: showPage(200, totpPage({ formToken: token, enrolment }), { setCookie }) };
    }
    case 'confirm_totp':
      return {
        act: form.act,
        setCookie: (await confirmTotpEnrolment(ports, { code: codeOf(form.code), ...at }, user)).setCookie,
      };
    case 'disable_totp':
      return { act: form.act, setCookie: (await removeTotpFactor(ports, at, user)).setCookie };
    case 'renew_codes': {
      const { recoveryCodes } = await renewRecoveryCodes(ports, {}, user);
      return { answer: showPage(200, recoveryCodesPage(recoveryCodes)) };
    }
    case 'delete':
      await deleteAccount(ports, {}, user);
      return { answer: showPage(200, accountDeletedPage, { setCookie: clearedCookies(ports) }) };
    case 'step_up': {
      const code = codeOf(form.code ?? '');
      const factor = /^\d{6}$/.test(code) ? { totp: code } : { recoveryCode: code };
      const proof = form.password === undefined ? factor : { password: form.password };
      return { act: form.act, setCookie: (await stepUp(ports, { ...proof, ...at }, user)).setCookie };
    }
  }
}

/** What a form lacks before it is sent on; null if nothing. */
async function lackOf(ports: OwnAccountPagesPorts, form: AccountForm, user: Caller): Promise<Said | null> {
  if (form.act === 'email' && !emailShape.safeParse(form.email).success)
    return ({ language }) => language.texts.emailIncomplete;
  if (form.act !== 'delete') return null;
  const { user: profile } = await readProfile(ports, undefined, user);
  return normaliseEmail(form.email) === profile.email ? null : ({ language }) => language.texts.accountDeleteMismatch;
}

/** Shows a refused form again: where the user can correct it, or after another sign-in. */
async function showRefused(ports: OwnAccountPagesPorts, { form, user, request }: Sent, error: AppError) {
  const { code } = error;
  if (code === unauthenticated.definition.code) return toSignIn();
  if (code === stepUpRequired.definition.code) return showStepUp(ports, request, user);
  if (form.act === 'step_up') return withErrorHeaders(await showStepUp(ports, request, user, error), error);
  if (code === factorCodeWrong.definition.code) {
    const { token, setCookie } = tieForm(ports, request);
    const page = totpPage({ formToken: token, enrolment: null, problem: saidOf(error) });
    return showPage(error.definition.status, page, { setCookie });
  }
  const said = { problem: saidOf(error), status: error.definition.status };
  return withErrorHeaders(await showAccount(ports, request, user, said), error);
}

async function sendAccount(ports: OwnAccountPagesPorts, sent: Sent): Promise<Answer> {
  const { form, user, request } = sent;
  try {
    const problem = await lackOf(ports, form, user);
    if (problem !== null) return await showAccount(ports, request, user, { problem, status: 400 });
    assertFresh(ports, form, user);
    const done = await perform(ports, sent);
    return 'answer' in done ? done.answer : goTo(`${PATH}?done=${done.act}`, done.setCookie);
  } catch (err) {
    if (!isAppError(err) || err.definition.status === 500) throw err;
    return showRefused(ports, sent, err);
  }
}

/** Every item of a list, page by page. */
async function allOf<T>(list: (page: { readonly limit: number; readonly cursor?: string }) => Promise<ListPage<T>>) {
  const all: T[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < EXPORT_PAGES; page += 1) {
    const { items, next }: ListPage<T> = await list({ limit: EXPORT_PAGE, ...(cursor === null ? {} : { cursor }) });
    all.push(...items);
    if (next === null) break;
    cursor = next;
  }
  return all;
}

async function exportAccount(ports: OwnAccountPagesPorts, user: Caller): Promise<Answer> {
  const [{ user: profile }, factors, { passkeys }, { accounts }, sessions, consents, apiKeys] = await Promise.all([
    readProfile(ports, undefined, user),
    listFactors(ports, user),
    listPasskeys(ports, user),
    listLinkedAccounts(ports, {}, user),
    allOf((page) => listOwnSessions(ports, page, user)),
    allOf((page) => listConsents(ports, page, user)),
    allOf((page) => listApiKeys(ports, page, user)),
  ]);
  const content = { profile, accounts, factors, passkeys, sessions, consents, api_keys: apiKeys };
  return answer(200, `${JSON.stringify(content, null, 2)}\n`, {
    'content-type': 'application/json; charset=utf-8',
    'content-disposition': 'attachment; filename="account.json"',
    'x-content-type-options': 'nosniff',
  });
}

const actOf = (text: string | undefined): AccountAct | undefined => ACCOUNT_ACTS.find((act) => act === text);

/** The account page: what users see and change about their own account. */
export function ownAccountPagesRoutes(routes: RouteContext, ports: OwnAccountPagesPorts): void {
  bind(routes, showAccountEndpoint, ({ query }, caller, request) =>
    asPage(async () => {
      const user = await userOf(ports, request, caller);
      return user === null ? toSignIn() : showAccount(ports, request, user, { done: actOf(query.done) });
    }),
  );
  bind(routes, sendAccountEndpoint, ({ body: form }, caller, request) =>
    asPage(async () => {
      if (!isOwnForm(ports, request, form.form_token)) return expiredForm();
      const user = await userOf(ports, request, caller);
      return user === null ? toSignIn() : sendAccount(ports, { form, user, request });
    }),
  );
  bind(routes, exportAccountEndpoint, async (_input, caller, request) => {
    const user = await userOf(ports, request, caller);
    return user === null ? toSignIn() : exportAccount(ports, user);
  });
  bind(routes, readAccountScriptEndpoint, () =>
    answer(200, SCRIPT, { 'content-type': 'text/javascript; charset=utf-8' }),
  );
}
