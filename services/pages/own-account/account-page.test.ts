import { describe, expect, test } from 'vitest';
import type { AccountSection } from '#services/core/oauth/own-account-page-contract.ts';
import { formPage, formPageHeaders } from '../form-page.ts';
import { accountPage } from './account-page.ts';
import type { Outcome, SessionItem, ViewOf } from './account-view.ts';
import { browserNameOf } from './browser-name.ts';
import { stepUpPage } from './factor-pages.ts';

const AT = '2026-01-02T03:04:05.000Z';
const owner = { email: 'a@b.test', isVerified: true, name: 'Zoë', usesConsole: false };
const noFactor = { totp: false, passkeys: 0, recovery_codes_left: 0, required: false };
const password = {
  id: '1',
  providerId: 'credential',
  accountId: '1',
  userId: '1',
  scopes: [],
  createdAt: AT,
  updatedAt: AT,
};

const security = (changes: Partial<ViewOf<'security'>> = {}, outcome?: Outcome) =>
  formPage(
    accountPage({
      formToken: 't',
      owner,
      view: {
        section: 'security',
        factors: noFactor,
        passkeys: [],
        accepted: { user: 'dQ', ids: [] },
        linked: [],
        ...changes,
      },
      outcome,
    }),
  );
const sessionsOf = (items: readonly SessionItem[], isLonger = false) =>
  formPage(accountPage({ formToken: 't', owner, view: { section: 'sessions', items, isLonger } }));
const session = (changes: Partial<SessionItem> = {}): SessionItem => ({
  id: 's',
  current: false,
  created_at: AT,
  ip_address: null,
  user_agent: null,
  ...changes,
});
/** The part of a page with this heading. */
const partIn = (page: string, id: string): string =>
  new RegExp(`<section[^>]*><h2 id="part-${id}">.*?</section>`, 's').exec(page)?.[0] ?? '';

describe('the security section', () => {
  test('offers to change a password, or to choose the first one by mail', () => {
    expect(security({ linked: [password] })).toContain('name="current_password"');
    expect(security()).toContain('Your account has no password.');
    expect(security()).not.toContain('name="current_password"');
  });

  test('offers an authenticator app to an account with a password, and to remove the one that it has', () => {
    expect(security({ linked: [password] })).toContain('value="enable_totp"');
    expect(security()).not.toContain('value="enable_totp"');
    const on = security({ factors: { ...noFactor, totp: true, recovery_codes_left: 7 } });
    expect(on).toContain('value="disable_totp"');
    expect(on).toContain('Recovery codes left: <strong>7</strong>');
  });

  test('says that a role requires a second factor only while there is none', () => {
    const said = 'Your roles take effect only';
    expect(security({ factors: { ...noFactor, required: true } })).toContain(said);
    expect(security({ factors: { ...noFactor, required: true, totp: true } })).not.toContain(said);
  });

  test('names a passkey as its owner did, and lets the owner rename and remove it', () => {
    const passkey = { id: 'k', name: null, device_bound: true, backed_up: false, created_at: AT };
    const part = partIn(security({ passkeys: [{ ...passkey, name: 'my key' }, passkey] }), 'passkeys');
    for (const said of ['<strong>my key</strong>', '<strong>My passkey</strong>', 'rename_passkey', 'remove_passkey'])
      expect(part).toContain(said);
  });

  test('loads the script for passkeys, as no other section does', () => {
    const policyOf = (section: 'data' | 'profile') =>
      formPageHeaders(accountPage({ formToken: 't', owner, view: { section } }))['content-security-policy'];
    expect(security()).toContain('src="/account/passkey.js"');
    for (const section of ['data', 'profile'] as const) expect(policyOf(section)).not.toContain("'self' 'sha256");
  });
});

describe('what the last form did', () => {
  test('is said next to that form, and nowhere else', () => {
    const page = security({ linked: [password] }, { act: 'password' });
    expect(partIn(page, 'password')).toContain(
      '<p id="said" class="note good" role="status" tabindex="-1">Your password',
    );
    expect(page.split('id="said"')).toHaveLength(2);
  });

  test('and why it did nothing too, with the form open again', () => {
    const page = security({ linked: [password] }, { act: 'enable_totp', problem: () => 'Wrong.' });
    const part = partIn(page, 'authenticator');
    expect(part).toContain('role="alert" tabindex="-1">Wrong.</p>');
    expect(part).toContain('<details open>');
    expect(partIn(page, 'password')).toContain('<details>');
  });

  test('is where the browser goes: every form of the account leads there', () => {
    const actions = [...security({ linked: [password] }).matchAll(/action="([^"]*)"/g)].map(([, action]) => action);
    expect(new Set(actions)).toEqual(new Set(['/logout', '/account#said']));
  });
});

describe('the sessions', () => {
  const chrome = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36';

  test('are named by browser and system, with what the browser said in the title; the own one stands first', () => {
    const page = sessionsOf([
      session({ user_agent: chrome }),
      session({ current: true }),
      session({ user_agent: 'curl/8' }),
    ]);
    expect(page).toContain(`title="${chrome}">Chrome on Linux</strong>`);
    expect(page).toContain('title="curl/8">curl</strong>');
    expect(page.indexOf('This browser')).toBeLessThan(page.indexOf('Chrome on Linux'));
    expect(page).toContain('Signed in on <time datetime="2026-01-02T03:04:05.000Z">Jan 2, 2026, 3:04');
  });

  test('can be ended all at once only if there is another one', () => {
    expect(sessionsOf([session({ current: true })])).not.toContain('end_other_sessions');
    expect(sessionsOf([session({ current: true }), session()])).toContain('end_other_sessions');
  });

  // IPv6 addresses are stored as /64 prefixes in full, and `::1` has that of `::`.
  test.each([
    ['0000:0000:0000:0000:0000:0000:0000:0000', 'localhost'],
    ['2001:0db8:0000:0001:0000:0000:0000:0000', '2001:db8:0:1::'],
    ['192.0.2.7', '192.0.2.7'],
  ])('show the address %s in its short form', (stored, shown) => {
    expect(sessionsOf([session({ ip_address: stored })])).toContain(` · <bdi>${shown}</bdi>`);
  });

  test('that are not shown are said to be in the download', () => {
    expect(sessionsOf([session()], true)).toContain('There are more.');
    expect(sessionsOf([session()])).not.toContain('There are more.');
  });
});

test('the navigation names each section and marks the one that is shown', () => {
  const page = formPage(accountPage({ formToken: 't', owner, view: { section: 'data' } }));
  const links = [...page.matchAll(/<li><a href="(\/account[^"]*)"( aria-current="page")?>/g)];
  expect(links.map(([, path, current]) => [path, current !== undefined])).toEqual([
    ['/account', false],
    ['/account/security', false],
    ['/account/sessions', false],
    ['/account/applications', false],
    ['/account/api-keys', false],
    ['/account/data', true],
  ]);
});

test.each<AccountSection>(['applications', 'keys'])('an empty list of %s says so in a sentence', (section) => {
  const view = { section, items: [], owned: [], isLonger: false, carriable: [] } as unknown as
    | ViewOf<'applications'>
    | ViewOf<'keys'>;
  expect(formPage(accountPage({ formToken: 't', owner, view }))).toMatch(/<p class="dim">(No application|You have no)/);
});

test.each([
  [0, false],
  [3, true],
])('older copies that were used %i times are shown: %s', (uses, isShown) => {
  const item = {
    client_id: 'c',
    client_name: 'CLI',
    client_origin: 'admin',
    scopes: [],
    audiences: [],
    granted_at: AT,
    details: [],
  };
  const items = [{ ...item, logins: 1, copy_uses: uses } as const];
  const view = { section: 'applications', items, owned: [], isLonger: false } as const;
  const page = formPage(accountPage({ formToken: 't', owner, view: view as unknown as ViewOf<'applications'> }));
  expect(page.includes(`by programs that share a sign-in: ${uses}`)).toBe(isShown);
});

test('an account has a picture with the first character of its name, else of its address', () => {
  const avatarOf = (name: string) =>
    formPage(accountPage({ formToken: 't', owner: { ...owner, name }, view: { section: 'data' } }));
  expect(avatarOf(' zoë')).toContain('<bdi>Z</bdi>');
  expect(avatarOf('')).toContain('<bdi>A</bdi>');
});

test('the step-up asks for what the account has: its password, a code, a recovery code or a passkey', () => {
  const shown = (totp: boolean, passkeys: number) =>
    formPage(stepUpPage({ formToken: 't', factors: { totp, passkeys }, section: 'data', path: '/account/data' }));
  expect(shown(false, 0)).toContain('type="password"');
  expect(shown(true, 0)).toContain('The code in your authenticator app');
  expect(shown(true, 0)).not.toContain('/login/passkey');
  expect(shown(false, 1)).toContain('<label for="code">A recovery code</label>');
  expect(shown(false, 1)).toContain('action="/login/passkey"');
});

test('leads to the console only who may use it', () => {
  const pageOf = (usesConsole: boolean) =>
    formPage(accountPage({ formToken: 't', owner: { ...owner, usesConsole }, view: { section: 'data' } }));
  expect(pageOf(true)).toContain('<a href="/console">');
  expect(pageOf(false)).not.toContain('/console');
});

const WEBKIT = 'AppleWebKit/537.36 (KHTML, like Gecko)';
const APPLE = 'AppleWebKit/605.1.15 (KHTML, like Gecko)';

test.each([
  [`Mozilla/5.0 (X11; Linux x86_64) ${WEBKIT} Chrome/131.0.0.0 Safari/537.36`, 'Chrome', 'Linux'],
  [`Mozilla/5.0 (X11; Linux x86_64) ${WEBKIT} HeadlessChrome/131.0.0.0 Safari/537.36`, 'Chrome', 'Linux'],
  [`Mozilla/5.0 (X11; Linux x86_64) ${WEBKIT} Ubuntu Chromium/80.0 Chrome/80.0 Safari/537.36`, 'Chromium', 'Linux'],
  [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/131.0.0.0 Safari/537.36`, 'Chrome', 'Windows'],
  [
    `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0`,
    'Edge',
    'Windows',
  ],
  [
    `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/131.0.0.0 Safari/537.36 OPR/115.0.0.0`,
    'Opera',
    'Windows',
  ],
  [
    `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${WEBKIT} Chrome/131.0.0.0 Safari/537.36 Vivaldi/7.0`,
    'Vivaldi',
    'macOS',
  ],
  [`Mozilla/5.0 (Windows NT 10.0) ${WEBKIT} Chrome/130.0 YaBrowser/24.12 Safari/537.36`, 'Yandex Browser', 'Windows'],
  [`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${APPLE} Version/18.1 Safari/605.1.15`, 'Safari', 'macOS'],
  [
    `Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) ${APPLE} Version/18.1 Mobile/15E148 Safari/604.1`,
    'Safari',
    'iPhone',
  ],
  [`Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) ${APPLE} Version/17.7 Mobile/15E148 Safari/604.1`, 'Safari', 'iPad'],
  [
    `Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) ${APPLE} CriOS/131.0 Mobile/15E148 Safari/604.1`,
    'Chrome',
    'iPhone',
  ],
  [
    `Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) ${APPLE} FxiOS/133.0 Mobile/15E148 Safari/605.1.15`,
    'Firefox',
    'iPhone',
  ],
  [
    `Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) ${APPLE} Version/18.0 EdgiOS/131.0 Mobile/15E148 Safari/604.1`,
    'Edge',
    'iPhone',
  ],
  [
    `Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) ${APPLE} Version/18.1 Mobile/15E148 DuckDuckGo/7 Safari/604.1`,
    'DuckDuckGo',
    'iPhone',
  ],
  [`Mozilla/5.0 (Linux; Android 10; K) ${WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36`, 'Chrome', 'Android'],
  [
    `Mozilla/5.0 (Linux; Android 10; K) ${WEBKIT} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36`,
    'Samsung Internet',
    'Android',
  ],
  ['Mozilla/5.0 (Android 15; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0', 'Firefox', 'Android'],
  ['Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0', 'Firefox', 'Linux'],
  ['Mozilla/5.0 (X11; FreeBSD amd64; rv:133.0) Gecko/20100101 Firefox/133.0', 'Firefox', 'FreeBSD'],
  [`Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${WEBKIT} Chrome/131.0.0.0 Safari/537.36`, 'Chrome', 'ChromeOS'],
  ['Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko', 'Internet Explorer', 'Windows'],
  ['Mozilla/5.0 (compatible; an unknown browser)', null, null],
  ['curl/8.5.0', 'curl', null],
  ['node', 'node', null],
  ['Dart/3.5 (dart:io)', 'Dart', null],
  ['okhttp/4.12.0', 'okhttp', null],
  ['MyApp/12 CFNetwork/1568.200.51 Darwin/24.1.0', 'MyApp', 'macOS'],
  ['Go-http-client/2.0', 'Go-http-client', null],
  ['', null, null],
  ['"><script>alert(1)</script>', null, null],
  [`${'x'.repeat(600)} Windows Chrome/1`, null, null],
])('%s is %s on %s', (userAgent, browser, system) => expect(browserNameOf(userAgent)).toEqual({ browser, system }));
