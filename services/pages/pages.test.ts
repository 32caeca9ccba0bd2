import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { ScopeWords } from '#services/core/access/scope-words.ts';
import { DEFAULT_BRAND } from '#services/platform/html/brand.ts';
import { html } from '#services/platform/html/html.ts';
import type { SignOffView } from '#services/wings/signoff/contract.ts';
import type { SignOffNames } from '#services/wings/signoff/read-names.ts';
import { mailLinkDonePage, mailLinkPage } from './account-pages.ts';
import { signOffWith } from './every-page-harness.ts';
import { formPage, formPageHeaders } from './form-page.ts';
import { owedFactorPage } from './own-account/factor-pages.ts';
import {
  askSignOutPage,
  codePage,
  consentPage,
  consoleProblemPage,
  deviceCodePage,
  deviceConfirmPage,
  deviceDonePage,
  errorPage,
  formPostPage,
  leavePage,
  signedOutPage,
  signInPage,
  toProviderPage,
} from './pages.ts';
import { signOffPage, signOffsPage } from './signoff-pages.ts';
import { ENGLISH, GERMAN } from './texts/texts.ts';

const NO_WORDS = { words: new Map<string, ScopeWords>(), details: [] };
const signIn = { formToken: 't', next: '/login', email: '', providers: [], signUpPath: '/s', forgotPasswordPath: '/f' };

const APP = { formToken: 't', query: 'q', clientName: 'App', clientHost: 'app.test', logoPath: null, clientUri: null };
const TV = { formToken: 't', userCode: 'ABCD', clientName: 'TV', logoPath: null, unvetted: null, email: 'e' };

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

test('the consent page links to the page of the client, if it has one', () => {
  const asked = {
    formToken: 't',
    query: 'q',
    clientName: 'App',
    clientHost: 'app.test',
    logoPath: null,
    unvetted: null,
  };
  const about = { ...asked, email: 'a@b.test', scopes: [], ...NO_WORDS };
  const clientUri = 'https://app.test/about';
  const link = `<a href="${clientUri}" rel="noreferrer"><code>${clientUri}</code></a>`;
  expect(formPage(consentPage({ ...about, clientUri }))).toContain(link);
  expect(formPage(consentPage({ ...about, clientUri: null }))).not.toContain('rel="noreferrer"');
});

test('an unvetted client links only to a host that it is bound to: no page of others vouches for it (RFC 7591 §5)', () => {
  const asked = { formToken: 't', query: 'q', clientName: 'App', clientHost: 'app.test:8443', logoPath: null };
  const about = { ...asked, email: 'a@b.test', scopes: [], ...NO_WORDS, unvetted: { address: 'meta.test' } };
  const linksTo = (clientUri: string, unvetted: typeof about.unvetted | { address: null } = about.unvetted) =>
    formPage(consentPage({ ...about, unvetted, clientUri })).includes(`<a href="${clientUri}"`);
  for (const own of ['https://app.test:8443/about', 'https://meta.test'])
    expect([own, linksTo(own)]).toEqual([own, true]);
  for (const other of ['https://bank.test', 'https://app.test/about', 'https://app.test:8443.bank.test', 'https://['])
    expect([other, linksTo(other)]).toEqual([other, false]);
  expect(linksTo('https://meta.test', { address: null })).toBe(false);
});

test('an unvetted client is shown as unvetted, with the host of its document', () => {
  const asked = { ...APP, email: 'a@b.test', scopes: [], ...NO_WORDS };
  const warning = 'No administrator has checked this application';
  expect(formPage(consentPage({ ...asked, unvetted: null }))).not.toContain(warning);
  const nameless = formPage(consentPage({ ...asked, unvetted: { address: null } }));
  expect(nameless).toContain(warning);
  expect(nameless).not.toContain('Its address is');
  expect(formPage(consentPage({ ...asked, unvetted: { address: 'https://app.test/a' } }))).toContain(
    'Its address is <strong><code>https://app.test/a</code></strong>.',
  );
});

test('scopes are described in words, those of an application in its own, and scopes without words by name', () => {
  const words = new Map([['notes:read', { en: 'read your notes', de: 'Ihre Notizen lesen' }]]);
  const page = deviceConfirmPage({ ...TV, ...NO_WORDS, scopes: ['email', 'things:read', 'notes:read'], words });
  expect(formPage(page)).toContain('see your e-mail address');
  expect(formPage(page)).toContain('use <code>things:read</code> for you');
  expect(formPage(page)).toContain('<bdi>read your notes</bdi>');
  expect(formPage(page, { brand: DEFAULT_BRAND, language: GERMAN })).toContain('<bdi>Ihre Notizen lesen</bdi>');
  const english = deviceConfirmPage({
    ...TV,
    details: [],
    scopes: ['notes:read'],
    words: new Map([['notes:read', { en: 'read your notes' }]]),
  });
  expect(formPage(english, { brand: DEFAULT_BRAND, language: GERMAN })).toContain('<bdi>read your notes</bdi>');
});

test('an application that asks only who the user is does not ask to act for the user', () => {
  const asked = { ...APP, unvetted: null };
  const titled = (scopes: readonly string[]) =>
    formPage(consentPage({ ...asked, email: 'a@b.test', scopes, ...NO_WORDS }));
  expect(titled(['openid', 'email', 'profile'])).toContain('<h1>Sign in to <bdi>App</bdi>?</h1>');
  expect(titled(['openid', 'email', 'profile'])).toContain('sign you in');
  for (const more of ['notes:read', 'own.sessions'])
    expect(titled(['openid', more])).toContain('<h1>Allow <bdi>App</bdi> to access your account?</h1>');
});

test('the sign-out page names the requesting client, if it is known', () => {
  const asked = { formToken: 't', clientId: '', redirectUri: '', state: '', email: 'a@b.test', isLost: false };
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

test('a sign-in to the console that did not finish leads to the console alone', () => {
  for (const why of ['refused', null] as const) {
    const page = formPage(consoleProblemPage(why));
    expect(page).toContain('<a href="/console">');
    expect(page).not.toContain('Go back to the application');
  }
});

test('a page redirects only to the address that it names', () => {
  expect(formPage(toProviderPage('google', 'https://a.test/x?a=1&b=2'))).toContain(
    '<meta http-equiv="refresh" content="0;url=https://a.test/x?a=1&amp;b=2">',
  );
  expect(formPage(signedOutPage)).not.toContain('http-equiv');
});

test('the headers of a page allow forms to our origin and the given ones, and its scripts', () => {
  const bare = formPageHeaders(signedOutPage);
  expect(bare['content-security-policy']).toContain("form-action 'self';");
  expect(bare['content-security-policy']).toMatch(/ script-src 'sha256-[^' ]+'; connect-src 'self'; /);
  // A page that only leads elsewhere has nothing to wait for.
  const away = formPageHeaders(toProviderPage('google', 'https://a.test/x'));
  expect(away['content-security-policy']).not.toMatch(/script-src|connect-src/);
  expect(bare).toMatchObject({
    'cache-control': 'no-store',
    'referrer-policy': 'same-origin',
    'x-frame-options': 'DENY',
  });
  const own = formPageHeaders(signInPage(signIn), ['https://app.test']);
  expect(own['content-security-policy']).toContain("form-action 'self' https://app.test;");
  expect(own['content-security-policy']).toContain("script-src 'self' 'sha256-");
});

test('a template does not escape markup again, and leaves out absent values', () =>
  expect(html`${html`<b>${1}</b>`}${[html`<i>`, html`</i>`]}${null}${undefined}${false}${'<&'}`.text).toBe(
    '<b>1</b><i></i>&lt;&amp;',
  ));

test('the sign-in page names the application that asks, and leads to sign-up and to a forgotten password', () => {
  const shown = formPage(signInPage({ ...signIn, asker: { name: 'App', host: 'app.test', logoPath: null } }));
  expect(shown).toContain('<strong>App</strong> (<code>app.test</code>) asks you to sign in.');
  expect(shown).toContain('<a href="/f">Forgot password?</a>');
  expect(shown).toContain('<a href="/s">Create account</a>');
  expect(formPage(signInPage({ ...signIn, asker: null }))).not.toContain('asks you');
});

test('a page that asks a signed-in user to sign in again names application and account, and leads to another account', () => {
  const asker = { name: 'App', host: 'app.test', logoPath: null };
  const confirms = { email: 'a@b.test', otherPath: '/login?another=1' };
  const shown = formPage(signInPage({ ...signIn, asker, confirms }));
  expect(shown).toContain(
    '<strong>App</strong> (<code>app.test</code>) asks you to confirm that it is you. You are signed in as <strong>a@b.test</strong>.',
  );
  expect(shown).toContain('<a href="/login?another=1">Use another account</a>');
  expect(shown).not.toContain('asks you to sign in');
});

test('a response is posted to the client by a script or a button; an unchecked client only by a button', () => {
  const answer = { kind: 'form-post', action: 'https://app.test/cb', fields: { state: 's' } } as const;
  const form =
    '<form method="post" action="https://app.test/cb"><input type="hidden" name="state" value="s"><button type="submit">Continue to app.test</button></form>';
  const [posted, left] = [formPostPage(answer), leavePage('The user must sign in.', answer)];
  for (const page of [posted, left]) {
    expect(formPage(page)).toContain(form);
    expect(formPageHeaders(page, ['https://app.test'])['content-security-policy']).toContain(
      'form-action https://app.test;',
    );
  }
  expect([posted, left].map((page) => formPage(page).includes('.submit()'))).toEqual([true, false]);
});

test('the logo of an application stands beside its name; only then may a page load images of our origin', () => {
  const logoPath = '/oauth2/clients/app/logo';
  const asker = { name: 'App', host: 'app.test', logoPath };
  const asked = {
    formToken: 't',
    clientName: 'App',
    unvetted: null,
    email: 'a@b.test',
    scopes: [],
    ...NO_WORDS,
    logoPath,
    clientUri: null,
  };
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
  expect(formPage(signInPage({ ...signIn, next: '/device', help: 'resend' }))).toContain(
    'href="/account/resend-verification?next=%2Fdevice"',
  );
  expect(formPage(signInPage(signIn))).not.toMatch(/unlock|resend/);
});

describe('the page of a mailed link', () => {
  const LINKS = ['verify', 'reset', 'unlock', 'invitation'] as const;
  const nothing = { formToken: 't', token: '', typed: '', email: '', next: '/login' };

  test.each(LINKS)('%s asks for the code, and keeps a sent code out of sight', (link) => {
    expect(formPage(mailLinkPage(link, nothing))).toContain('<label for="code">');
    const kept = formPage(mailLinkPage(link, { ...nothing, token: 'the-code' }));
    expect(kept).toContain('<input type="hidden" name="token" value="the-code">');
    expect(kept).not.toContain('<label for="code">');
    const typed = formPage(mailLinkPage(link, { ...nothing, typed: 'BCDF-GHJK', email: 'a@b.test' }));
    expect(typed).toContain('<input type="hidden" name="code" value="BCDF-GHJK">');
    expect(typed).not.toContain('<label for="code">');
    expect(formPage(mailLinkDonePage(link, '/login?next=%2Fdevice'))).toContain(
      '<a href="/login?next=%2Fdevice">Sign in</a>',
    );
  });

  test.each(LINKS)('%s has another heading once it is done', (link) => {
    const headingOf = (page: string) => /<h1>(.*?)<\/h1>/.exec(page)?.[1];
    expect(headingOf(formPage(mailLinkDonePage(link, '/login')))).toMatch(/confirmed|changed|unlocked|ready/);
    expect(headingOf(formPage(mailLinkPage(link, nothing)))).not.toMatch(/confirmed|changed|unlocked|ready/);
  });

  test('of a verification asks for a password only if one is needed', () => {
    expect(formPage(mailLinkPage('verify', nothing))).not.toContain('name="password"');
    expect(formPage(mailLinkPage('verify', { ...nothing, token: 'the-code' }))).toContain('name="password"');
  });

  test('that confirmed the address of a signed-in user leads to the account, not to the sign-in', () => {
    const page = formPage(mailLinkDonePage('verify', null));
    expect(page).toContain('Your address is confirmed.');
    expect(page).toContain('href="/account"');
    expect(page).not.toMatch(/You can sign in now|"\/login"/);
  });

  test.each([
    ['verify', '/account/resend-verification'],
    ['reset', '/account/forgot-password'],
    ['unlock', '/account/request-unlock'],
  ] as const)('%s leads users without a valid code to another mail', (link, path) => {
    expect(formPage(mailLinkPage(link, nothing))).toContain(`"${path}"`);
  });
});

describe('the second factor', () => {
  const shown = (factors: readonly string[]) =>
    formPage(codePage({ formToken: 't', next: '/', challenge: 'c', factors }));

  test('is asked for as the account has it: a passkey is offered only to an account that has one', () => {
    const app = shown(['totp', 'recovery_code']);
    expect(app).toContain('The code in your authenticator app, or a recovery code');
    expect(app).not.toContain('id="passkey"');
    expect(shown(['totp', 'passkey'])).toContain('id="passkey"');
  });

  test('of an account with passkeys alone is the passkey, or a recovery code', () => {
    const page = shown(['passkey', 'recovery_code']);
    expect(page).toContain('Use your passkey, or enter one of your recovery codes.');
    expect(page).toContain('<label for="code">A recovery code</label>');
    expect(page).not.toContain('authenticator app');
    expect(page.indexOf('id="passkey"')).toBeLessThan(page.indexOf('id="code"'));
  });

  test('is asked for on a page that leads back to the sign-in, and from there to the same place', () => {
    const asked = { formToken: 't', next: '/device', challenge: 'c', factors: [] };
    const enrolment = { totpUri: 'otpauth://totp/x?secret=ABCD', recoveryCodes: [] };
    for (const page of [codePage(asked), owedFactorPage({ ...asked, enrolment })])
      expect(formPage(page)).toContain('<a href="/login?next=%2Fdevice">Back to sign-in</a>');
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
const NO_NAMES: SignOffNames = { people: new Map(), clients: new Map() };

describe('the page of a sign-off', () => {
  const shown = (
    changes: Partial<SignOffView>,
    asked: { roles?: readonly 'qa'[]; isFresh?: boolean; names?: SignOffNames } = {},
  ) =>
    formPage(
      signOffPage({
        formToken: 't',
        signOff: { ...signOffWith('x'), ...changes },
        names: NO_NAMES,
        userId: 'own',
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

  test('names the agent that asks, its owner and the people who decided; ids stand where a name is unknown', () => {
    const names = {
      people: new Map([
        ['owner', { id: 'owner', name: 'Ada', email: 'ada@b.test' }],
        ['reviewer', { id: 'reviewer', name: '', email: 'eve@b.test' }],
      ]),
      clients: new Map([['agent-1', { id: 'agent-1', name: 'Deployer', owner_id: 'owner' }]]),
    };
    const decided = { role: 'qa', user_id: 'reviewer', decision: 'approve', comment: null, at: 'x' } as const;
    const changes = {
      requested_by: { kind: 'client', id: 'agent-1' },
      client_id: 'agent-1',
      decisions: [decided, { ...decided, role: 'architect', user_id: 'deleted-one' }],
    } as const;
    const page = shown({ ...changes, decisions: [...changes.decisions] }, { names });
    for (const part of ['<strong>Deployer</strong>', '<strong>Ada</strong> (<bdi>ada@b.test</bdi>)'])
      expect(page).toContain(part);
    expect(page).toContain('approved by <bdi>eve@b.test</bdi>');
    expect(page).toContain('approved by <code>deleted-one</code>');
    const asked = formPage(signOffsPage([{ ...signOffWith('x'), ...changes, decisions: [] }], names));
    expect(asked).toContain('Requested by <strong>Deployer</strong>');
    const byUser = { kind: 'user', id: 'owner' } as const;
    const through = shown({ requested_by: byUser, client_id: 'agent-1' }, { names });
    expect(through).toMatch(/Through the application<\/dt><dd><strong>Deployer/);
    expect(shown({ requested_by: { kind: 'system', id: 'cli' }, client_id: null })).toContain('<code>cli</code>');
  });

  test('says what its reader has decided, and that requesters do not decide', () => {
    const own = { role: 'qa', user_id: 'own', decision: 'approve', comment: null, at: 'x' } as const;
    const asked = { roles: [] };
    expect(shown({ decisions: [own] }, asked)).toContain('You have approved this as Quality assurance.');
    expect(shown({ state: 'approved', decisions: [own] }, asked)).toContain('You have approved this');
    expect(shown({ state: 'denied', decisions: [{ ...own, decision: 'deny' }] }, asked)).toContain(
      'You have denied this',
    );
    expect(shown({ decisions: [own] }, asked)).not.toMatch(/You have no role|<form/);
    const requested = shown({ requested_by: { kind: 'user', id: 'own' } });
    expect(requested).toContain('You or your agent requested this');
    expect(requested).not.toContain('<form');
  });

  test('names the conditions only if there are any', () => {
    expect(shown({})).toContain('The security score is 90 or more.');
    expect(shown({ conditions: { min_security_score: null, no_open_incident: false } })).not.toContain('Conditions');
  });
});
