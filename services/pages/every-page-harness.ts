// For tests only: every page, with the same text in every place that takes text.
import type { SignOffView } from '#services/wings/signoff/contract.ts';
import {
  forgotPasswordPage,
  mailLinkDonePage,
  mailLinkPage,
  mailSentPage,
  resendVerificationPage,
  signUpPage,
} from './account-pages.ts';
import { bridgeConfirmPage, bridgePage, bridgeRefusedPage } from './bridge-page.ts';
import type { FormPage } from './form-page.ts';
import { accountPage } from './own-account/account-page.ts';
import type { SectionView } from './own-account/account-view.ts';
import {
  accountDeletedPage,
  newKeyPage,
  owedFactorPage,
  recoveryCodesPage,
  stepUpPage,
  totpPage,
} from './own-account/factor-pages.ts';
import {
  askSignOutPage,
  codePage,
  consentPage,
  deviceCodePage,
  deviceConfirmPage,
  deviceDonePage,
  errorPage,
  formPostPage,
  leavePage,
  recoveryCodeUsedPage,
  signedOutLeavePage,
  signedOutLostPage,
  signedOutPage,
  signInPage,
  toProviderPage,
} from './pages.ts';
import { signOffPage, signOffsPage } from './signoff-pages.ts';
import { devMailPage, devMailsPage, notFoundPage, startPage } from './start-pages.ts';

const AT = '2026-01-02T03:04:05.000Z';

type Values = {
  /** Items in each list of the account page. */
  readonly count: number;
  /** Text that is not chosen by users, clients or requests: ours, of settings, or of the network. */
  readonly ours: string;
};

/** Every section of an account with this text in every place, and as many items as asked in each list. */
function sectionsWith(text: string, { count, ours }: Values): readonly SectionView[] {
  const times = <T>(item: T): T[] => Array.from({ length: count }, () => item);
  const session = { id: text, current: false, created_at: AT, ip_address: ours, user_agent: text };
  const own = { id: 'own', current: true, created_at: AT, ip_address: null, user_agent: null };
  const isLonger = count > 1;
  const of = { client_id: text, client_name: text, code: 'scope_invalid', title: ours, cause: text, fix: ours };
  const refusal = { ...of, requests: 1, first_seen_at: AT, last_seen_at: AT, refused_from: null, request: null };
  const limit = { act: text, currency: 'EUR', most: 1_000_000, used: 1_000_000 };
  const detail = { words: { en: text, de: text }, members: text };
  const owned = { name: text, refusals: [refusal, { ...refusal, refused_from: AT }], limits: [limit, limit, limit] };
  return [
    { section: 'profile' },
    {
      section: 'security',
      factors: { totp: true, passkeys: 1, recovery_codes_left: 3, required: true },
      accepted: { user: text, ids: [text] },
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
    },
    { section: 'sessions', isLonger, items: [own, ...times(session)] },
    {
      section: 'applications',
      isLonger,
      owned: [...times(owned).slice(0, 7), { name: text, refusals: [], limits: [] }],
      items: times({
        client_id: text,
        client_name: text,
        client_origin: 'registration',
        scopes: [text],
        audiences: [],
        granted_at: AT,
        logins: 1,
        copy_uses: 1,
        authorization_details: [],
        details: [detail],
      }),
    },
    {
      section: 'keys',
      isLonger,
      carriable: [text],
      items: times({
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
    },
    { section: 'data' },
  ];
}

/** Every section of the account page. */
const accountPagesWith = (text: string, values: Values): Readonly<Record<string, FormPage>> =>
  Object.fromEntries(
    sectionsWith(text, values).map((view) => [
      `account: ${view.section}`,
      accountPage({
        formToken: text,
        owner: { email: text, isVerified: false, name: text, usesConsole: true },
        view,
        outcome: { act: 'step_up', problem: () => values.ours },
      }),
    ]),
  );

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
  policy: { act: text, version: 1 },
  argument_labels: [
    { path: `/${text.replaceAll('~', '~0').replaceAll('/', '~1')}`, label: { en: text }, format: 'plain' },
  ],
});

/** Pages that show what a user, a client or a request chose. */
export function pagesWith(
  text: string,
  { count = 1, ours = text }: Partial<Values> = {},
): Readonly<Record<string, FormPage>> {
  const problem = () => ours;
  const words = new Map([[text, { en: text, de: text }]]);
  const detail = { words: { en: text, de: text }, members: text };
  const shown = { words, details: [detail] };
  const named = { clientName: text, email: text, formToken: text, scopes: ['email', text, `${text}:named`], ...shown };
  const unvetted = { address: text };
  const names = {
    people: new Map([[text, { id: text, name: text, email: text }]]),
    clients: new Map([[text, { id: text, name: text, owner_id: text }]]),
  };
  const mailed = { token: '', typed: '', email: text, next: text };
  const asking = { formToken: text, next: text, email: text, signInPath: text, problem };
  const address = `https://a.test/?q=${text}`;
  const totpUri = `otpauth://totp/x?secret=${encodeURIComponent(text.slice(0, 256))}`;
  const enrolment = { totpUri, recoveryCodes: [text] };
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
    code: codePage({ formToken: text, next: text, challenge: text, factors: ['passkey', text], problem }),
    recoveryCodeUsed: recoveryCodeUsedPage(9, text),
    provider: toProviderPage(ours, address),
    askSignOut: askSignOutPage({ ...named, clientId: text, redirectUri: text, state: text, isLost: false }),
    askSignOutLost: askSignOutPage({ ...named, clientId: text, redirectUri: text, state: text, isLost: true }),
    signedOut: signedOutLeavePage(address),
    confirm: signInPage({
      formToken: text,
      next: text,
      email: text,
      providers: [ours],
      asker: { name: text, host: text, logoPath: text },
      confirms: { email: text, otherPath: text },
      signUpPath: text,
      forgotPasswordPath: text,
    }),
    leave: leavePage(ours, { kind: 'redirect', location: address }),
    leaveByForm: leavePage(ours, { kind: 'form-post', action: address, fields: { state: text } }),
    formPost: formPostPage({ kind: 'form-post', action: address, fields: { state: text } }),
    consent: consentPage({ ...named, query: text, clientHost: text, logoPath: text, clientUri: text, unvetted }),
    device: deviceConfirmPage({ ...named, userCode: text, logoPath: text, unvetted }),
    error: errorPage(() => ({ title: ours, why: ours, advice: ours, link: { path: text, text: ours } })),
    bridge: bridgePage({ formToken: text, returnTo: text, signInPath: text }),
    bridgeConfirm: bridgeConfirmPage({ formToken: text, returnTo: text, signInPath: text, token: text, email: text }),
    bridgeRefused: bridgeRefusedPage(text),
    signUp: signUpPage({ ...asking, name: text, asker: { name: text, host: text, logoPath: text } }),
    forgotPassword: forgotPasswordPage(asking),
    resendVerification: resendVerificationPage(asking),
    mailSent: mailSentPage({
      text: 'mailIfKnown',
      formToken: text,
      email: text,
      link: 'verify',
      next: text,
      again: text,
      otherPath: text,
      goesOn: { path: text, isSignedIn: false },
    }),
    ...accountPagesWith(text, { count, ours }),
    stepUp: stepUpPage({
      formToken: text,
      factors: { totp: false, passkeys: 1 },
      section: 'profile',
      path: text,
      problem,
    }),
    totp: totpPage({ formToken: text, enrolment, problem }),
    owedFactor: owedFactorPage({ formToken: text, next: text, challenge: text, factors: [text], enrolment, problem }),
    recoveryCodes: recoveryCodesPage([text]),
    newKey: newKeyPage(text, text),
    signOffs: signOffsPage([signOffWith(text, ours)], names),
    signOff: signOffPage({
      formToken: text,
      signOff: signOffWith(text, ours),
      names,
      userId: 'own',
      roles: ['qa'],
      isFresh: true,
    }),
    signOffDecided: signOffPage({
      formToken: text,
      signOff: signOffWith(text, ours),
      names,
      userId: text,
      roles: [],
      isFresh: true,
    }),
    start: startPage({
      isReady: true,
      hasConsole: true,
      development: {
        components: { [ours]: ours },
        demo: { email: text, password: text },
        admin: { email: text, password: text },
        showsMails: true,
        gaps: [{ name: text, why: ours, fix: ours }],
        leftOut: [ours],
      },
    }),
    devMails: devMailsPage([{ name: text, to: text, subject: text, date: ours }]),
    devMail: devMailPage({ to: text, subject: text, date: ours, text }),
    mailLink: mailLinkPage('verify', { ...mailed, formToken: text, token: text, goesTo: text, problem }),
    mailCode: mailLinkPage('verify', { ...mailed, formToken: text, problem }),
  };
}

const NO_CODE = { formToken: '', token: '', typed: '', email: '', next: '' };

/** Pages that are the same for every user. */
export const FIXED_PAGES: Readonly<Record<string, FormPage>> = {
  signedOut: signedOutPage,
  signedOutLost: signedOutLostPage,
  deviceCode: deviceCodePage(true),
  deviceDone: deviceDonePage(true),
  reset: mailLinkPage('reset', NO_CODE),
  unlock: mailLinkPage('unlock', NO_CODE),
  invitation: mailLinkPage('invitation', NO_CODE),
  verified: mailLinkDonePage('verify', '/login'),
  verifiedHere: mailLinkDonePage('verify', null),
  accountDeleted: accountDeletedPage,
  notFound: notFoundPage,
};
