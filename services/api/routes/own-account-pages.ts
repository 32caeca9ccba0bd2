import { readFileSync } from 'node:fs';
import type { FastifyRequest } from 'fastify';
import { createApiKey } from '#services/core/api-keys/create-api-key.ts';
import { carriablePermissions } from '#services/core/api-keys/key-permissions.ts';
import { listApiKeys } from '#services/core/api-keys/list-api-keys.ts';
import { revokeApiKey } from '#services/core/api-keys/revoke-api-key.ts';
import { permissionsOf } from '#services/core/authority/callers.ts';
import { assertRecentSignIn, type HasStepUp, hasTwoFactors } from '#services/core/authority/recent-sign-in.ts';
import { changeEmail } from '#services/core/identity/accounts/change-email.ts';
import { changePassword } from '#services/core/identity/accounts/change-password.ts';
import { deleteAccount } from '#services/core/identity/accounts/delete-account.ts';
import { readProfile, updateProfile } from '#services/core/identity/accounts/update-profile.ts';
import { factorCodeWrong } from '#services/core/identity/contracts/factors-errors.ts';
import { emailShape } from '#services/core/identity/contracts/sign-in-contract.ts';
import { confirmTotpEnrolment, enrolTotp } from '#services/core/identity/factors/enrol-totp.ts';
import {
  acceptedCredentials,
  listFactors,
  listPasskeys,
  renamePasskey,
} from '#services/core/identity/factors/own-factors.ts';
import { isPendingTotp } from '#services/core/identity/factors/pending-totp.ts';
import { removePasskey, removeTotpFactor } from '#services/core/identity/factors/remove-factor.ts';
import { renewRecoveryCodes } from '#services/core/identity/factors/renew-recovery-codes.ts';
import { stepUp } from '#services/core/identity/factors/step-up.ts';
import { sentCode } from '#services/core/identity/factors/verify-code.ts';
import { clearedCookies } from '#services/core/identity/sessions/csrf.ts';
import { endOwnSession, endOwnSessions, listOwnSessions } from '#services/core/identity/sessions/manage-sessions.ts';
import { sessionCallerOf } from '#services/core/identity/sessions/open-session.ts';
import { findByCookie } from '#services/core/identity/sessions/read-session.ts';
import { listLinkedAccounts, unlinkAccount } from '#services/core/identity/social/linked-accounts.ts';
import type { Module } from '#services/core/module.ts';
import { ACCOUNT_SECTIONS } from '#services/core/oauth/account-sections.ts';
import { pathWithNext } from '#services/core/oauth/authorize/next-path.ts';
import { listGrantedConsents } from '#services/core/oauth/consents/list-consents.ts';
import { withdrawConsent } from '#services/core/oauth/consents/withdraw-consent.ts';
import {
  ACCOUNT_ACTS,
  type AccountAct,
  type AccountForm,
  type AccountSection,
  exportAccountEndpoint,
  readAccountScriptEndpoint,
  sendAccountEndpoint,
  showAccountEndpoint,
} from '#services/core/oauth/own-account-page-contract.ts';
import type { Caller } from '#services/core/ports.ts';
import { type Answer, answer } from '#services/core/shared/answer.ts';
import type { Said } from '#services/pages/fields.ts';
import { accountPage } from '#services/pages/own-account/account-page.ts';
import { type Outcome, type SectionView, sectionOf } from '#services/pages/own-account/account-view.ts';
import {
  accountDeletedPage,
  newKeyPage,
  recoveryCodesPage,
  stepUpPage,
  totpPage,
} from '#services/pages/own-account/factor-pages.ts';
import { saidOf } from '#services/pages/problems.ts';
import { shownDetails } from '#services/pages/shown-details.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { stepUpRequired, unauthenticated } from '#services/platform/errors.ts';
import { bind, bindPage, type RouteContext } from '../bind.ts';
import { expiredForm, goTo, isOwnForm, showPage, tieForm, withErrorHeaders } from '../requests/browser-form.ts';
import type { AccountPagesPorts } from './account-pages.ts';
import type { ApiKeysRoutesDeps } from './api-keys.ts';

export type OwnAccountPagesPorts = AccountPagesPorts &
  ApiKeysRoutesDeps &
  HasStepUp & { readonly hasConsole: boolean; readonly ownedClients: Module['ownedClients'] };

const SCRIPT = readFileSync(new URL('../../pages/passkey-add.js', import.meta.url), 'utf8');
const PATH = showAccountEndpoint.path;
/** Items of each list on the page, which stays below 30 KB; the export has all. */
const SHOWN = { limit: 20 };
const EXPORT_PAGE = 100;
const EXPORT_PAGES = 100;

const toSignIn = (path: string = PATH): Answer => goTo(pathWithNext('/login', path));

/** The user of the session cookie as a caller; null if no user is signed in. */
async function userOf(ports: OwnAccountPagesPorts, request: FastifyRequest, caller: Caller): Promise<Caller | null> {
  const live = await findByCookie(ports, request.headers.cookie);
  return live && sessionCallerOf(live, ports, caller);
}

/** One page of a list, under its name. */
type Listed<N extends string, T> = Readonly<Record<N, readonly T[]>> & { readonly next: string | null };

const listed = <N extends string, T>(name: N, answer: Listed<N, T>) => ({
  items: answer[name],
  isLonger: answer.next !== null,
});

/** What a section shows, besides the owner. */
async function readSection(ports: OwnAccountPagesPorts, section: AccountSection, user: Caller): Promise<SectionView> {
  switch (section) {
    case 'security': {
      const [factors, { passkeys }, accepted, { accounts }] = await Promise.all([
        listFactors(ports, {}, user),
        listPasskeys(ports, {}, user),
        acceptedCredentials(ports, user),
        listLinkedAccounts(ports, {}, user),
      ]);
      return { section, factors, passkeys, accepted, linked: accounts };
    }
    case 'sessions':
      return { section, ...listed('sessions', await listOwnSessions(ports, SHOWN, user)) };
    case 'applications': {
      const owned = await Promise.all((await ports.ownedClients()).map((read) => read(ports, user)));
      const { items, isLonger } = listed('consents', await listGrantedConsents(ports, SHOWN, user));
      const withWords = items.map((item) => ({
        ...item,
        details: shownDetails(ports, item.authorization_details),
      }));
      return { section, owned: owned.flat(), items: withWords, isLonger };
    }
    case 'keys':
      return {
        section,
        ...listed('api_keys', await listApiKeys(ports, SHOWN, user)),
        carriable: await carriablePermissions(ports, user),
      };
    default:
      return { section };
  }
}

async function showAccount(
  ports: OwnAccountPagesPorts,
  request: FastifyRequest,
  user: Caller,
  {
    section,
    outcome,
    status = 200,
  }: { readonly section: AccountSection; readonly outcome?: Outcome | undefined; readonly status?: number },
): Promise<Answer> {
  const [{ user: profile }, view] = await Promise.all([
    readProfile(ports, undefined, user),
    readSection(ports, section, user),
  ]);
  const owner = {
    email: profile.email,
    isVerified: profile.emailVerified,
    name: profile.name ?? '',
    usesConsole: ports.hasConsole && permissionsOf(user).size > 0,
  };
  const { token, setCookie } = tieForm(ports, request);
  return showPage(status, accountPage({ formToken: token, owner, view, outcome }), { setCookie });
}

const sectionAfter = (form: AccountForm): AccountSection =>
  (form.act === 'step_up' ? form.section : undefined) ?? sectionOf(form.act);

async function showStepUp(
  ports: OwnAccountPagesPorts,
  { form, user, request }: Sent,
  error?: AppError,
): Promise<Answer> {
  const factors = await listFactors(ports, {}, user);
  const section = sectionAfter(form);
  const { token, setCookie } = tieForm(ports, request);
  const { path } = ACCOUNT_SECTIONS[section];
  const page = stepUpPage({ formToken: token, factors, section, path, problem: error && saidOf(error) });
  return showPage(error?.definition.status ?? 403, page, { setCookie });
}

/** The authenticator that waits for its first code, as the form shows it; null if another has replaced it. */
async function showTotpAgain(ports: OwnAccountPagesPorts, { form, user, request }: Sent, error: AppError) {
  if (form.act !== 'confirm_totp' || form.totp_uri === undefined) return null;
  const enrolment = { totpUri: form.totp_uri, recoveryCodes: form.recovery_codes?.split(' ').filter(Boolean) ?? [] };
  if (!(await isPendingTotp(ports, enrolment, user))) return null;
  const { token, setCookie } = tieForm(ports, request);
  return showPage(error.definition.status, totpPage({ formToken: token, enrolment, problem: saidOf(error) }), {
    setCookie,
  });
}

/** What a form does; the answer of most is the page again, with what was done. */
type Done = { readonly act: AccountAct; readonly setCookie?: readonly string[] } | { readonly answer: Answer };

type Sent = { readonly form: AccountForm; readonly user: Caller; readonly request: FastifyRequest };

/** The forms that the JSON API accepts only after a recent sign-in. */
const FRESH: ReadonlySet<AccountForm['act']> = new Set([
  'email',
  'create_key',
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
  if (FRESH.has(act) || (act === 'password' && hasTwoFactors(user)))
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
      await endOwnSession(ports, form, user);
      return { act: form.act };
    case 'end_other_sessions':
      await endOwnSessions(ports, { keepsCurrent: true }, user);
      return { act: form.act };
    case 'withdraw':
      await withdrawConsent(ports, form, user);
      return { act: form.act };
    case 'revoke_key':
      await revokeApiKey(ports, form, user);
      return { act: form.act };
    case 'create_key': {
      const permissions = [form.permissions ?? []].flat();
      const input = { name: form.name, permissions, expires_in_seconds: Number(form.days) * 86_400 };
      const { secret } = await createApiKey(ports, input, user);
      return { answer: showPage(200, newKeyPage(form.name, secret)) };
    }
    case 'unlink':
      await unlinkAccount(ports, { providerId: form.provider, accountId: form.account_id }, user);
      return { act: form.act };
    case 'rename_passkey':
      await renamePasskey(ports, { id: form.passkey_id, name: form.name }, user);
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
      const { recovery_codes: recoveryCodes } = await renewRecoveryCodes(ports, {}, user);
      return { answer: showPage(200, recoveryCodesPage(recoveryCodes)) };
    }
    case 'delete':
      await deleteAccount(ports, {}, user);
      return { answer: showPage(200, accountDeletedPage, { setCookie: clearedCookies(ports) }) };
    case 'step_up': {
      const proof = form.password === undefined ? sentCode(form.code ?? '') : { password: form.password };
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
async function showRefused(ports: OwnAccountPagesPorts, sent: Sent, error: AppError): Promise<Answer> {
  const { code } = error;
  if (code === unauthenticated.definition.code) return toSignIn();
  if (code === stepUpRequired.definition.code) return showStepUp(ports, sent);
  if (sent.form.act === 'step_up') return withErrorHeaders(await showStepUp(ports, sent, error), error);
  const again = code === factorCodeWrong.definition.code ? await showTotpAgain(ports, sent, error) : null;
  if (again !== null) return again;
  return withErrorHeaders(await showProblem(ports, sent, saidOf(error), error.definition.status), error);
}

/** The section with the form, and why it did nothing. */
const showProblem = (ports: OwnAccountPagesPorts, { form, user, request }: Sent, problem: Said, status: number) =>
  showAccount(ports, request, user, { section: sectionOf(form.act), outcome: { act: form.act, problem }, status });

async function sendAccount(ports: OwnAccountPagesPorts, sent: Sent): Promise<Answer> {
  const { form, user } = sent;
  try {
    const problem = await lackOf(ports, form, user);
    if (problem !== null) return await showProblem(ports, sent, problem, 400);
    assertFresh(ports, form, user);
    const done = await perform(ports, sent);
    if ('answer' in done) return done.answer;
    return goTo(`${ACCOUNT_SECTIONS[sectionAfter(form)].path}?done=${done.act}`, done.setCookie);
  } catch (err) {
    if (!isAppError(err) || err.definition.status === 500) throw err;
    return showRefused(ports, sent, err);
  }
}

/** Every item of a list, page by page. */
async function allOf<N extends string, T>(
  name: N,
  list: (page: { readonly limit: number; readonly cursor?: string }) => Promise<Listed<N, T>>,
): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < EXPORT_PAGES; page += 1) {
    const listed: Listed<N, T> = await list({ limit: EXPORT_PAGE, ...(cursor === null ? {} : { cursor }) });
    all.push(...listed[name]);
    cursor = listed.next;
    if (cursor === null) break;
  }
  return all;
}

async function exportAccount(ports: OwnAccountPagesPorts, user: Caller): Promise<Answer> {
  const [{ user: profile }, factors, { passkeys }, { accounts }, sessions, consents, apiKeys] = await Promise.all([
    readProfile(ports, undefined, user),
    listFactors(ports, {}, user),
    listPasskeys(ports, {}, user),
    listLinkedAccounts(ports, {}, user),
    allOf('sessions', (page) => listOwnSessions(ports, page, user)),
    allOf('consents', (page) => listGrantedConsents(ports, page, user)),
    allOf('api_keys', (page) => listApiKeys(ports, page, user)),
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
  for (const [name, endpoint] of Object.entries(ACCOUNT_SECTIONS))
    bindPage(routes, endpoint, async ({ query }, caller, request) => {
      const user = await userOf(ports, request, caller);
      if (user === null) return toSignIn(endpoint.path);
      const act = actOf(query.done);
      const outcome = act && { act };
      return showAccount(ports, request, user, { section: name as AccountSection, outcome });
    });
  bindPage(routes, sendAccountEndpoint, async ({ body: form }, caller, request) => {
    if (!isOwnForm(ports, request, form.form_token)) return expiredForm();
    const user = await userOf(ports, request, caller);
    return user === null ? toSignIn() : sendAccount(ports, { form, user, request });
  });
  bind(routes, exportAccountEndpoint, async (_input, caller, request) => {
    const user = await userOf(ports, request, caller);
    return user === null ? toSignIn() : exportAccount(ports, user);
  });
  bind(routes, readAccountScriptEndpoint, () =>
    answer(200, SCRIPT, { 'content-type': 'text/javascript; charset=utf-8' }),
  );
}
