import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { ALLOW, browserOf, challengeOf, newVerifier } from '#tools/testing/harness/oauth.ts';
import { send } from '#tools/testing/http-client.ts';
import { type CodeHarness, openCodeHarness, WEB_REDIRECT } from './oauth-code-harness.ts';

let harness: CodeHarness;
beforeAll(async () => {
  harness = await openCodeHarness();
});
afterAll(() => harness?.close());

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
