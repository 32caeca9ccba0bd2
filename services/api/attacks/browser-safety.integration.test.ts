import { createHash } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { newPerson } from '#tools/testing/harness/identity.ts';
import { cookieOf, type Received, requestText, send, sendBytes } from '#tools/testing/http-client.ts';
import { type Operation, operationsOf } from '#tools/testing/openapi-check.ts';
import { opened } from '#tools/testing/opened.ts';

const LISTED = 'https://app.sallyport.test';
const FOREIGN = 'https://evil.example';
const SECRET = 'aSecretOfThisTestAloneWithEnoughLetters0123456789';

let operations: Operation[];

const harness = opened(openApiHarness);
const copy = opened(() =>
  harness.startCopy({
    authSecret: SECRET,
    env: {
      SALLYPORT_PROFILE: 'staging',
      KEY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
      CORS_ORIGINS: LISTED,
      RATE_LIMIT_PROFILE: 'load',
    },
  }),
);
beforeAll(async () => {
  operations = operationsOf((await send(copy.url, 'GET', '/openapi.json')).body);
});

const targetOf = (path: string): string => path.replaceAll(/\{\w+\}/g, 'unknown');
const isForAnyone = (answer: Received): boolean => answer.headers.get('access-control-allow-origin') === '*';

function expectSafe(label: unknown, { headers }: Received): void {
  expect([label, headers.get('x-content-type-options')]).toEqual([label, 'nosniff']);
  expect([label, headers.get('x-frame-options')]).toEqual([label, 'DENY']);
  expect([label, headers.get('content-security-policy')]).toEqual([
    label,
    expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'/),
  ]);
  // A page's form sends its origin only where the page may reveal it.
  expect([label, headers.get('referrer-policy')]).toEqual([
    label,
    expect.stringMatching(/^(no-referrer|same-origin)$/),
  ]);
  expect([label, headers.get('cross-origin-resource-policy')]).toEqual([
    label,
    expect.stringMatching(/^(same|cross)-origin$/),
  ]);
}

test('on every route, a listed origin reads with credentials and another origin only public cacheable documents, never * with credentials', async () => {
  const open: string[] = [];
  for (const { method, path } of operations) {
    // A stream ends when its reader disconnects, not by itself.
    if (path.endsWith('/stream') || path === '/v1/admin/events') continue;
    const label = `${method} ${path}`;
    const [listed, foreign, opaque] = await Promise.all(
      [LISTED, FOREIGN, 'null'].map((origin) => send(copy.url, method, targetOf(path), { headers: { origin } })),
    );
    for (const answer of [listed!, foreign!, opaque!]) {
      expectSafe(label, answer);
      expect([label, answer.headers.get('vary')]).toEqual([label, 'Origin']);
      if (isForAnyone(answer))
        expect([label, answer.headers.has('access-control-allow-credentials')]).toEqual([label, false]);
    }
    for (const answer of [foreign!, opaque!])
      expect([label, answer.headers.get('access-control-allow-origin') ?? '*']).toEqual([label, '*']);
    if (isForAnyone(foreign!)) open.push(path);
    else
      expect([
        label,
        listed!.headers.get('access-control-allow-origin'),
        listed!.headers.get('access-control-allow-credentials'),
      ]).toEqual([label, LISTED, 'true']);
  }
  expect(open).toContain('/.well-known/jwks.json');
  for (const path of open)
    expect(path).toMatch(
      /^\/(\.well-known\/|api\/auth\/jwks$|openapi\.json$|docs|v1\/audit\/log\/|oauth2\/clients\/\{client_id\}\/logo$|console\/assets\/)/,
    );
});

test('every route answers a preflight with exactly its own methods, and a preflight from an unlisted origin with 403', async () => {
  const methodsOf = new Map<string, Set<string>>();
  for (const { path, method } of operations)
    methodsOf.set(path, (methodsOf.get(path) ?? new Set<string>()).add(method));
  for (const [path, methods] of methodsOf) {
    const [asked = ''] = methods;
    const ask = (origin: string, method = asked): Promise<Received> =>
      send(copy.url, 'OPTIONS', targetOf(path), { headers: { origin, 'access-control-request-method': method } });
    const granted = await ask(LISTED);
    expect([path, granted.status, granted.text]).toEqual([path, 204, '']);
    const named = granted.headers.get('access-control-allow-methods')!.split(', ');
    // A literal path may also match the template of a neighbouring route.
    for (const method of methods) expect([path, named]).toEqual([path, expect.arrayContaining([method])]);
    expect(named).not.toContain('*');
    expect(granted.headers.get('access-control-allow-headers')).not.toContain('*');
    expectSafe(path, granted);
    if (isForAnyone(granted)) continue;
    expect(granted.headers.get('access-control-allow-credentials')).toBe('true');
    const foreign = await ask(FOREIGN);
    expect([path, foreign.status, foreign.body.code]).toEqual([path, 403, 'origin_refused']);
    expect(foreign.headers.has('access-control-allow-origin')).toBe(false);
    expect((await ask(LISTED, 'TRACE')).status).toBe(405);
  }
  const nowhere = { origin: LISTED, 'access-control-request-method': 'GET' };
  expect((await send(copy.url, 'OPTIONS', '/nowhere', { headers: nowhere })).status).toBe(404);
});

test('every error response carries the same headers: unknown, malformed, unreadable, unsupported, refused', async () => {
  const json = { 'content-type': 'application/json' };
  const answers: [string, Received | undefined][] = [
    ['404', await send(copy.url, 'GET', '/nowhere', { headers: { origin: LISTED } })],
    ['405', await send(copy.url, 'DELETE', '/healthz')],
    ['400', await send(copy.url, 'POST', '/api/auth/signin', { body: '{', headers: json })],
    ['415', await send(copy.url, 'POST', '/api/auth/signin', { body: 'x', headers: { 'content-type': 'text/plain' } })],
    ['413', await send(copy.url, 'POST', '/api/auth/signin', { body: `"${'x'.repeat(70_000)}"`, headers: json })],
    ['bad address', await sendBytes(copy.url, requestText('GET', '/v1/tokens/%zz'))],
    ['no request', await sendBytes(copy.url, 'GET / HTTP/1.1\r\nHost x\r\n\r\n')],
    [
      'foreign write',
      await send(copy.url, 'POST', '/api/auth/signup', { json: newPerson(), headers: { origin: FOREIGN } }),
    ],
  ];
  for (const [label, answer] of answers) {
    expect([label, (answer?.status ?? 0) >= 400]).toEqual([label, true]);
    expectSafe(label, answer!);
  }
});

const sha256Of = (text: string): string => createHash('sha256').update(text).digest('base64');

test('a page may run and load only its inline content', async () => {
  for (const path of ['/docs', '/docs/errors']) {
    const page = await send(copy.url, 'GET', path);
    const policy = page.headers.get('content-security-policy')!;
    expect(policy).not.toContain('unsafe');
    const scripts = [...page.text.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, text]) => text as string);
    const allowed = scripts.map((text) => `'sha256-${sha256Of(text)}'`).join(' ') || "'none'";
    expect(policy).toContain(`script-src ${allowed};`);
    const styles = [...page.text.matchAll(/<style>([\s\S]*?)<\/style>/g)].map(([, text]) => text as string);
    expect(styles).toHaveLength(1);
    expect(policy).toContain(`style-src 'sha256-${sha256Of(styles[0]!)}'`);
    const markup = page.text.replaceAll(/<script>[\s\S]*?<\/script>/g, '');
    expect(markup).not.toMatch(/<[^>]+\sstyle=|<script|\son\w+=/);
    expect(page.headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expectSafe(path, page);
  }
});

test('outside development every cookie is __Host-, Secure and SameSite, and a request from an unlisted or null Origin changes nothing with it', async () => {
  const opened = await send(copy.url, 'POST', '/api/auth/signup', { json: newPerson(), headers: { origin: LISTED } });
  expect(opened.status, opened.text).toBe(201);
  const cookie = cookieOf(opened);
  for (const origin of [FOREIGN, 'null', `${LISTED}.evil.example`, 'http://app.sallyport.test'])
    for (const path of ['/api/auth/signout', '/v1/tokens']) {
      const refused = await send(copy.url, 'POST', path, { cookie, headers: { origin } });
      expect([origin, path, refused.status, refused.body.code]).toEqual([origin, path, 403, 'origin_refused']);
      expect(refused.headers.getSetCookie()).toEqual([]);
    }
  const closed = await send(copy.url, 'POST', '/api/auth/signout', { cookie, headers: { origin: LISTED } });
  expect(closed.status).toBe(200);
  for (const answer of [opened, closed]) {
    const lines = answer.headers.getSetCookie();
    expect(lines.length).toBeGreaterThanOrEqual(2);
    for (const line of lines) {
      for (const part of [/^__Host-[\w.-]+=/, /; Secure(;|$)/, /; SameSite=(Lax|Strict)(;|$)/, /; Path=\/(;|$)/])
        expect(line).toMatch(part);
      expect(line).not.toMatch(/domain=/i);
      if (line.includes('session_token')) expect(line).toMatch(/; HttpOnly(;|$)/);
    }
  }
});

test('no POST with credentials is answered by a redirect that repeats it', async () => {
  for (const { method, path } of operations.filter(({ bodyType }) => bodyType !== undefined)) {
    const { status } = await send(copy.url, method, targetOf(path), { json: {} });
    expect([path, [301, 302, 307, 308].includes(status)]).toEqual([path, false]);
  }
});

test('no route that reads a body accepts a credential in its address', async () => {
  const withBody = operations.filter(
    ({ bodyType, parameters }) => bodyType !== undefined && parameters.every((each) => each.in !== 'query'),
  );
  for (const { method, path, bodyType } of withBody)
    for (const name of ['access_token', 'refresh_token', 'token', 'code', 'password', 'client_secret', '%74oken']) {
      const sent = bodyType?.includes('form') ? { form: {} } : { json: {} };
      const answer = await send(copy.url, method, `${targetOf(path)}?${name}=SECRET-VALUE`, sent);
      expect([path, name, answer.status, answer.body?.code]).toEqual([path, name, 400, 'request_invalid']);
      expect(answer.text).not.toContain('SECRET-VALUE');
    }
});

test('no alternative spelling of a path reaches a route: the answer is that of an unknown path or of the guarded one', async () => {
  // 401: everything below a guarded path is guarded too.
  const unknown = new Set([400, 401, 404, 405]);
  for (const { method, path } of operations.filter((each) => !each.path.includes('{') && each.path !== '/')) {
    const [, first = '', ...rest] = path.split('/');
    const spellings = [
      `/${path}`,
      `${path}/`,
      `${path};x`,
      `${path};x=/healthz`,
      `${path}%2f`,
      `/${first}%2f${rest.join('/')}`,
      `/${first};x/${rest.join('/')}`,
      `/${first}//${rest.join('/')}`,
      `/./${first}/${rest.join('/')}`,
      `http://sallyport.test${path};x`,
      path.toUpperCase() === path ? `${path}.` : path.toUpperCase(),
    ];
    for (const spelling of spellings) {
      const fits = operations.some((each) =>
        new RegExp(`^${each.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(spelling),
      );
      // `stats;x` is then an id, handled by the route that takes ids.
      if (fits) continue;
      const answer = await sendBytes(copy.url, requestText(method, spelling));
      expect([method, spelling, unknown.has(answer?.status ?? 0)]).toEqual([method, spelling, true]);
    }
  }
});
