import { randomInt, randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { renderPrometheus } from '#observability/metrics/prometheus.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import {
  type ClientCredentials,
  cookieOf,
  expectOAuthError,
  expectProblem,
  type Received,
  type Sent,
  send,
} from '#tools/testing/http-client.ts';
import { operationsOf } from '#tools/testing/openapi-check.ts';
import { opened } from '#tools/testing/opened.ts';

const LIMITS = {
  RATE_LIMIT_PROFILE: 'default',
  RATE_LIMIT_USER_PER_MINUTE: '3',
  RATE_LIMIT_ADDRESS_PER_MINUTE: '4',
  RATE_LIMIT_CREDENTIAL_PER_MINUTE: '2',
  RATE_LIMIT_TOKEN_PER_MINUTE: '4',
  RATE_LIMIT_VALIDATE_PER_MINUTE: '4',
  RATE_LIMIT_LOG_PER_MINUTE: '4',
  RATE_LIMIT_CLIENT_PER_MINUTE: '3',
  TRUSTED_PROXIES: '127.0.0.1',
};

const harness = opened(openApiHarness);
const api = opened(() => harness.startCopy({ env: LIMITS }));
const other = opened(() => harness.startCopy({ env: LIMITS }));

const exposition = (): string => renderPrometheus(registry.collect());

/** Each test uses separate addresses, because rate limit windows outlive it. */
const anyAddress = (): string => `10.${randomInt(256)}.${randomInt(256)}.${randomInt(256)}`;

/** The header as the trusted proxy forwards it. */
const from = (address: string, copy: ApiCopy, method: string, path: string, sent: Sent = {}): Promise<Received> =>
  send(copy.url, method, path, { ...sent, headers: { 'x-forwarded-for': address, ...sent.headers } });

async function times(count: number, work: () => Promise<Received>): Promise<Received[]> {
  const answers = [];
  for (let turn = 0; turn < count; turn += 1) answers.push(await work());
  return answers;
}

/** The name of the limit that refused; undefined when none did. */
const refusedBy = (answer: Received): string | undefined => {
  if (answer.status !== 429) return undefined;
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(answer.text).toMatch(/More than \d+ requests in \d+ s; the limit is (RATE_LIMIT_[A-Z_]+|requests_per_minute)/);
  return /^"([a-z-]+)";r=0;t=\d+$/.exec(answer.headers.get('ratelimit') ?? '')?.[1];
};

async function newUser(): Promise<{ bearer: string; cookie: string }> {
  const json = { email: newEmail(), password: newPassword() };
  const answer = await from(anyAddress(), api, 'POST', '/api/auth/signup', { json });
  expect(answer.status, answer.text).toBe(201);
  return { bearer: answer.body.tokens.access_token, cookie: cookieOf(answer) };
}

/** Every route of the API with its parameters filled in; the pages below the queue board are in no contract. */
async function routes(): Promise<[method: string, path: string][]> {
  const openApi = (await from(anyAddress(), api, 'GET', '/openapi.json')).body;
  const declared = operationsOf(openApi).map(({ method, path }): [string, string] => [
    method,
    path.replaceAll(/\{\w+\}/g, '1'),
  ]);
  expect(declared.length).toBeGreaterThan(30);
  return [
    ...declared,
    ['GET', '/v1/admin/queues/api/queues'],
    ['GET', '/there-is-nothing-here'],
    ['DELETE', '/healthz'],
    ['OPTIONS', '/v1/tokens'],
    ['HEAD', '/docs'],
  ];
}

describe('every route', () => {
  test('every route is limited, and each answer names its limit', async () => {
    const unlimited: string[] = [];
    for (const [method, path] of await routes()) {
      const address = anyAddress();
      const answers = await Promise.all(Array.from({ length: 5 }, () => from(address, api, method, path)));
      for (const { headers } of answers) {
        expect(headers.get('ratelimit'), `${method} ${path}`).toMatch(/^"[a-z-]+";r=\d+;t=\d+$/);
        expect(headers.get('ratelimit-policy')).toMatch(/^"[a-z-]+";q=\d+;w=\d+(, "[a-z-]+";q=\d+;w=\d+)*$/);
      }
      if (!answers.some(({ status }) => status === 429)) unlimited.push(`${method} ${path}`);
    }
    expect(unlimited).toEqual([]);
  });

  test('a refusal has its stable code, Retry-After and the endpoint’s error format', async () => {
    const address = anyAddress();
    const signIn = () => from(address, api, 'POST', '/api/auth/signin', { json: { email: 'a@b.test', password: 'x' } });
    const [, , refused] = await times(3, signIn);
    expectProblem(refused!, 429, 'rate_limited');
    expect(refused?.body.retryable).toBe(true);
    expect(refused?.headers.get('ratelimit-policy')).toBe('"credential";q=2;w=60, "address";q=4;w=60');
    const grant = () => from(address, api, 'POST', '/oauth2/token', { form: { grant_type: 'client_credentials' } });
    const answers = await times(5, grant);
    expectOAuthError(answers.at(-1)!, 429, 'temporarily_unavailable', 'rate_limited');
  });

  test('a batch counts by its items, so it cannot bypass a limit', async () => {
    const batch = (address: string, count: number) =>
      from(address, api, 'POST', '/v1/tokens/validate-batch', { json: { tokens: Array(count).fill('rubbish') } });
    const address = anyAddress();
    const first = await batch(address, 3);
    expect([first.status, first.headers.get('ratelimit')?.split(';')[1]]).toEqual([200, 'r=1']);
    expect((await batch(address, 1)).status).toBe(200);
    expect(refusedBy(await batch(address, 1))).toBe('validate');
    expectProblem(await batch(anyAddress(), 5), 429, 'rate_limited');
    expect((await batch(anyAddress(), 0)).status).toBe(200);
  });

  test('the body of a request over the limit is not read', async () => {
    const address = anyAddress();
    const broken = () => from(address, api, 'POST', '/v1/tokens/refresh', { json: { unknown: true } });
    expect((await times(6, broken)).map(({ status }) => status)).toEqual([400, 400, 400, 400, 429, 429]);
  });
});

describe('each level limits independently', () => {
  test('address: a limited address does not affect another', async () => {
    const address = anyAddress();
    expect((await times(5, () => from(address, api, 'GET', '/docs'))).map(refusedBy).at(-1)).toBe('address');
    expect(refusedBy(await from(anyAddress(), api, 'GET', '/docs'))).toBeUndefined();
  });

  test('class: a flood of sign-ins from one address is refused, its other requests are not', async () => {
    const address = anyAddress();
    const flood = () => from(address, api, 'POST', '/api/auth/sign-in/email', { json: {} });
    expect((await times(3, flood)).map(refusedBy)).toEqual([undefined, undefined, 'credential']);
    expect(refusedBy(await from(address, api, 'GET', '/docs'))).toBeUndefined();
    const validate = () => from(address, api, 'POST', '/v1/tokens/validate', { json: { token: 'x' } });
    expect((await times(5, validate)).map(refusedBy).at(-1)).toBe('validate');
  });

  test('user: a limited user is limited from any address; another user is not', async () => {
    const [user, neighbour] = [await newUser(), await newUser()];
    const ask = (bearer: string) =>
      from(anyAddress(), api, 'POST', '/v1/tokens/revoke', { bearer, json: { token: 'rubbish', reason: 'test' } });
    const answers = await times(4, () => ask(user.bearer));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(refusedBy(answers[3]!)).toBe('user');
    expect(answers[0]?.headers.get('ratelimit-policy')).toBe('"token";q=4;w=60, "user";q=3;w=60');
    // The user's cookie counts in the same limit.
    const byCookie = { cookie: user.cookie, headers: { origin: 'http://api.sallyport.test' } };
    expect(refusedBy(await from(anyAddress(), api, 'POST', '/v1/tokens', byCookie))).toBe('user');
    expect((await ask(neighbour.bearer)).status).toBe(200);
  });

  test('user: refused requests count too, from any address', async () => {
    const { bearer } = await newUser();
    const forbidden = () => from(anyAddress(), api, 'GET', '/v1/admin/users', { bearer });
    const answers = await times(4, forbidden);
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 429]);
    expect(refusedBy(answers[3]!)).toBe('user');
  });

  test('client: a limited client is limited from any address, by header or by form; another client is not', async () => {
    const [one, two] = [await harness.newClient(['tokens:read']), await harness.newClient(['tokens:read'])];
    const ask = (basic: ClientCredentials) => from(anyAddress(), api, 'GET', '/v1/tokens/stats', { basic });
    expect((await times(4, () => ask(one))).map(refusedBy)).toEqual([undefined, undefined, undefined, 'client']);
    const form = { grant_type: 'client_credentials', ...one };
    const byForm = await from(anyAddress(), api, 'POST', '/oauth2/token', { form });
    expect(refusedBy(byForm)).toBe('client');
    expect(byForm.headers.get('ratelimit-policy')).toBe('"token";q=4;w=60, "client";q=3;w=60');
    expect((await ask(two)).status).toBe(200);
  });

  test('an authenticated client is not limited by what others send from its address', async () => {
    const client = await harness.newClient(['tokens:read']);
    const address = anyAddress();
    const form = { grant_type: 'client_credentials' };
    const token = (await from(anyAddress(), api, 'POST', '/oauth2/token', { basic: client, form })).body.access_token;
    const anonymous = () => from(address, api, 'GET', '/v1/tokens/stats');
    expect((await times(5, anonymous)).map(({ status }) => status)).toEqual([401, 401, 401, 401, 429]);
    expect((await from(address, api, 'GET', '/v1/tokens/stats', { basic: client })).status).toBe(200);
    expect((await from(address, api, 'GET', '/v1/tokens/stats', { bearer: token })).status).toBe(200);
    const wrong = { ...client, client_secret: 'wrong' };
    expect(refusedBy(await from(address, api, 'GET', '/v1/tokens/stats', { basic: wrong }))).toBe('address');
    expect(refusedBy(await from(address, api, 'GET', '/v1/tokens/stats', { bearer: 'rubbish' }))).toBe('address');
  });
});

describe('addresses', () => {
  test('an address that a client claims, other than the proxy’s, changes nothing', async () => {
    const address = anyAddress();
    const forged = () => from(`${anyAddress()}, ${address}`, api, 'GET', '/docs');
    expect((await times(5, forged)).map(refusedBy).at(-1)).toBe('address');
  });

  test('an IPv6 /64 is one address', async () => {
    const prefix = `2001:db8:${randomInt(65_536).toString(16)}:${randomInt(65_536).toString(16)}`;
    const neighbours = () => from(`${prefix}::${randomInt(65_536).toString(16)}`, api, 'GET', '/docs');
    expect((await times(5, neighbours)).map(refusedBy).at(-1)).toBe('address');
  });
});

test('two copies share one count through Redis', async () => {
  // When Redis was too slow, a count is local to one copy: then the test tries another address.
  await expect
    .poll(async () => {
      const address = anyAddress();
      const answers = [
        ...(await times(2, () => from(address, api, 'GET', '/docs'))),
        ...(await times(3, () => from(address, other, 'GET', '/docs'))),
      ];
      return answers.map(({ status }) => status);
    })
    .toEqual([200, 200, 200, 200, 429]);
});

test('limits:bypass passes an exhausted limit, and the audit log records it once a minute', async () => {
  const trusted = await harness.newClient(['tokens:read', 'limits:bypass']);
  const ask = () => from(anyAddress(), api, 'GET', '/v1/tokens/stats', { basic: trusted });
  expect((await times(8, ask)).map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
  const rows = await harness.rows`SELECT detail, date_trunc('minute', occurred_at) AS minute FROM audit_outbox
    WHERE type = 'limit.bypassed' AND actor_id = ${trusted.client_id}`;
  expect(rows.length).toBeGreaterThan(0);
  expect(new Set(rows.map(({ minute }) => String(minute))).size).toBe(rows.length);
  expect(rows[0].detail).toEqual({ limit: 'client', route_class: 'read' });
});

test('another id in the path counts in the same limit, and the wait for each check is measured', async () => {
  const measured = (stage: string): number =>
    Number(
      new RegExp(`^sallyport_rate_limit_check_seconds_count{stage="${stage}"} (\\d+)`, 'm').exec(exposition())?.[1] ??
        0,
    );
  const before = { request: measured('request'), caller: measured('caller') };
  const { bearer } = await newUser();
  const [address, registered] = [anyAddress(), { request: measured('request'), caller: measured('caller') }];
  expect(registered.request).toBeGreaterThan(before.request);
  const read = () => from(address, api, 'GET', `/v1/tokens/${randomUUID()}`, { bearer });
  const answers = await times(5, read);
  expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 429, 429]);
  expect(answers.map(refusedBy).slice(3)).toEqual(['user', 'address']);
  // The request refused by its address limit has no caller yet.
  expect([measured('request') - registered.request, measured('caller') - registered.caller]).toEqual([5, 3]);
});
