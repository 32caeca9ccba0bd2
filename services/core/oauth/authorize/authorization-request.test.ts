import { describe, expect, test } from 'vitest';
import type { Client, HasAccess } from '#services/core/access/access-directory.ts';
import type { Ports } from '#services/core/ports.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { ACCOUNT_SECTIONS } from '../account-sections.ts';
import { queryOfForm } from './authorization-parameters.ts';
import { parseAuthorizationRequest } from './authorization-request.ts';
import { describeNext, formNext, pathWithNext, safeNext, signInPathFor } from './next-path.ts';

const REDIRECT = 'https://app.example.test/cb';
const client = {
  clientId: 'app',
  origin: 'admin',
  name: 'The app',
  disabled: false,
  grant_types: ['authorization_code'],
  scopes: ['openid', 'email'],
  redirect_uris: [REDIRECT, 'com.example.app:/in'],
  audiences: ['https://other.test/a'],
  pkce: 'required',
  has_logo: false,
} as unknown as Client;
const clients: Record<string, Client> = {
  app: client,
  off: { ...client, disabled: true },
  service: { ...client, clientId: 'service', grant_types: ['client_credentials'] },
  bare: { ...client, clientId: 'bare', scopes: [] },
  pushing: { ...client, clientId: 'pushing', require_pushed_authorization_requests: true },
  exempt: { ...client, clientId: 'exempt', pkce: 'optional' },
};
const ports = {
  access: {
    client: (id: string) => clients[id],
    isScope: (name: string) => ['openid', 'email', 'admin'].includes(name),
  },
  tokenSettings: { audience: 'https://api.test', issuer: 'https://api.test', mcpAudiences: [] },
} as unknown as HasAccess & HasTokenSettings;
/** Without SQL, because a request that is not pushed runs no statement. */
const withoutSql = { ...ports, sql: undefined as unknown as Ports['sql'], keyRing: { find: () => undefined } };

const good = {
  client_id: 'app',
  redirect_uri: REDIRECT,
  response_type: 'code',
  state: 's',
  code_challenge: 'c'.repeat(43),
  code_challenge_method: 'S256',
};
const query = (changes: Record<string, string | undefined> = {}): string =>
  new URLSearchParams(
    Object.entries({ ...good, ...changes }).filter((pair): pair is [string, string] => pair[1] !== undefined),
  ).toString();
const parse = (text: string) => parseAuthorizationRequest(ports, text);

describe('authorization requests', () => {
  test('omitted parameters have defaults: every registered scope, the default audience, no prompt', () => {
    expect(parse(query({ unknown: 'is ignored' }))).toMatchObject({
      kind: 'request',
      request: {
        client,
        redirectUri: REDIRECT,
        state: 's',
        scopes: ['openid', 'email'],
        audience: 'https://api.test',
        maxAgeSeconds: undefined,
        prompts: new Set(),
      },
    });
    expect(
      parse(
        query({
          scope: 'email email',
          max_age: '60',
          prompt: 'login consent',
          nonce: 'n',
          login_hint: 'a@b.test',
          id_token_hint: 'h',
          acr_values: 'aal2',
          dpop_jkt: 'j'.repeat(43),
          resource: 'https://other.test/a',
        }),
      ),
    ).toMatchObject({
      request: {
        scopes: ['email'],
        maxAgeSeconds: 60,
        prompts: new Set(['login', 'consent']),
        nonce: 'n',
        loginHint: 'a@b.test',
        idTokenHint: 'h',
        dpopJkt: 'j'.repeat(43),
        audience: 'https://other.test/a',
      },
    });
  });

  test.each([
    ['unknown client', query({ client_id: 'unknown' })],
    ['no client', query({ client_id: undefined })],
    ['disabled client', query({ client_id: 'off' })],
    ['two clients', `${query()}&client_id=app`],
    ['no redirect_uri', query({ redirect_uri: undefined })],
    ['two redirect_uris', `${query()}&redirect_uri=x`],
    ['unregistered redirect_uri', query({ redirect_uri: 'https://evil.test' })],
    ['prototype', query({ client_id: '__proto__x' })],
    ['too long', query({ x: 'x'.repeat(8_192) })],
  ])('%s is shown on a page and never redirects to a URI from the request', (_name, text) => {
    expect(parse(text).kind).toBe('page');
  });

  test.each([
    [{ client_id: 'service' }, 'unauthorized_client'],
    [{ client_id: 'bare' }, 'invalid_scope'],
    [{ response_type: undefined }, 'invalid_request'],
    [{ response_type: 'token' }, 'unsupported_response_type'],
    [{ response_type: 'code id_token' }, 'unsupported_response_type'],
    [{ response_mode: 'fragment' }, 'invalid_request'],
    [{ code_challenge: undefined }, 'invalid_request'],
    [{ code_challenge: 'short' }, 'invalid_request'],
    [{ code_challenge_method: undefined }, 'invalid_request'],
    [{ code_challenge_method: 'plain' }, 'invalid_request'],
    [{ dpop_jkt: 'short' }, 'invalid_request'],
    [{ max_age: '-1' }, 'invalid_request'],
    [{ prompt: 'none login' }, 'invalid_request'],
    [{ prompt: 'create' }, 'invalid_request'],
    [{ scope: 'openid admin' }, 'invalid_scope'],
    [{ scope: 'openid  email' }, 'invalid_scope'],
    [{ resource: 'relative' }, 'invalid_target'],
    [{ resource: 'https://not-listed.test' }, 'invalid_target'],
    [{ resource: 'https://a.test/#b' }, 'invalid_target'],
    [{ request: 'a.b.c' }, 'request_not_supported'],
    [{ request_uri: 'urn:x' }, 'request_uri_not_supported'],
    [{ nonce: 'x'.repeat(513) }, 'invalid_request'],
    [{ nonce: 'a\nb' }, 'invalid_request'],
  ])('%o redirects to the client with %s and its state', (changes, error) => {
    expect(parse(query(changes))).toMatchObject({ kind: 'refused', redirectUri: REDIRECT, state: 's', error });
  });

  describe('the refusal of a request object', () => {
    const objectOf = (claims: unknown): string =>
      `${[{ alg: 'none' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`;
    const refusedWith = (claims: unknown, changes: Record<string, string | undefined> = {}) =>
      parse(query({ state: undefined, request: objectOf(claims), ...changes }));

    test('goes the way that the object alone names: its response_mode and its state', () =>
      expect(refusedWith({ response_mode: 'form_post', state: 'inside' })).toMatchObject({
        kind: 'refused',
        error: 'request_not_supported',
        redirectUri: REDIRECT,
        responseMode: 'form_post',
        state: 'inside',
      }));

    test('goes to the registered address of the URL, and by the URL where both name a way', () => {
      const claims = { response_mode: 'query', state: 'inside', redirect_uri: 'https://evil.test', client_id: 'off' };
      expect(refusedWith(claims, { response_mode: 'form_post', state: 'outside' })).toMatchObject({
        error: 'request_not_supported',
        redirectUri: REDIRECT,
        responseMode: 'form_post',
        state: 'outside',
      });
      expect(refusedWith({ ...claims }, { redirect_uri: undefined })).toMatchObject({ kind: 'page' });
    });

    test.each([
      ['is no object', null],
      ['is a list', []],
      ['has other types', { response_mode: 1, state: { $ne: '' } }],
      ['has control characters', { state: 'a\nb' }],
      ['has a state too long', { state: 's'.repeat(4_097) }],
      ['names an unknown mode', { response_mode: 'fragment' }],
    ])('takes nothing from one that %s', (_what, claims) => {
      expect(refusedWith(claims)).toMatchObject({
        error: 'request_not_supported',
        responseMode: 'query',
        state: undefined,
      });
    });

    test('is one of an unreadable object too', () => {
      for (const request of ['a.b.c', 'x', 'e30', `e30.${'w'.repeat(11)}.`])
        expect(parse(query({ request }))).toMatchObject({ error: 'request_not_supported', state: 's' });
    });
  });

  test('RFC 6749 §3.1, RFC 8707 §2: a repeated parameter is refused, a repeated state is not echoed (CVE-2026-9689, Keycloak: the client and the server read different ones of two equal parameters)', () => {
    expect(parse(`${query()}&resource=https://a.test&resource=https://b.test`)).toMatchObject({
      error: 'invalid_target',
    });
    expect(parse(`${query()}&scope=a&scope=b`)).toMatchObject({ error: 'invalid_request', state: 's' });
    expect(parse(`${query()}&state=again`)).toMatchObject({ error: 'invalid_request', state: undefined });
  });
});

describe('the parameter claims (OpenID Connect Core §5.5)', () => {
  const asks = (claims: unknown, changes: Record<string, string | undefined> = {}) =>
    parse(query({ scope: 'openid', claims: typeof claims === 'string' ? claims : JSON.stringify(claims), ...changes }));

  test('adds the scopes that release the claims, as far as the client may have them, and ignores other claims', () => {
    const claims = {
      id_token: { email: { essential: true }, name: null, auth_time: null, groups: { essential: true } },
      userinfo: { email_verified: null, picture: { value: 'x' }, constructor: null },
      verified_claims: [],
    };
    expect(asks(claims)).toMatchObject({
      request: { scopes: ['openid', 'email'], claims: { idToken: ['email'], sub: undefined, acr: undefined } },
    });
    expect(asks({ userinfo: { email: null } })).toMatchObject({
      request: { scopes: ['openid', 'email'], claims: { idToken: [] } },
    });
  });

  test('names a user, and the levels of which an essential acr must be one', () => {
    const id_token = { sub: { value: 'u' }, acr: { essential: true, values: ['aal2', 'aal3'] } };
    expect(asks({ id_token })).toMatchObject({ request: { claims: { sub: 'u', acr: ['aal2', 'aal3'] } } });
    for (const acr of [null, {}, { values: ['aal2'] }, { essential: true }])
      expect(asks({ id_token: { sub: null, acr } })).toMatchObject({
        request: { claims: { sub: undefined, acr: undefined } },
      });
  });

  test('asks nothing without the scope openid', () =>
    expect(asks({ id_token: { email: null, sub: { value: 'u' } } }, { scope: 'email' })).toMatchObject({
      request: { scopes: ['email'], claims: { idToken: [], sub: undefined } },
    }));

  test.each([
    ...'{ [] null "email" {"id_token":[]} {"userinfo":"email"} {"id_token":{"sub":"u"}}'.split(' '),
    ...'{"id_token":{"sub":{"values":["a","b"]}}} {"id_token":{"acr":{"values":"aal2"}}}'.split(' '),
    ...'{"id_token":{"acr":{"value":2}}}'.split(' '),
  ])('of another form is refused: %s', (claims) => {
    expect(asks(claims)).toMatchObject({ kind: 'refused', error: 'invalid_request', state: 's' });
  });
});

describe('a client that must push its requests (RFC 9126 §6)', () => {
  const pushed = query({ client_id: 'pushing' });

  test('gets an error for a request in a URL; its pushed requests are validated like any other', () => {
    expect(parse(pushed)).toMatchObject({ kind: 'refused', redirectUri: REDIRECT, error: 'invalid_request' });
    expect(parseAuthorizationRequest(ports, pushed, 'pushing')).toMatchObject({ request: { pushedHash: undefined } });
    const pushedHash = Buffer.alloc(32);
    expect(parseAuthorizationRequest(ports, pushed, { pushedHash })).toMatchObject({ request: { pushedHash } });
    const wider = query({ client_id: 'pushing', scope: 'admin' });
    for (const source of ['pushing', { pushedHash }] as const)
      expect(parseAuthorizationRequest(ports, wider, source)).toMatchObject({ error: 'invalid_scope' });
  });
});

describe('a client that an administrator exempted from PKCE', () => {
  const exempt = (changes: Record<string, string | undefined> = {}) => query({ client_id: 'exempt', ...changes });
  const without = { code_challenge: undefined, code_challenge_method: undefined };

  test('may request a code without a challenge; one that it sends is kept', () => {
    expect(parse(exempt(without))).toMatchObject({ kind: 'request', request: { codeChallenge: undefined } });
    expect(parse(exempt())).toMatchObject({ kind: 'request', request: { codeChallenge: 'c'.repeat(43) } });
  });

  test.each([
    { code_challenge: 'short' },
    { code_challenge_method: 'plain' },
    { code_challenge_method: undefined },
    { code_challenge: undefined },
  ])(
    'gets an error for incomplete or weak PKCE parameters, which are never ignored: %o (CVE-2026-67336, Better Auth: PKCE by the method plain was accepted by default)',
    (changes) => expect(parse(exempt(changes))).toMatchObject({ kind: 'refused', error: 'invalid_request' }),
  );

  test('must use PKCE in requests that it pushes', () => {
    for (const source of ['pushing', { pushedHash: Buffer.alloc(32) }] as const) {
      const parsed = parseAuthorizationRequest(ports, exempt(without), source);
      expect(parsed).toMatchObject({ kind: 'refused', error: 'invalid_request' });
      expect(parseAuthorizationRequest(ports, exempt(), source).kind).toBe('request');
    }
  });
});

describe('a request sent as a form', () => {
  test('becomes the equivalent query, without fields that are not parameters of a request', () => {
    const form = { ...good, access_token: 'a', client_secret: 's', code_verifier: 'v', login_after: 'x' };
    const made = new URLSearchParams(queryOfForm(form));
    expect(Object.fromEntries(made)).toEqual(good);
    expect(parse(made.toString())).toEqual(parse(query()));
  });

  test('a repeated parameter stays repeated; an omitted one stays omitted', () => {
    expect(parse(queryOfForm({ ...good, scope: ['openid', 'email'] }))).toMatchObject({ error: 'invalid_request' });
    expect(queryOfForm({ state: undefined, nonce: '', scope: 'a b&c' })).toBe('scope=a+b%26c&nonce=');
  });
});

describe('the mode of the response', () => {
  test('is that of the request, for errors too; a form reaches no scheme of an app', () => {
    expect(parse(query())).toMatchObject({ request: { responseMode: 'query' } });
    expect(parse(query({ response_mode: 'form_post' }))).toMatchObject({ request: { responseMode: 'form_post' } });
    expect(parse(query({ response_mode: 'form_post', response_type: 'token' }))).toMatchObject({
      kind: 'refused',
      responseMode: 'form_post',
    });
    for (const members of [
      { response_mode: 'fragment' },
      { response_mode: 'form_post', redirect_uri: 'com.example.app:/in' },
    ])
      expect(parse(query(members))).toMatchObject({ error: 'invalid_request', responseMode: 'query' });
  });
});

describe('where the sign-in page redirects to', () => {
  const nowhere = { formTargets: [], loginHint: undefined, asker: null, asksAgain: null };

  test.each([
    undefined,
    '',
    ...'https://evil.test //evil.test /\\evil.test /\t/evil.test /oauth2/authorize?x\\y /oauth2/authorize'.split(' '),
    '/oauth2/authorize?a b',
    ...'/deviceevil /account/unlock /account?next=x /account/export /account/security?done=x'.split(' '),
    ...'/api/auth/signout'.split(' '),
    `/device?${'x'.repeat(12_288)}`,
  ])(
    'the sign-in page follows links to our own pages only, and ignores another: %s (CVE-2026-83589, oauth-proxy: a backslash or a tab after the first slash led to another site)',
    (next) => expect(safeNext(next)).toBe('/login'),
  );

  test('an authorization request is kept, and the form policy of the page allows its redirect', async () => {
    const next = new URLSearchParams(signInPathFor(query({ login_hint: 'a@b.test' })).split('?')[1]).get(
      'next',
    ) as string;
    expect(safeNext(next)).toBe(next);
    const asker = { name: client.name, host: 'app.example.test', logoPath: null };
    const asked = { ...nowhere, formTargets: ['https://app.example.test'], asker };
    expect(await describeNext(withoutSql, next)).toEqual({ ...asked, loginHint: 'a@b.test' });
    expect(await describeNext(withoutSql, `/oauth2/authorize?${query({ prompt: 'create' })}`)).toEqual(asked);
    for (const members of [{ prompt: 'login' }, { max_age: '60' }, { max_age: '60', id_token_hint: 'of no user' }])
      expect((await describeNext(withoutSql, `/oauth2/authorize?${query(members)}`)).asksAgain).toEqual({
        userId: undefined,
      });
    const native = await describeNext(
      withoutSql,
      `/oauth2/authorize?${query({ redirect_uri: 'com.example.app:/in' })}`,
    );
    expect(native.asker?.host).toBe('com.example.app:');
    expect(await describeNext(withoutSql, `/oauth2/authorize?${query({ redirect_uri: 'https://evil.test' })}`)).toEqual(
      nowhere,
    );
    expect(await describeNext(withoutSql, '/device?user_code=x')).toEqual(nowhere);
    for (const { path } of Object.values(ACCOUNT_SECTIONS)) expect(safeNext(path)).toBe(path);
    expect(safeNext('/device?user_code=BCDF-GHJK')).toBe('/device?user_code=BCDF-GHJK');
  });

  test('a form of our pages leads only to our paths and to trusted origins, and its policy allows those', async () => {
    const browser = { trustedOrigins: new Set(['https://app.example.test']) };
    for (const next of ['/device', '/welcome?x=1', 'https://app.example.test/in'])
      expect(formNext(browser, next)).toBe(next);
    for (const next of ['', '//evil.test', '/\\evil.test', 'https://evil.test/', 'javascript:alert(1)'])
      expect(formNext(browser, next)).toBe('/login');
    const formTargets = ['https://app.example.test'];
    expect(await describeNext(withoutSql, 'https://app.example.test/in')).toEqual({ ...nowhere, formTargets });
  });

  test('a page keeps where the user goes on to, and a page without it has a short address', () => {
    expect(pathWithNext('/signup', '/login')).toBe('/signup');
    expect(pathWithNext('/signup', '/device?user_code=A&B')).toBe('/signup?next=%2Fdevice%3Fuser_code%3DA%26B');
  });
});
