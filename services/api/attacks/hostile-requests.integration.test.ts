import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { expectRefused } from '#tools/testing/fixtures/hostile-bodies.ts';
import { claimsIn, signIn, signUp, verdictOn } from '#tools/testing/flows/flows.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { expectErrorForm, expectProblem, requestText, send, sendBytes } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';

const harness = opened(startProductHarness);
const product = partOf(() => harness.product);
const user = opened(() => signUp(product));
afterEach(() => harness.expectUnharmed());

describe('hostile text', () => {
  test('in path and query is refused or unknown, never a 5xx', async () => {
    const basic = product.credentials.client;
    const ids = [
      ...'%00 %ff %ed%a0%80 % %zz ..%2f..%2fetc'.split(' '),
      'a'.repeat(300),
      'a'.repeat(10_000),
      '__proto__',
      'constructor',
      '%0d%0aX-Injected:1',
      "'%20OR%201=1--",
      '%f0%9f%92%a9',
    ];
    for (const id of ids) {
      const bytes = (target: string, method = 'GET'): string =>
        requestText(method, target, [
          `Authorization: Basic ${Buffer.from(`${basic.client_id}:${basic.client_secret}`).toString('base64')}`,
        ]);
      expectRefused(id, await sendBytes(product.api, bytes(`/v1/tokens/${id}`)));
      const compromised = await sendBytes(product.api, bytes(`/v1/keys/${id}/compromise`, 'POST'));
      expectRefused(id, compromised);
      expect(compromised?.headers.has('x-injected')).toBe(false);
    }
    for (const since of ['x', '-1', '1e400', 'NaN', '9007199254740993', '1&since=2', '%00', '1.5', "1'--", '[1]'])
      expectRefused(since, await send(product.api, 'GET', `/v1/revocations?since=${since}`, { basic }));
    for (const query of `incarnation=x unknown=1 since[]=1 since[a]=1 __proto__=1
      constructor[prototype][x]=1`.split(/\s+/))
      expectRefused(query, await send(product.api, 'GET', `/v1/revocations?${query}`, { basic }));
  });
});

describe('malformed credentials', () => {
  test('are 401, never a 5xx, and a valid cookie does not replace a bad credential', async () => {
    const headers = [
      '',
      'Bearer',
      'Bearer ',
      'Bearer  x',
      'bearer x y',
      `Bearer ${'a'.repeat(9_000)}`,
      'Basic',
      'Basic =',
      'Basic \u00ff',
      'Digest x',
      'DPoP x',
      'Bearer x, Basic y',
      'Bearer \u0000',
      'null',
      'Bearer [object Object]',
    ];
    for (const authorization of headers) {
      const bytes = requestText('GET', '/v1/keys', [`Authorization: ${authorization}`, `Cookie: ${user.cookie}`]);
      const answer = await sendBytes(product.api, bytes);
      if (authorization === '') expect([401, 403]).toContain(answer?.status);
      else expect([authorization, [400, 401].includes(answer?.status ?? 0)]).toEqual([authorization, true]);
    }
  });

  test('cookies of any form cause no 5xx', async () => {
    for (const cookie of [
      '=',
      ';;;',
      'better-auth.session_token',
      'better-auth.session_token=%',
      `better-auth.session_token=${'a'.repeat(8_000)}`,
      '__proto__=x; constructor=y',
      `${'a=b; '.repeat(1_500)}`,
      'better-auth.session_token=a.b; better-auth.session_token=c.d',
    ]) {
      const answer = await send(product.api, 'GET', '/api/auth/session', { headers: { cookie } });
      expect([cookie.slice(0, 60), answer.status]).toEqual([cookie.slice(0, 60), 401]);
      const signOut = await send(product.api, 'POST', '/api/auth/signout', {
        headers: { cookie, origin: product.api },
      });
      expect(signOut.status).toBe(401);
    }
  });
});

describe('each resource has one address', () => {
  const VARIANTS = String.raw`//v1/keys /v1//keys ///v1/keys /v1/keys/ /v1/keys// /v1/keys;x /v1/keys;x=y /v1;x/keys
    /v1/keys%2f /v1%2fkeys /v1/keys%3f /v1/keys%23 /v1/keys%00 /v1/keys%20 /v1/keys%09 /%76%31/%6b%65%79%73
    /v1/./keys /x/../v1/keys /v1/%2e%2e/v1/keys /V1/KEYS /v1/keys.json /v1/keys?x=/openapi.json /v1/keys#/openapi.json
    /openapi.json/../v1/keys /openapi.json;/v1/keys /healthz/../v1/keys \v1\keys /v1\keys v1/keys
    http://sallyport.test/v1/keys http://evil.example/v1/keys http://user:pass@evil.example//v1/keys
    https://evil.example:1/v1/keys?x *`.split(/\s+/);

  test('CVE-2026-2880 and similar: every spelling of a guarded path gets the same 401 or a 404; none reaches it', async () => {
    for (const target of VARIANTS)
      for (const [method, body] of [
        ['GET', ''],
        ['POST', '{"reason":"x"}'],
      ] as const) {
        const path = method === 'GET' ? target : target.replace('keys', 'keys/rotate');
        const headers = body === '' ? [] : ['Content-Type: application/json'];
        const answer = await sendBytes(product.api, requestText(method, path, headers, body));
        expect([method, path, [400, 401, 404, 405].includes(answer?.status ?? 0)]).toEqual([method, path, true]);
        expectErrorForm(answer!);
        const asUser = requestText(
          method,
          path,
          [...headers, `Authorization: Bearer ${user.tokens.access_token}`],
          body,
        );
        const known = await sendBytes(product.api, asUser);
        expect([method, path, [400, 403, 404, 405].includes(known?.status ?? 0)]).toEqual([method, path, true]);
      }
  });

  test('rou3 GHSA-x732-6j76-qmhm: no spelling of a Better Auth path reaches a route that is not bound', async () => {
    for (const path of `//api/auth/sign-in/social /api//auth/get-session /api/auth//get-session /api/auth/get-session/
      /api/auth/./admin/list-users /api/auth/%61dmin/list-users /API/AUTH/GET-SESSION
      /api/auth;x/get-session`.split(/\s+/)) {
      const answer = await sendBytes(product.api, requestText('GET', path, [`Cookie: ${user.cookie}`]));
      expect([path, answer?.status, answer?.body?.code]).toEqual([path, 404, 'route_unknown']);
    }
  });

  test('method override headers and parameters do not change the method', async () => {
    for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) {
      const answer = await send(product.api, 'GET', '/v1/keys/rotate?_method=POST', {
        headers: { [name]: 'POST' },
        basic: product.credentials.client,
      });
      expectProblem(answer, 405, 'method_not_allowed');
    }
  });
});

test('CVE-2026-3635: forwarding headers from an untrusted peer change neither issuer, links, session nor audit address', async () => {
  const forged: Record<string, string> = {
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-port': '443',
    'x-forwarded-for': '203.0.113.77, 127.0.0.1',
    'x-forwarded-prefix': '/evil',
    forwarded: 'for=203.0.113.77;host=evil.example;proto=https',
    'x-real-ip': '203.0.113.77',
    'x-client-ip': '203.0.113.77',
    'cf-connecting-ip': '203.0.113.77',
    'true-client-ip': '203.0.113.77',
    'x-original-url': '/v1/keys',
    'x-rewrite-url': '/v1/keys',
    'x-sallyport-address': '203.0.113.77',
  };
  for (const path of `/.well-known/oauth-authorization-server /.well-known/openid-configuration
    /.well-known/oauth-protected-resource /openapi.json /docs`.split(/\s+/)) {
    const [plain, lied] = [
      await send(product.api, 'GET', path),
      await send(product.api, 'GET', path, { headers: forged }),
    ];
    expect([lied.status, lied.text]).toEqual([plain.status, plain.text]);
  }
  // Another Host does not either.
  const asked = await sendBytes(
    product.api,
    'GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: evil.example\r\n\r\n',
  );
  expect(asked?.body.issuer).toBe(product.api);
  const login = { json: product.credentials.user };
  const [plain, lied] = [
    await send(product.api, 'POST', '/api/auth/signin', login),
    await send(product.api, 'POST', '/api/auth/signin', { ...login, headers: forged }),
  ];
  for (const { body } of [plain, lied]) {
    expect(claimsIn(body.tokens.access_token).iss).toBe(product.api);
    expect(body.session.ipAddress).toBe('127.0.0.1');
  }
  const [, ...cookieAttributes] = lied.headers.getSetCookie()[0]!.split(';');
  expect(cookieAttributes.join(';')).not.toMatch(/secure|domain/i);
  const logins = await queryRows(harness.databaseUrl)<{ ip_hash: string }>`
    SELECT coalesce(o.ip_hash, p.value) AS ip_hash FROM audit_outbox o
     LEFT JOIN audit_personal p ON p.event_id = o.event_id AND p.field = 'ip_hash'
     WHERE type = 'user.login' AND outcome = 'ok' ORDER BY id DESC LIMIT 2`;
  expect(logins).toHaveLength(2);
  expect(logins[0]).toEqual(logins[1]);
  expect(logins[0]!.ip_hash).not.toContain('127.0.0.1');
  // A route named in a header is not the route requested.
  expect((await send(product.api, 'GET', '/healthz', { headers: forged })).body).toEqual({ status: 'ok' });
});

test('a look-alike origin is treated as another origin, whatever Host or forwarding headers say', async () => {
  const person = await signIn(product, product.credentials.user);
  const disguises: Record<string, string>[] = [
    { origin: 'http://evil.example', 'x-forwarded-host': 'evil.example' },
    { origin: 'http://evil.example', host: 'evil.example' },
  ];
  for (const headers of disguises) {
    const answer = await send(product.api, 'POST', '/v1/tokens', { cookie: person.cookie, headers });
    expectProblem(answer, 403, 'origin_refused');
  }
});

test('text from a request neither starts a log line nor reaches the terminal as control codes', async () => {
  const planted = 'x\r\n{"level":"fatal","msg":"planted-line"}\u001b[31mred';
  await send(product.api, 'POST', '/api/auth/signin', { json: { email: planted, password: planted } });
  await send(product.api, 'POST', '/api/auth/signin', {
    json: { email: `"${planted}"@example.test`, password: 'x'.repeat(12) },
  });
  await send(product.api, 'POST', '/api/auth/signup', {
    json: { email: 'a@example.test', password: 'x'.repeat(12), name: planted },
  });
  await sendBytes(product.api, requestText('GET', `/${encodeURIComponent(planted)}`, ['User-Agent: a\u001b[31m']));
  const lines = product.output().split('\n').filter(Boolean);
  for (const line of lines) {
    expect(line).not.toContain('\u001b');
    expect(line).not.toContain('planted-line');
    expect(/^(\{.*\}|sallyport: .*|Debugger .*|For help.*)$/.test(line), line).toBe(true);
  }
});

/** Sockets whose request the server has begun to read (it says "100 Continue"), and whose body does not come. */
async function stopInBodies(targets: readonly string[], count: number) {
  const { hostname, port } = new URL(product.api);
  const open = async (target: string) => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    let answer = '';
    socket.on('data', (part: Buffer) => {
      answer += part.toString('latin1');
    });
    const [type, body] = target.startsWith('/oauth2')
      ? ['application/x-www-form-urlencoded', 'grant_type=']
      : ['application/json', '{"email":'];
    const lines = ['Expect: 100-continue', `Content-Type: ${type}`, `Origin: ${product.api}`, 'Content-Length: 100'];
    socket.write(
      `POST ${target} HTTP/1.1\r\nHost: ${new URL(product.api).host}\r\n${lines.join('\r\n')}\r\n\r\n${body}`,
    );
    await eventually(`a request to ${target} that is read`, () => answer !== '');
    return { socket, isHeld: () => answer === 'HTTP/1.1 100 Continue\r\n\r\n' };
  };
  return Promise.all(Array.from({ length: count }, (_, at) => open(targets[at % targets.length] as string)));
}

test('slowloris: hundreds of bodies that do not come, at the token endpoint and at sign-in, hold no sign-in back', async () => {
  const targets = ['/oauth2/token', '/api/auth/signin', '/api/auth/sign-in/email'];
  // On a busy machine the bound of a slow request may pass before the sign-in is answered; then it is tried again.
  await eventually('a sign-in beside requests that are all held', async () => {
    const slow = await stopInBodies(targets, 300);
    await signIn(product, product.credentials.user);
    expect(await verdictOn(product, user.tokens.access_token)).toBe('active');
    const held = slow.filter(({ isHeld }) => isHeld()).length;
    for (const { socket } of slow) socket.destroy();
    return held === slow.length;
  });
});
