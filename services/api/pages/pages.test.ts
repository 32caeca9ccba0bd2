import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { SignOffView } from '#services/domain/signoff/contract.ts';
import { html } from '#services/platform/html/html.ts';
import { mailLinkDonePage, mailLinkPage } from './account-pages.ts';
import { signOffWith } from './every-page-harness.ts';
import { formPage, formPageHeaders } from './form-page.ts';
import { type AccountView, accountPage } from './own-account-pages.ts';
import {
  askSignOutPage,
  consentPage,
  deviceCodePage,
  deviceConfirmPage,
  deviceDonePage,
  errorPage,
  signedOutPage,
  signInPage,
  toProviderPage,
} from './pages.ts';
import { signOffPage } from './signoff-pages.ts';
import { ENGLISH, GERMAN } from './texts/texts.ts';

const AT = '2026-01-02T03:04:05.000Z';
const signIn = { formToken: 't', next: '/', email: '', providers: [], signUpPath: '/s', forgotPasswordPath: '/f' };

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
    logoPath: null,
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
      logoPath: null,
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
  const shown = formPage(signInPage({ ...signIn, asker: { name: 'App', host: 'app.test', logoPath: null } }));
  expect(shown).toContain('<strong>App</strong> (<code>app.test</code>) asks you to sign in.');
  expect(shown).toContain('<a href="/f">Forgot password?</a>');
  expect(shown).toContain('<a href="/s">Create account</a>');
  expect(formPage(signInPage({ ...signIn, asker: null }))).not.toContain('asks you');
});

test('the logo of an application stands beside its name; only then may a page load images of our origin', () => {
  const logoPath = '/oauth2/clients/app/logo';
  const asker = { name: 'App', host: 'app.test', logoPath };
  const asked = { formToken: 't', clientName: 'App', unvetted: null, email: 'a@b.test', scopes: [], logoPath };
  const pages = [
    signInPage({ ...signIn, asker }),
    consentPage({ ...asked, query: 'q', clientHost: 'app.test' }),
    deviceConfirmPage({ ...asked, userCode: 'ABCD' }),
  ];
  for (const page of pages) {
    expect(formPage(page)).toContain(`<img class="app" src="${logoPath}" alt="" width="48" height="48">`);
    expect(formPageHeaders(page)['content-security-policy']).toContain("img-src 'self';");
  }
  const without = [signInPage({ ...signIn, asker: { ...asker, logoPath: null } }), signInPage(signIn)];
  for (const page of without) {
    expect(formPage(page)).not.toContain('<img');
    expect(formPageHeaders(page)['content-security-policy']).not.toContain('img-src');
  }
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
    longer: new Set(),
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

  test('says where the rest of a long list is', () => {
    const said = 'There are more.';
    expect(shown({}).split(said)).toHaveLength(1);
    for (const list of ['sessions', 'consents', 'apiKeys'] as const)
      expect(shown({ longer: new Set([list]) }).split(said)).toHaveLength(2);
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
      const withImages = formPageHeaders(() => ({ title: '', body: html``, loadsOwnImages: true }), [], {
        brand,
        language,
      });
      expect(withImages['content-security-policy']).toContain("img-src https://cdn.test/logo.svg 'self';");
      expect(policy).toContain(`style-src 'sha256-${createHash('sha256').update(style!).digest('base64')}';`);
    }
  });

  test('without a setting adds no logo and no link', () => {
    expect(formPage(signedOutPage)).not.toMatch(/<img|<footer/);
    expect(formPageHeaders(signedOutPage)['content-security-policy']).not.toContain('img-src');
  });
});
describe('the page of a sign-off', () => {
  const shown = (changes: Partial<SignOffView>, asked: { roles?: readonly 'qa'[]; isFresh?: boolean } = {}) =>
    formPage(
      signOffPage({
        formToken: 't',
        signOff: { ...signOffWith('x'), ...changes },
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
