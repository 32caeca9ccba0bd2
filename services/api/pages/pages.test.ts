import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { SignOffView } from '#services/domain/signoff/contract.ts';
import { html } from '#services/platform/html/html.ts';
import {
  forgotPasswordPage,
  mailLinkDonePage,
  mailLinkPage,
  mailSentPage,
  resendVerificationPage,
  signUpPage,
} from './account-pages.ts';
import { formPage, formPageHeaders, type Page } from './form-page.ts';
import { type AccountView, accountPage, recoveryCodesPage, stepUpPage, totpPage } from './own-account-pages.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import {
  askSignOutPage,
  codePage,
  consentPage,
  deviceCodePage,
  deviceConfirmPage,
  deviceDonePage,
  errorPage,
  signedInPage,
  signedOutLeavePage,
  signedOutPage,
  signInPage,
  toProviderPage,
} from './pages.ts';
import { signOffPage, signOffsPage } from './signoff-pages.ts';
import { devMailPage, devMailsPage, startPage } from './start-pages.ts';
import { ENGLISH, GERMAN } from './texts/texts.ts';

const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(1)'>`;
const named = { clientName: HOSTILE, email: HOSTILE, formToken: HOSTILE, scopes: ['email', HOSTILE] };
const unvetted = { address: HOSTILE };
const links = { signUpPath: HOSTILE, forgotPasswordPath: HOSTILE };
const signIn = { formToken: 't', next: '/', email: '', providers: [], signUpPath: '/s', forgotPasswordPath: '/f' };
const asking = { formToken: HOSTILE, next: HOSTILE, email: HOSTILE, signInPath: HOSTILE, problem: () => HOSTILE };
const again = { action: HOSTILE, fields: { [HOSTILE]: HOSTILE } };

const AT = '2026-01-02T03:04:05.000Z';
const hostileAccount: AccountView = {
  email: HOSTILE,
  isVerified: false,
  name: HOSTILE,
  sessions: [
    { id: HOSTILE, current: false, created_at: AT, ip_address: HOSTILE, user_agent: HOSTILE },
    { id: 'own', current: true, created_at: AT, ip_address: null, user_agent: null },
  ],
  factors: { totp: true, passkeys: 1, recovery_codes_left: 3, required: true },
  passkeys: [{ id: HOSTILE, name: HOSTILE, device_bound: true, backed_up: false, created_at: AT }],
  linked: [
    { id: HOSTILE, providerId: HOSTILE, accountId: HOSTILE, userId: HOSTILE, scopes: [], createdAt: AT, updatedAt: AT },
  ],
  consents: [
    {
      client_id: HOSTILE,
      client_name: HOSTILE,
      client_origin: 'registration',
      scopes: [HOSTILE],
      audiences: [],
      granted_at: AT,
      logins: 1,
    },
  ],
  apiKeys: [],
};

const hostileSignOff: SignOffView = {
  signoff_id: HOSTILE,
  act: HOSTILE,
  title: HOSTILE,
  arguments: { [HOSTILE]: HOSTILE },
  arguments_sha256: HOSTILE,
  requested_by: { kind: 'client', id: HOSTILE },
  client_id: HOSTILE,
  required_roles: ['qa', 'architect'],
  quorum: 2,
  conditions: { min_security_score: 90, no_open_incident: true },
  state: 'pending',
  waiting_for: ['qa'],
  decisions: [{ role: 'architect', user_id: HOSTILE, decision: 'approve', comment: HOSTILE, at: HOSTILE }],
  requested_at: HOSTILE,
  expires_at: HOSTILE,
  decided_at: null,
  started_at: null,
  finished_at: null,
  failure: null,
};

/** Every page with hostile text in every place that takes text. */
const hostile: Readonly<Record<string, Page>> = {
  login: signInPage({
    formToken: HOSTILE,
    next: HOSTILE,
    email: HOSTILE,
    providers: [HOSTILE],
    asker: { name: HOSTILE, host: HOSTILE },
    ...links,
    problem: () => HOSTILE,
  }),
  code: codePage({ formToken: HOSTILE, next: HOSTILE, challenge: HOSTILE, problem: () => HOSTILE }),
  provider: toProviderPage(HOSTILE, `https://a.test/?q=${HOSTILE}`),
  signedIn: signedInPage(HOSTILE, HOSTILE),
  askSignOut: askSignOutPage({ ...named, clientId: HOSTILE, redirectUri: HOSTILE, state: HOSTILE }),
  signedOut: signedOutLeavePage(`https://a.test/?q=${HOSTILE}`),
  consent: consentPage({ ...named, query: HOSTILE, clientHost: HOSTILE, unvetted }),
  device: deviceConfirmPage({ ...named, userCode: HOSTILE, unvetted }),
  error: errorPage(() => ({
    title: HOSTILE,
    why: HOSTILE,
    advice: HOSTILE,
    link: { path: HOSTILE, text: HOSTILE },
  })),
  signUp: signUpPage({ ...asking, name: HOSTILE }),
  forgotPassword: forgotPasswordPage(asking),
  resendVerification: resendVerificationPage(asking),
  mailSent: mailSentPage({ text: 'mailIfKnown', email: HOSTILE, again, signInPath: HOSTILE }),
  account: accountPage({ formToken: HOSTILE, account: hostileAccount, problem: () => HOSTILE }),
  stepUp: stepUpPage({ formToken: HOSTILE, hasFactor: false, problem: () => HOSTILE }),
  totp: totpPage({
    formToken: HOSTILE,
    enrolment: { totpUri: `otpauth://totp/x?secret=${encodeURIComponent(HOSTILE)}`, recoveryCodes: [HOSTILE] },
  }),
  recoveryCodes: recoveryCodesPage([HOSTILE]),
  start: startPage({
    isReady: true,
    development: { components: { [HOSTILE]: HOSTILE }, demo: { email: HOSTILE, password: HOSTILE }, showsMails: true },
  }),
  devMails: devMailsPage([{ name: HOSTILE, to: HOSTILE, subject: HOSTILE, date: HOSTILE }]),
  devMail: devMailPage({ to: HOSTILE, subject: HOSTILE, date: HOSTILE, text: HOSTILE }),
  mailLink: mailLinkPage('verify', { formToken: HOSTILE, token: HOSTILE, needsPassword: true, problem: () => HOSTILE }),
  signOffs: signOffsPage([hostileSignOff]),
  signOff: signOffPage({ formToken: HOSTILE, signOff: hostileSignOff, roles: ['qa'], isFresh: true }),
};

test.each(Object.entries(hostile))('hostile text in the page of %s is shown as text, not markup', (_name, page) => {
  const document = formPage(page);
  expect(document).not.toContain(HOSTILE);
  expect(document.replace(`<script>${PAGE_SCRIPT}</script>`, '')).not.toMatch(
    /<img|<script(?! src="\/(?:login|account)\/passkey\.js" defer>)/,
  );
  expect(document).toContain('&lt;script&gt;');
});

test('a problem is announced as an alert, and a page without a problem has no alert', () => {
  expect(formPage(signInPage({ ...signIn, problem: () => 'Wrong.' }))).toContain(
    '<p class="bad" role="alert">Wrong.</p>',
  );
  expect(formPage(signInPage(signIn))).not.toContain('<p class="bad" role="alert">');
  expect(formPage(deviceCodePage(true))).toContain('This code is unknown or has expired');
  expect(formPage(deviceCodePage(false))).not.toContain('role="alert"');
});

test('the sign-in page has a button for each provider under its public name, and no provider form without providers', () => {
  const shown = formPage(signInPage({ ...signIn, providers: ['github', 'google', 'company'] }));
  for (const [value, name] of [
    ['github', 'GitHub'],
    ['google', 'Google'],
    ['company', 'Company'],
  ])
    expect(shown).toContain(`value="${value}">Continue with ${name}</button>`);
  const without = formPage(signInPage(signIn));
  expect(without).not.toContain('/login/provider');
});

test('an unvetted client is shown as unvetted, with the host of its document', () => {
  const asked = {
    formToken: 't',
    query: 'q',
    clientName: 'App',
    clientHost: 'app.test',
    email: 'a@b.test',
    scopes: [],
  };
  const warning = 'No administrator has checked this application';
  expect(formPage(consentPage({ ...asked, unvetted: null }))).not.toContain(warning);
  const nameless = formPage(consentPage({ ...asked, unvetted: { address: null } }));
  expect(nameless).toContain(warning);
  expect(nameless).not.toContain('Its address is');
  expect(formPage(consentPage({ ...asked, unvetted: { address: 'https://app.test/a' } }))).toContain(
    'Its address is <strong><code>https://app.test/a</code></strong>.',
  );
});

test('known scopes are described in words, unknown scopes by name', () => {
  const page = formPage(
    deviceConfirmPage({
      formToken: 't',
      userCode: 'ABCD',
      clientName: 'TV',
      unvetted: null,
      email: 'e',
      scopes: ['email', 'things:read'],
    }),
  );
  expect(page).toContain('see your e-mail address');
  expect(page).toContain('use <code>things:read</code> for you');
});

test('the sign-out page names the requesting client, if it is known', () => {
  const asked = { formToken: 't', clientId: '', redirectUri: '', state: '', email: 'a@b.test' };
  expect(formPage(askSignOutPage({ ...asked, clientName: 'App' }))).toContain('<strong>App</strong> asks you');
  expect(formPage(askSignOutPage({ ...asked, clientName: null }))).not.toContain('asks you to sign out');
});

test('a page says what the user decided, and an error says what to do next', () => {
  expect(formPage(deviceDonePage(true))).toContain('Device connected');
  expect(formPage(deviceDonePage(false))).toContain('The device did not get access.');
  expect(formPage(signedOutPage)).toContain('You are signed out.');
  const page = formPage(errorPage(() => ({ title: 'Over' })));
  expect(page).toContain('Go back to the application and try again.');
  expect(page).not.toContain('<p></p>');
});

test('a page redirects only to the address that it names', () => {
  expect(formPage(toProviderPage('google', 'https://a.test/x?a=1&b=2'))).toContain(
    '<meta http-equiv="refresh" content="0;url=https://a.test/x?a=1&amp;b=2">',
  );
  expect(formPage(signedOutPage)).not.toContain('http-equiv');
});

test('the headers of a page allow forms to our origin and the given ones, and its script if it has one', () => {
  const bare = formPageHeaders(signedOutPage);
  expect(bare['content-security-policy']).toContain("form-action 'self';");
  expect(bare['content-security-policy']).not.toContain('script-src');
  expect(bare).toMatchObject({
    'cache-control': 'no-store',
    'referrer-policy': 'same-origin',
    'x-frame-options': 'DENY',
  });
  const own = formPageHeaders(signInPage(signIn), ['https://app.test']);
  expect(own['content-security-policy']).toContain("form-action 'self' https://app.test;");
  expect(own['content-security-policy']).toContain("script-src 'self' 'sha256-");
});

test('a template does not escape markup again, and leaves out absent values', () => {
  expect(html`${html`<b>${1}</b>`}${[html`<i>`, html`</i>`]}${null}${undefined}${false}${'<&'}`.text).toBe(
    '<b>1</b><i></i>&lt;&amp;',
  );
});

test('the sign-in page names the application that asks, and leads to sign-up and to a forgotten password', () => {
  const shown = formPage(signInPage({ ...signIn, asker: { name: 'App', host: 'app.test' } }));
  expect(shown).toContain('<strong>App</strong> (<code>app.test</code>) asks you to sign in.');
  expect(shown).toContain('<a href="/f">Forgot password?</a>');
  expect(shown).toContain('<a href="/s">Create account</a>');
  expect(formPage(signInPage({ ...signIn, asker: null }))).not.toContain('asks you');
});

test('a failed sign-in leads to the mail that helps', () => {
  expect(formPage(signInPage({ ...signIn, help: 'unlock' }))).toContain('href="/account/unlock"');
  expect(formPage(signInPage({ ...signIn, help: 'resend' }))).toContain('href="/account/resend-verification"');
  expect(formPage(signInPage(signIn))).not.toMatch(/unlock|resend/);
});

describe('the page of a mailed link', () => {
  const LINKS = ['verify', 'reset', 'unlock', 'invitation'] as const;

  test.each(LINKS)('%s asks for the code, and keeps a sent code out of sight', (link) => {
    expect(formPage(mailLinkPage(link, { formToken: 't', token: '' }))).toContain('<label for="token">');
    const kept = formPage(mailLinkPage(link, { formToken: 't', token: 'the-code' }));
    expect(kept).toContain('<input type="hidden" name="token" value="the-code">');
    expect(kept).not.toContain('<label for="token">');
    expect(formPage(mailLinkDonePage(link))).toContain('<a href="/login">Sign in</a>');
  });

  test('of a verification asks for a password only if one is needed', () => {
    const asked = { formToken: 't', token: 'the-code' };
    expect(formPage(mailLinkPage('verify', asked))).not.toContain('name="password"');
    expect(formPage(mailLinkPage('verify', { ...asked, needsPassword: true }))).toContain('name="password"');
  });

  test.each([
    ['verify', '/account/resend-verification'],
    ['reset', '/account/forgot-password'],
    ['unlock', '/account/request-unlock'],
  ] as const)('%s leads users without a valid code to another mail', (link, path) => {
    expect(formPage(mailLinkPage(link, { formToken: 't', token: '' }))).toContain(`"${path}"`);
  });
});

describe('the account page', () => {
  const empty: AccountView = {
    email: 'a@b.test',
    isVerified: true,
    name: '',
    sessions: [],
    factors: { totp: false, passkeys: 0, recovery_codes_left: 0, required: false },
    passkeys: [],
    linked: [],
    consents: [],
    apiKeys: [],
  };
  const shown = (account: Partial<AccountView>) =>
    formPage(accountPage({ formToken: 't', account: { ...empty, ...account } }));
  const password = {
    id: '1',
    providerId: 'credential',
    accountId: '1',
    userId: '1',
    scopes: [],
    createdAt: AT,
    updatedAt: AT,
  };

  test('offers to change a password, or to choose the first one by mail', () => {
    expect(shown({ linked: [password] })).toContain('name="current_password"');
    expect(shown({})).toContain('Your account has no password.');
    expect(shown({})).not.toContain('name="current_password"');
  });

  test('offers an authenticator app to an account with a password, and to remove the one that it has', () => {
    expect(shown({ linked: [password] })).toContain('value="enable_totp"');
    expect(shown({})).not.toContain('value="enable_totp"');
    const on = shown({ factors: { totp: true, passkeys: 0, recovery_codes_left: 7, required: false } });
    expect(on).toContain('value="disable_totp"');
    expect(on).toContain('Recovery codes left: 7');
  });

  test('says that a role requires a second factor only while there is none', () => {
    const said = 'Your roles take effect only';
    expect(shown({ factors: { ...empty.factors, required: true } })).toContain(said);
    expect(shown({ factors: { ...empty.factors, required: true, totp: true } })).not.toContain(said);
  });

  test('says what the last form did', () => {
    expect(formPage(accountPage({ formToken: 't', account: empty, done: 'profile' }))).toContain(
      'Your profile is saved.',
    );
  });
});

describe('a brand', () => {
  const brand = {
    name: 'Zoë & Söhne',
    logoUrl: 'https://cdn.test/logo.svg',
    colour: '#ffee00',
    termsUrl: 'https://a.test/terms',
    privacyUrl: 'https://a.test/privacy',
  };

  test('gives every page its name, logo, colour and links, and the policy allows its logo and its style alone', () => {
    for (const language of [ENGLISH, GERMAN]) {
      const text = formPage(signedOutPage, { brand, language });
      expect(text).toContain(`<html lang="${language.tag}">`);
      expect(text).toContain('· Zoë &amp; Söhne</title>');
      expect(text).toContain('<img src="https://cdn.test/logo.svg" alt="">');
      expect(text).toContain(`<a href="https://a.test/terms" rel="noreferrer">${language.texts.terms}</a>`);
      expect(text).toContain(`<a href="https://a.test/privacy" rel="noreferrer">${language.texts.privacy}</a>`);
      const [, style] = /<style>(.*?)<\/style>/s.exec(text) ?? [];
      expect(style).toContain('--accent:#ffee00');
      const policy = formPageHeaders(signedOutPage, [], { brand, language })['content-security-policy'];
      expect(policy).toContain('img-src https://cdn.test/logo.svg;');
      expect(policy).toContain(`style-src 'sha256-${createHash('sha256').update(style!).digest('base64')}';`);
    }
  });

  test('without a setting adds no logo and no link', () => {
    expect(formPage(signedOutPage)).not.toMatch(/<img|<footer/);
    expect(formPageHeaders(signedOutPage)['content-security-policy']).not.toContain('img-src');
  });
});

test('every page weighs less than 30 KB, with values of 4,096 characters less than 60 KB', () => {
  for (const [name, page] of Object.entries(hostile))
    expect([name, Buffer.byteLength(formPage(page)) < 30_720]).toEqual([name, true]);
  const long = 'x'.repeat(4_096);
  const page = consentPage({ ...named, clientName: long, email: long, query: long, clientHost: long, unvetted: null });
  expect(Buffer.byteLength(formPage(page))).toBeLessThan(61_440);
});

describe('the page of a sign-off', () => {
  const shown = (changes: Partial<SignOffView>, asked: { roles?: readonly 'qa'[]; isFresh?: boolean } = {}) =>
    formPage(
      signOffPage({
        formToken: 't',
        signOff: { ...hostileSignOff, ...changes },
        roles: ['qa'],
        isFresh: true,
        ...asked,
      }),
    );

  test('has a form only for a person who can decide now, and says what is missing otherwise', () => {
    expect(shown({})).toContain('<form');
    expect(shown({ state: 'denied' })).not.toContain('<form');
    expect(shown({}, { roles: [] })).toContain('You have no role in which you can decide this.');
    const stale = shown({}, { isFresh: false });
    expect(stale).not.toContain('<form');
    expect(stale).toContain('sign in again with your second factor');
  });

  test('names the conditions only if there are any', () => {
    expect(shown({})).toContain('The security score is 90 or more.');
    expect(shown({ conditions: { min_security_score: null, no_open_incident: false } })).not.toContain('Conditions');
  });
});
