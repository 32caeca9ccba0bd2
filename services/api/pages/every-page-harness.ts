// For tests only: every page, with the same text in every place that takes text.
import type { SignOffView } from '#services/domain/signoff/contract.ts';
import {
  forgotPasswordPage,
  mailLinkDonePage,
  mailLinkPage,
  mailSentPage,
  resendVerificationPage,
  signUpPage,
} from './account-pages.ts';
import type { Page } from './form-page.ts';
import {
  type AccountView,
  accountDeletedPage,
  accountPage,
  recoveryCodesPage,
  stepUpPage,
  totpPage,
} from './own-account-pages.ts';
import {
  askSignOutPage,
  codePage,
  consentPage,
  deviceCodePage,
  deviceConfirmPage,
  deviceDonePage,
  errorPage,
  leavePage,
  signedInPage,
  signedOutLeavePage,
  signedOutPage,
  signInPage,
  toProviderPage,
} from './pages.ts';
import { signOffPage, signOffsPage } from './signoff-pages.ts';
import { devMailPage, devMailsPage, startPage } from './start-pages.ts';

const AT = '2026-01-02T03:04:05.000Z';

type Values = {
  /** Items in each list of the account page. */
  readonly count: number;
  /** Text that is not chosen by users, clients or requests: ours, of settings, or of the network. */
  readonly ours: string;
};

/** An account with this text in every place, and as many items as asked in each list. */
function accountWith(text: string, { count, ours }: Values): AccountView {
  const times = <T>(item: T): T[] => Array.from({ length: count }, () => item);
  const session = { id: text, current: false, created_at: AT, ip_address: ours, user_agent: text };
  return {
    email: text,
    isVerified: false,
    name: text,
    sessions: [{ id: 'own', current: true, created_at: AT, ip_address: null, user_agent: null }, ...times(session)],
    factors: { totp: true, passkeys: 1, recovery_codes_left: 3, required: true },
    passkeys: times({ id: text, name: text, device_bound: true, backed_up: false, created_at: AT }),
    linked: times({
      id: text,
      providerId: ours,
      accountId: text,
      userId: text,
      scopes: [],
      createdAt: AT,
      updatedAt: AT,
    }),
    consents: times({
      client_id: text,
      client_name: text,
      client_origin: 'registration',
      scopes: [text],
      audiences: [],
      granted_at: AT,
      logins: 1,
    }),
    apiKeys: times({
      api_key_id: text,
      name: text,
      owner: { kind: 'user', id: text },
      state: 'live',
      permissions: [text],
      requests_per_minute: 60,
      signed: false,
      created_at: AT,
      rotated_at: null,
      expires_at: AT,
      previous_secret_until: null,
      revoked_at: null,
      revoke_reason: null,
      last_used_at: null,
      uses: 0,
    }),
    longer: new Set(count > 1 ? (['sessions', 'consents', 'apiKeys'] as const) : []),
  };
}

/** A sign-off with this text in every place. */
export const signOffWith = (text: string, at: string = text): SignOffView => ({
  signoff_id: text,
  act: text,
  title: text,
  arguments: { [text]: text },
  arguments_sha256: text,
  requested_by: { kind: 'client', id: text },
  client_id: text,
  required_roles: ['qa', 'architect'],
  quorum: 2,
  conditions: { min_security_score: 90, no_open_incident: true },
  state: 'pending',
  waiting_for: ['qa'],
  decisions: [{ role: 'architect', user_id: text, decision: 'approve', comment: text, at }],
  requested_at: at,
  expires_at: at,
  decided_at: null,
  started_at: null,
  finished_at: null,
  failure: null,
});

/** Pages that show what a user, a client or a request chose. */
export function pagesWith(
  text: string,
  { count = 1, ours = text }: Partial<Values> = {},
): Readonly<Record<string, Page>> {
  const problem = () => ours;
  const named = { clientName: text, email: text, formToken: text, scopes: ['email', text] };
  const unvetted = { address: text };
  const asking = { formToken: text, next: text, email: text, signInPath: text, problem };
  const address = `https://a.test/?q=${text}`;
  return {
    login: signInPage({
      formToken: text,
      next: text,
      email: text,
      providers: [ours],
      asker: { name: text, host: text, logoPath: text },
      signUpPath: text,
      forgotPasswordPath: text,
      problem,
    }),
    code: codePage({ formToken: text, next: text, challenge: text, problem }),
    provider: toProviderPage(ours, address),
    signedIn: signedInPage(text, text),
    askSignOut: askSignOutPage({ ...named, clientId: text, redirectUri: text, state: text }),
    signedOut: signedOutLeavePage(address),
    leave: leavePage(ours, address),
    consent: consentPage({ ...named, query: text, clientHost: text, logoPath: text, unvetted }),
    device: deviceConfirmPage({ ...named, userCode: text, logoPath: text, unvetted }),
    error: errorPage(() => ({ title: ours, why: ours, advice: ours, link: { path: text, text: ours } })),
    signUp: signUpPage({ ...asking, name: text, asker: { name: text, host: text, logoPath: text } }),
    forgotPassword: forgotPasswordPage(asking),
    resendVerification: resendVerificationPage(asking),
    mailSent: mailSentPage({
      text: 'mailIfKnown',
      email: text,
      again: { action: text, fields: { [text]: text } },
      signInPath: text,
    }),
    account: accountPage({ formToken: text, account: accountWith(text, { count, ours }), problem }),
    stepUp: stepUpPage({ formToken: text, hasFactor: false, problem }),
    totp: totpPage({
      formToken: text,
      enrolment: {
        totpUri: `otpauth://totp/x?secret=${encodeURIComponent(text.slice(0, 256))}`,
        recoveryCodes: [text],
      },
    }),
    recoveryCodes: recoveryCodesPage([text]),
    signOffs: signOffsPage([signOffWith(text, ours)]),
    signOff: signOffPage({ formToken: text, signOff: signOffWith(text, ours), roles: ['qa'], isFresh: true }),
    start: startPage({
      isReady: true,
      development: { components: { [ours]: ours }, demo: { email: text, password: text }, showsMails: true },
    }),
    devMails: devMailsPage([{ name: text, to: text, subject: text, date: ours }]),
    devMail: devMailPage({ to: text, subject: text, date: ours, text }),
    mailLink: mailLinkPage('verify', { formToken: text, token: text, needsPassword: true, goesTo: text, problem }),
  };
}

/** Pages that are the same for every user. */
export const FIXED_PAGES: Readonly<Record<string, Page>> = {
  signedOut: signedOutPage,
  deviceCode: deviceCodePage(true),
  deviceDone: deviceDonePage(true),
  reset: mailLinkPage('reset', { formToken: '', token: '' }),
  unlock: mailLinkPage('unlock', { formToken: '', token: '' }),
  invitation: mailLinkPage('invitation', { formToken: '', token: '' }),
  verified: mailLinkDonePage('verify'),
  accountDeleted: accountDeletedPage,
};
