import { describe, expect, test } from 'vitest';
import type { ProviderAccount } from '#tools/testing/fakes/oidc-provider.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { enrolled } from '#tools/testing/flows/factor-flows.ts';
import { type Browser, openBrowser, type Shown } from '#tools/testing/flows/oauth-browser.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { openSocialHarness, providerAccount } from '#tools/testing/harness/social.ts';
import { opened } from '#tools/testing/opened.ts';

/** The headers of a browser's navigation. */
const LOOKS_AT_PAGES = { accept: 'text/html,*/*;q=0.8' };
const LISTED = 'https://app.example.test';

const harness = opened(() => openSocialHarness({ CORS_ORIGINS: LISTED }));

/** A user with an authenticator app who may also sign in by the provider. */
async function linkedWithApp(): Promise<{ readonly who: ProviderAccount; readonly uri: string }> {
  const { cookie, uri } = await enrolled(harness.copy);
  const who = providerAccount();
  const begun = await harness.begin({ cookie, path: '/api/auth/link-social' });
  const linked = await harness.ask('GET', await harness.comeBack(begun, who), { cookie: begun.cookie });
  expect(linked.body).toEqual({ linked: true });
  return { who, uri };
}

/** A browser back from the provider, with the page it is shown. */
async function sentBack(who: ProviderAccount, members: object = {}): Promise<[Shown, Browser]> {
  const browser = openBrowser(harness.copy.url, API_URL);
  const begun = await harness.begin({}, members);
  const answer = await harness.ask('GET', await harness.comeBack(begun, who), {
    cookie: begun.cookie,
    headers: LOOKS_AT_PAGES,
  });
  for (const pair of [begun.cookie, ...answer.headers.getSetCookie().map((line) => line.split(';', 1)[0] ?? '')])
    browser.cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
  return [{ ...answer, leftFor: null }, browser];
}

/** The address to which a page redirects the browser. */
function goesOnTo({ text }: Shown): string {
  const [, url = ''] = /<meta http-equiv="refresh" content="0;url=([^"]+)">/.exec(text) ?? [];
  return url.replaceAll('&amp;', '&');
}

const isSignedIn = async ({ cookies }: Browser): Promise<boolean> => {
  const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
  return (await harness.ask('GET', '/api/auth/session', { cookie })).status === 200;
};

describe('a browser that comes back from a provider', () => {
  test.each([
    [`${LISTED}/welcome`, `${LISTED}/welcome`],
    [undefined, null],
  ])('must enter the second factor on a page, which then leads to %s', async (callbackURL, leadsTo) => {
    const { who, uri } = await linkedWithApp();
    const [asked, browser] = await sentBack(who, callbackURL === undefined ? {} : { callbackURL });
    expect([asked.status, asked.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(asked.headers.get('content-security-policy')?.includes(LISTED)).toBe(leadsTo !== null);
    expect(await isSignedIn(browser)).toBe(false);
    const wrong = await browser.submit(asked, { code: 'wrong-recovery-code' });
    expect(wrong.text).toContain('use a recovery code');
    const done = await browser.submit(wrong, { code: codeOf(uri, 1) });
    expect(done.leftFor?.href ?? null).toBe(leadsTo);
    if (leadsTo === null) expect(done.text).toContain('<h1>Your account</h1>');
    expect(await isSignedIn(browser)).toBe(true);
  });

  test('is redirected nowhere else by a manipulated form', async () => {
    const { who, uri } = await linkedWithApp();
    const [asked, browser] = await sentBack(who, { callbackURL: `${LISTED}/welcome` });
    const changed = { ...asked, text: asked.text.replaceAll(LISTED, 'https://evil.test') };
    const done = await browser.submit(changed, { code: codeOf(uri, 1) });
    expect([done.leftFor, done.text.includes('<h1>Your account</h1>')]).toEqual([null, true]);
  });

  test('is shown on a page what went wrong and what to do next; a program gets an error code', async () => {
    const who = providerAccount({ email_verified: false });
    const [shown] = await sentBack(who);
    expect([shown.status, shown.headers.get('content-type')]).toEqual([403, 'text/html; charset=utf-8']);
    expect(shown.text).toMatch(
      /The provider has not confirmed the e-mail address.*Verify your address with that provider, or sign in another way\./s,
    );
    expect((await harness.signInAs(who)).body).toMatchObject({ code: 'social_email_unproven' });
  });

  test('gets the return address with the challenge, if it is a program', async () => {
    const { who } = await linkedWithApp();
    const [to, nowhere] = [await harness.signInAs(who, { callbackURL: '/welcome' }), await harness.signInAs(who)];
    expect(to.body).toMatchObject({ code: 'second_factor_required', callbackURL: '/welcome' });
    expect(nowhere.body).toMatchObject({ code: 'second_factor_required', challenge: expect.any(String) });
    expect(nowhere.body).not.toHaveProperty('callbackURL');
  });
});

describe('the sign-in page', () => {
  const AUTHORIZE = `/oauth2/authorize?${new URLSearchParams({ client_id: 'unknown', state: 'kept' })}`;

  test('offers the configured providers and continues to the page that asked for the sign-in', async () => {
    const browser = openBrowser(harness.copy.url, API_URL);
    const page = await browser.open(`/login?${new URLSearchParams({ next: AUTHORIZE })}`);
    for (const brand of ['Company', 'Other', 'GitHub']) expect(page.text).toContain(`Continue with ${brand}</button>`);
    const left = await browser.submit(page, { provider: 'company' }, '/login/provider');
    expect([left.status, left.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const back = await harness.comeBack({ url: goesOnTo(left), cookie: '' }, providerAccount());
    const cookie = [...browser.cookies].map((pair) => pair.join('=')).join('; ');
    const done = await harness.ask('GET', back, { cookie, headers: LOOKS_AT_PAGES });
    expect([done.status, done.headers.get('location')]).toEqual([303, AUTHORIZE]);
    expect(done.headers.getSetCookie().join()).toContain('session_token=');
  });

  test('without a page to continue to leads to the account of the user', async () => {
    const browser = openBrowser(harness.copy.url, API_URL);
    const left = await browser.submit(await browser.open('/login'), { provider: 'company' }, '/login/provider');
    const back = await harness.comeBack({ url: goesOnTo(left), cookie: '' }, providerAccount());
    expect((await browser.open(back)).text).toContain('<h1>Your account</h1>');
  });

  test('is not redirected elsewhere by a manipulated form', async () => {
    const browser = openBrowser(harness.copy.url, API_URL);
    const page = await browser.open('/login');
    const changed = { ...page, text: page.text.replaceAll('value="/login"', 'value="https://evil.test/"') };
    const left = await browser.submit(changed, { provider: 'company' }, '/login/provider');
    const back = await harness.comeBack({ url: goesOnTo(left), cookie: '' }, providerAccount());
    expect((await browser.open(back)).leftFor).toBeNull();
  });

  test('explains an unconfigured provider, and a form of another browser', async () => {
    const browser = openBrowser(harness.copy.url, API_URL);
    const page = await browser.open('/login');
    const unknown = await browser.submit(page, { provider: 'unknown' }, '/login/provider');
    expect(unknown.status).toBe(404);
    expect(unknown.text).toContain('role="alert"');
    const foreign = await openBrowser(harness.copy.url, API_URL).submit(
      page,
      { provider: 'company' },
      '/login/provider',
    );
    expect([foreign.status, foreign.headers.getSetCookie()]).toEqual([403, []]);
  });
});
