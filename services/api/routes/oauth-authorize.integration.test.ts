import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { COME_BACK_SCRIPT } from '#services/pages/page-script.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { enrolled } from '#tools/testing/flows/factor-flows.ts';
import { signUp } from '#tools/testing/flows/flows.ts';
import { openBrowser, type Shown } from '#tools/testing/flows/oauth-browser.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { ALLOW, browserOf, challengeOf, newVerifier } from '#tools/testing/harness/oauth.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { openCodeHarness, WEB_REDIRECT } from './oauth-code-harness.ts';

const harness = opened(openCodeHarness);

const errorAt = (shown: Shown) => Object.fromEntries(shown.leftFor?.searchParams ?? []);

describe('the authorization endpoint', () => {
  test('an unregistered redirect address gets an error page, never a redirect', async () => {
    const browser = browserOf(harness.api, harness.user);
    for (const redirect_uri of [
      `${WEB_REDIRECT}/`,
      WEB_REDIRECT.toUpperCase(),
      'https://user@app.example.test/cb?tenant=1',
      'https://app.example.test/%63b?tenant=1',
      'javascript:alert(1)',
      'https://app.example.test/',
      undefined,
    ]) {
      const shown = await browser.open(harness.authorizePath(harness.site, newVerifier(), { redirect_uri }));
      expect([shown.status, shown.leftFor], String(redirect_uri)).toEqual([400, null]);
      expect(shown.headers.get('content-type')).toMatch(/^text\/html/);
    }
    expect((await browser.open(harness.authorizePath({ client_id: 'unknown' }, newVerifier()))).status).toBe(400);
  });

  test('errors go to the client with the exact iss and its state', async () => {
    const browser = browserOf(harness.api, harness.user);
    for (const [members, error] of [
      [{ response_type: 'token' }, 'unsupported_response_type'],
      [{ code_challenge: undefined }, 'invalid_request'],
      [{ code_challenge_method: 'plain' }, 'invalid_request'],
      [{ scope: 'openid keys:manage' }, 'invalid_scope'],
      [{ resource: 'nowhere' }, 'invalid_target'],
      [{ request_uri: 'urn:x' }, 'request_uri_not_supported'],
      [{ prompt: 'none', scope: 'profile', resource: 'https://new.test' }, 'consent_required'],
    ] as const)
      expect(errorAt(await browser.open(harness.authorizePath(harness.site, newVerifier(), members)))).toMatchObject({
        error,
        iss: API_URL,
        state: 'a state &=',
        tenant: '1',
      });
    const anonymous = await browserOf(harness.api).open(
      harness.authorizePath(harness.site, newVerifier(), { prompt: 'none' }),
    );
    expect(errorAt(anonymous)).toMatchObject({ error: 'login_required', iss: API_URL });
  });

  test('consent is asked once, stored for the granted scopes, and can be denied', async () => {
    const own = await harness.newSite();
    const browser = browserOf(harness.api, harness.user);
    const path = harness.authorizePath(own, newVerifier(), {
      redirect_uri: WEB_REDIRECT,
      scope: 'openid email tasks:read',
    });
    const first = await browser.open(path);
    expect(errorAt(await browser.submit(first, { decision: 'deny' }))).toMatchObject({
      error: 'access_denied',
      iss: API_URL,
    });
    const verifier = newVerifier();
    const narrowed = await browser.submit(
      await browser.open(
        harness.authorizePath(own, verifier, { redirect_uri: WEB_REDIRECT, scope: 'openid email tasks:read' }),
      ),
      { decision: 'allow', scope: ['openid', 'email'] },
    );
    const { body } = await harness.redeem(narrowed.leftFor?.searchParams.get('code') as string, verifier, {}, own);
    expect(body.scope).toBe('openid email');
    const rows = await harness.rows`SELECT scopes FROM oauth_consents WHERE client_id = ${own.client_id}`;
    expect(rows).toEqual([{ scopes: ['openid', 'email'] }]);
    expect(
      (await browser.open(harness.authorizePath(own, verifier, { redirect_uri: WEB_REDIRECT, scope: 'openid' })))
        .leftFor,
    ).not.toBeNull();
    expect((await browser.open(path)).leftFor).toBeNull();
    expect(
      (
        await browser.open(
          harness.authorizePath(own, verifier, { redirect_uri: WEB_REDIRECT, scope: 'openid', prompt: 'consent' }),
        )
      ).leftFor,
    ).toBeNull();
    // The user who agreed may not have been the owner of the address.
    await harness.rows`UPDATE users SET "emailVerified" = now() WHERE "emailVerified" IS NULL`;
    expect(await harness.rows`SELECT 1 FROM oauth_consents WHERE client_id = ${own.client_id}`).toEqual([]);
    const types = await harness.rows`SELECT type, outcome FROM audit_outbox
      WHERE target_id = ${own.client_id} AND type LIKE 'oauth.%' ORDER BY id`;
    expect(types.map(({ type, outcome }) => `${type} ${outcome}`)).toEqual([
      'oauth.authorized denied',
      'oauth.consent_granted ok',
      'oauth.authorized ok',
      'oauth.authorized ok',
    ]);
  });

  test('prompt=login and max_age=0 require a new sign-in, once; another user may sign in', async () => {
    const before = await signUp({ api: harness.api.url });
    for (const members of [{ prompt: 'login' }, { max_age: '0' }, { prompt: 'select_account' }]) {
      const login = await browserOf(harness.api, before).open(
        harness.authorizePath(harness.site, newVerifier(), { ...members, scope: 'profile' }),
      );
      expect(login.text).toContain('action="/login"');
    }
    const browser = browserOf(harness.api, before);
    const login = await browser.open(
      harness.authorizePath(harness.site, newVerifier(), { prompt: 'login', scope: 'profile' }),
    );
    const wrong = await browser.submit(login, { email: harness.user.email, password: 'wrong password' });
    expect([wrong.status, wrong.leftFor]).toEqual([401, null]);
    expect(wrong.text).toContain('role="alert"');
    // RFC 9110 §15.5.2; browsers open no dialog for this challenge.
    expect(wrong.headers.get('www-authenticate')).toBe('Bearer realm="sallyport"');
    const after = await browser.submit(wrong, { email: harness.user.email, password: harness.user.password });
    expect(after.text).toContain('action="/oauth2/consent"');
    expect(after.text).toContain(harness.user.email);
  });

  test('with a second factor a password alone is not enough; after the code the request continues', async () => {
    const { person, codes } = await enrolled({ url: harness.api.url });
    const browser = browserOf(harness.api);
    const login = await browser.open(harness.authorizePath(harness.site, newVerifier(), { scope: 'profile' }));
    const half = await browser.submit(login, { email: person.email, password: person.password });
    expect(half.text).toContain('action="/login/code"');
    expect((await browser.open('/login')).text).not.toContain('<h1>Your account</h1>');
    const wrong = await browser.submit(half, { code: '000 000' });
    expect([wrong.status, wrong.text.includes('role="alert"')]).toEqual([401, true]);
    expect((await browserOf(harness.api).submit(half, { code: codes[0] as string })).status).toBe(403);
    const left = await browser.submit(wrong, { code: codes[0] as string });
    expect(left.text).toContain('Recovery codes left: <strong>9</strong>');
    const onward = /href="(\/oauth2\/authorize[^"]*)"/.exec(left.text)?.[1]?.replaceAll('&amp;', '&') ?? '';
    expect((await browser.open(onward)).text).toContain(person.email);
    const signedIn = await browser.open('/login');
    const over = await browser.submit(
      {
        ...half,
        text: half.text.replace(
          /name="form_token" value="[^"]+"/,
          /name="form_token" value="[^"]+"/.exec(signedIn.text)?.[0] ?? '',
        ),
      },
      { code: codes[1] as string },
    );
    expect([over.status, over.text.includes('action="/login"')]).toEqual([401, true]);
  });

  test('who owes a second factor since an import connects an app on the way, and has no session before', async () => {
    const person = await signUp({ api: harness.api.url });
    await harness.rows`UPDATE users SET "owesFactor" = true WHERE email = ${person.email}`;
    const browser = browserOf(harness.api);
    const login = await browser.open(harness.authorizePath(harness.site, newVerifier(), { scope: 'profile' }));
    const offered = await browser.submit(login, { email: person.email, password: person.password });
    const secretIn = ({ text }: Shown) => /secret=(\w+)/.exec(text)?.[1];
    expect(offered.text).toContain('Your account had a second factor before it moved here.');
    expect((await browser.open('/login')).text).not.toContain('<h1>Your account</h1>');
    const wrong = await browser.submit(offered, { code: '000000' });
    expect([wrong.status, secretIn(wrong)]).toEqual([401, secretIn(offered)]);
    const code = codeOf(`otpauth://totp/x?secret=${secretIn(offered)}&period=30&digits=6`);
    const onward = await browser.submit(wrong, { code });
    expect(onward.text).toContain('action="/oauth2/consent"');
    expect(onward.text).toContain(person.email);
  });

  test('an address with a control character matches no client and causes no 5xx', async () => {
    const browser = browserOf(harness.api);
    const answer = await browser.submit(await browser.open('/login'), { email: 'a\0b@people.test', password: 'x' });
    expect([answer.status, answer.body.code]).toEqual([400, 'request_invalid']);
  });

  test('pages: strict policy, no script but ours, forms only to the client’s address; a form of another browser is refused', async () => {
    const browser = browserOf(harness.api, harness.user);
    const consent = await browser.open(harness.authorizePath(harness.site, newVerifier(), { prompt: 'consent' }));
    const policy = consent.headers.get('content-security-policy');
    const own = createHash('sha256').update(COME_BACK_SCRIPT).digest('base64');
    expect(policy?.replace(`; script-src 'sha256-${own}'; connect-src 'self'`, '')).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self' https:\/\/app\.example\.test; base-uri 'none'; frame-ancestors 'none'$/,
    );
    const text = consent.text.replace(`<script>${COME_BACK_SCRIPT}</script>`, '');
    expect(text).not.toMatch(/<script|javascript:| on\w+=/i);
    expect(consent.headers.get('cache-control')).toBe('no-store');
    const elsewhere = browserOf(harness.api, harness.user);
    await elsewhere.open(harness.authorizePath(harness.site, newVerifier(), { prompt: 'consent' }));
    expect((await elsewhere.submit(consent, ALLOW)).status).toBe(403);
    expect(
      (
        await openBrowser(harness.api.url, 'https://evil.test').submit(await browserOf(harness.api).open('/login'), {
          email: 'a@b.test',
          password: 'x',
        })
      ).status,
    ).toBe(403);
    const plain = await browserOf(harness.api).open('/login?next=https://evil.test');
    expect(plain.text).toContain('name="next" value="/login"');
    const home = await browserOf(harness.api, harness.user).open('/login');
    expect(home.text).toContain('<h1>Your account</h1>');
  });

  test('a consent form decides only the request that its page shows', async () => {
    const own = await harness.newSite();
    const browser = browserOf(harness.api, harness.user);
    const page = await browser.open(harness.authorizePath(own, newVerifier(), { redirect_uri: WEB_REDIRECT }));
    const shown = /name="request" value="([^"]+)"/.exec(page.text)?.[1] as string;
    const changed = { ...page, text: page.text.replace(shown, shown.replace('scope=openid', 'scope=openid+email')) };
    expect(changed.text).not.toBe(page.text);
    expect((await browser.submit(changed, ALLOW)).status).toBe(403);
    expect((await browser.submit(page, ALLOW)).leftFor?.searchParams.get('code')).not.toBeNull();
  });

  test('userinfo returns nothing without openid, nor to a client’s own token', async () => {
    const verifier = newVerifier();
    const { body } = await harness.redeem(await harness.codeFor(harness.site, verifier, { scope: 'email' }), verifier);
    const refused = await send(harness.api.url, 'GET', '/oauth2/userinfo', { bearer: body.access_token });
    expect([refused.status, refused.body.code]).toEqual([403, 'openid_scope_missing']);
    expect((await send(harness.api.url, 'GET', '/oauth2/userinfo')).status).toBe(401);
    expect((await send(harness.api.url, 'GET', '/oauth2/userinfo', { bearer: 'x.y.z' })).status).toBe(401);
  });
});

type Members = Readonly<Record<string, string | undefined>>;
const open = (verifier: string, members: Members = {}, browser = browserOf(harness.api, harness.user)) =>
  browser.open(harness.authorizePath(harness.site, verifier, { response_mode: 'form_post', ...members }));

/** The form of a page: where it leads, and what it sends. */
function formOn({ status, text }: { readonly status: number; readonly text: string }) {
  const [, action = '', inside = ''] = /<form method="post" action="([^"]*)">(.*?)<\/form>/s.exec(text) ?? [];
  const fields = [...inside.matchAll(/name="([^"]+)" value="([^"]*)"/g)].map(([, name, value = '']) => [
    name,
    value.replaceAll('&amp;', '&'),
  ]);
  return { status, action: action.replaceAll('&amp;', '&'), fields: Object.fromEntries(fields) };
}

test('code, state and iss come in a form that a script posts and a button can; its policy allows that script and the registered origin', async () => {
  const verifier = newVerifier();
  const browser = browserOf(harness.api, harness.user);
  let shown = await open(verifier, {}, browser);
  if (shown.text.includes('/oauth2/consent')) shown = await browser.submit(shown, ALLOW);
  const { status, action, fields } = formOn(shown);
  expect({ status, action }).toEqual({ status: 200, action: WEB_REDIRECT });
  expect(fields).toEqual({ code: expect.stringMatching(/^[\w-]{43}$/), state: 'a state &=', iss: API_URL });
  expect(shown.text).toContain('<button type="submit">Continue to app.example.test</button>');
  const script = /<script>([^<]*)<\/script>/.exec(shown.text)?.[1] as string;
  expect(script).toBe('document.forms[0].submit()');
  const policy = shown.headers.get('content-security-policy');
  expect(policy).toContain(`script-src 'sha256-${createHash('sha256').update(script).digest('base64')}';`);
  expect(policy).toContain('form-action https://app.example.test;');
  expect(shown.headers.get('cache-control')).toBe('no-store');
  expect((await harness.redeem(fields.code, verifier)).status).toBe(200);
});

test('errors come in the same form: of the request, of prompt=none, and of a user who denies', async () => {
  for (const [members, error] of [
    [{ response_type: 'token' }, 'unsupported_response_type'],
    [{ code_challenge: undefined }, 'invalid_request'],
    [{ scope: 'openid keys:manage' }, 'invalid_scope'],
  ] as const)
    expect(formOn(await open(newVerifier(), members))).toMatchObject({
      action: WEB_REDIRECT,
      fields: { error, state: 'a state &=', iss: API_URL },
    });
  const anonymous = await open(newVerifier(), { prompt: 'none' }, browserOf(harness.api));
  expect(formOn(anonymous).fields).toMatchObject({ error: 'login_required' });
  const browser = browserOf(harness.api, harness.user);
  const denied = await browser.submit(await open(newVerifier(), { prompt: 'consent' }, browser), { decision: 'deny' });
  expect(formOn(denied).fields).toMatchObject({ error: 'access_denied', iss: API_URL });
});

const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
/** An unsigned request object, as the conformance suite sends one. */
const unsigned = (claims: object) => `${encoded({ alg: 'none' })}.${encoded(claims)}.`;

test('a request without response_type, and a request object that alone asks for a form, are refused in a form with their state (oidcc-response-type-missing, oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported)', async () => {
  const missing = formOn(await open(newVerifier(), { response_type: undefined }));
  expect(missing).toMatchObject({ action: WEB_REDIRECT, fields: { error: 'invalid_request', state: 'a state &=' } });
  const request = unsigned({ response_mode: 'form_post', state: 'inside', redirect_uri: WEB_REDIRECT });
  const inside = await open(newVerifier(), { request, response_mode: undefined, state: undefined });
  expect(formOn(inside)).toMatchObject({
    action: WEB_REDIRECT,
    fields: { error: 'request_not_supported', state: 'inside', iss: API_URL },
  });
});

test('an address that is only registered inside a request object gets nothing: the error stays on our page (oidcc-ensure-request-object-with-redirect-uri)', async () => {
  const request = unsigned({ response_mode: 'form_post', redirect_uri: WEB_REDIRECT });
  const shown = await open(newVerifier(), { request, redirect_uri: 'https://elsewhere.example.test/callback' });
  expect([shown.status, shown.leftFor, shown.text.includes('<form method="post"')]).toEqual([400, null, false]);
});

test('a pushed request is answered by a form too', async () => {
  const verifier = newVerifier();
  const pushed = await send(harness.api.url, 'POST', '/oauth2/par', {
    basic: harness.site,
    form: {
      redirect_uri: WEB_REDIRECT,
      response_type: 'code',
      response_mode: 'form_post',
      scope: 'openid',
      code_challenge: challengeOf(verifier),
      code_challenge_method: 'S256',
    },
  });
  const { client_id } = harness.site;
  const browser = browserOf(harness.api, await newSignedIn(harness.api));
  const consent = await browser.open(
    `/oauth2/authorize?${new URLSearchParams({ client_id, request_uri: pushed.body.request_uri })}`,
  );
  const { fields } = formOn(await browser.submit(consent, ALLOW));
  expect(Object.keys(fields)).toEqual(['code', 'iss']);
  expect((await harness.redeem(fields.code, verifier)).status).toBe(200);
});

test('an unknown mode is refused in the address, and discovery lists both modes', async () => {
  const { leftFor } = await open(newVerifier(), { response_mode: 'fragment' });
  expect(leftFor?.searchParams.get('error')).toBe('invalid_request');
  for (const name of ['openid-configuration', 'oauth-authorization-server'])
    expect((await send(harness.api.url, 'GET', `/.well-known/${name}`)).body.response_modes_supported).toEqual([
      'query',
      'form_post',
    ]);
});
