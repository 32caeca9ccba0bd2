import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { typeOf } from '../../../tools/catalog/client-types.ts';
import {
  type ApiClient,
  type AuditEvent,
  type Client,
  type ClientOptions,
  createClient,
  type ProblemCode,
  type Session,
  type SignIn,
  type TokenPair,
  TransportError,
  type User,
} from '../src/index.ts';

const problem = (status: number, code: ProblemCode, headers: Record<string, string> = {}, retryable = true) =>
  new Response(JSON.stringify({ type: 't', title: 't', status, code, retryable, trace_id: 'x' }), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });
const json = (body: object, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json; charset=utf-8' } });

/** A client whose API answers in this order. */
function clientOf(answers: readonly (() => Response)[], options: Partial<ClientOptions> = {}) {
  const sent: { url: string; init: RequestInit; headers: Headers }[] = [];
  const waits: number[] = [];
  const api = createClient({
    url: 'https://auth.example/base/',
    fetch: async (url, init = {}) => {
      sent.push({ url: String(url), init, headers: new Headers(init.headers) });
      const answer = answers[sent.length - 1];
      if (answer === undefined) throw new Error('one request too many');
      return answer();
    },
    sleep: async (ms) => void waits.push(ms),
    ...options,
  });
  return { api, sent, waits };
}
const lost = (): Response => {
  throw new TypeError('fetch failed');
};
const token = { body: { token: 't' } };
const active = () => json({ active: true, claims: { sub: 'ada' } });

describe('repetitions', () => {
  test('a retryable problem is repeated after the time that Retry-After names, as seconds or as a date', async () => {
    const date = new Date(Date.now() + 5_000).toUTCString();
    const { api, waits } = clientOf([
      () => problem(429, 'rate_limited', { 'retry-after': '2' }),
      () => problem(503, 'shutting_down', { 'retry-after': date }),
      () => problem(503, 'request_stale'),
      active,
    ]);
    expect(await api('POST /v1/tokens/validate', token)).toMatchObject({ ok: true, data: { active: true } });
    expect(waits[0]).toBe(2_000);
    expect(waits[1]).toBeGreaterThan(3_000);
    expect(waits[1]).toBeLessThanOrEqual(5_000);
    // Without the header: the third wait of a doubling series, half of it random.
    expect(waits[2]).toBeGreaterThanOrEqual(400);
    expect(waits[2]).toBeLessThanOrEqual(800);
  });

  test('a problem is returned when it is not retryable, asks for a longer wait than allowed, or stays', async () => {
    for (const answer of [
      () => problem(401, 'refresh_token_reused', {}, false),
      () => problem(429, 'rate_limited', { 'retry-after': '11' }),
    ]) {
      const { api, sent } = clientOf([answer]);
      expect(await api('POST /v1/tokens/refresh', { body: { refresh_token: 'r' } })).toMatchObject({ ok: false });
      expect(sent).toHaveLength(1);
    }
    const limited = () => problem(429, 'rate_limited', { 'retry-after': '0' });
    const { api, sent } = clientOf([limited, limited, limited], { retries: 2 });
    expect(await api('GET /v1/tokens/stats')).toMatchObject({ ok: false, status: 429, code: 'rate_limited' });
    expect(sent).toHaveLength(3);
  });

  test('an option that is undefined has its default', async () => {
    const limited = () => problem(429, 'rate_limited', { 'retry-after': '0' });
    const options = { retries: undefined, maxWait: undefined, timeout: undefined } as Partial<ClientOptions>;
    const { api, sent } = clientOf(
      Array.from({ length: 4 }, () => limited),
      options,
    );
    expect(await api('GET /v1/tokens/stats')).toMatchObject({ ok: false, code: 'rate_limited' });
    expect(sent).toHaveLength(4);
    const patient = clientOf([() => problem(429, 'rate_limited', { 'retry-after': '11' })], options);
    expect(await patient.api('GET /v1/tokens/stats')).toMatchObject({ ok: false, code: 'rate_limited' });
  });

  test('a POST that may have had an effect is repeated only with an Idempotency-Key, and always with the same', async () => {
    const failed = () => problem(500, 'internal_error');
    const plain = clientOf([failed]);
    const revoke = { body: { token: 't', reason: 'r' } };
    expect(await plain.api('POST /v1/tokens/revoke', revoke)).toMatchObject({ code: 'internal_error' });
    await expect(clientOf([lost]).api('POST /v1/tokens/revoke', revoke)).rejects.toBeInstanceOf(TransportError);
    expect(
      await clientOf([lost, active]).api('POST /v1/tokens/validate', { ...token, repeatable: true }),
    ).toMatchObject({ ok: true });

    const keyed = clientOf([lost, failed, () => json({ key: 'k' }, 201)]);
    expect(await keyed.api('POST /v1/api-keys', { body: { name: 'n', permissions: [] } as never })).toMatchObject({
      status: 201,
    });
    const keys = keyed.sent.map(({ headers }) => headers.get('idempotency-key'));
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(new Set(keys).size).toBe(1);
    const own = clientOf([failed, () => json({ key: 'k' }, 201)]);
    const given = { idempotencyKey: 'mine', ifMatch: '"1"' };
    await own.api('POST /v1/api-keys', { body: { name: 'n', permissions: [] } as never, ...given });
    expect(own.sent.map(({ headers }) => headers.get('idempotency-key'))).toEqual(['mine', 'mine']);
    expect(own.sent.map(({ headers }) => headers.get('if-match'))).toEqual(['"1"', '"1"']);
  });

  test('a key does not make an operation repeatable that ignores it, and a PATCH is not repeated', async () => {
    const revoke = { body: { token: 't', reason: 'r' }, idempotencyKey: 'mine' };
    const keyed = clientOf([lost, active]);
    await expect(keyed.api('POST /v1/tokens/revoke', revoke)).rejects.toBeInstanceOf(TransportError);
    expect(keyed.sent).toHaveLength(1);
    const patched = clientOf([() => problem(500, 'internal_error'), () => json({})]);
    await patched.api('PATCH /api/auth/user', { body: { name: 'Ada' } });
    expect(patched.sent).toHaveLength(1);
  });

  test('a lost answer of a GET is repeated, an aborted call is not', async () => {
    expect(await clientOf([lost, () => json({ issued: 1 })]).api('GET /v1/tokens/stats')).toMatchObject({ ok: true });
    const controller = new AbortController();
    const { api, sent } = clientOf([
      () => {
        controller.abort(new Error('enough'));
        return lost();
      },
    ]);
    await expect(api('GET /v1/tokens/stats', { signal: controller.signal })).rejects.toThrow('enough');
    expect(sent).toHaveLength(1);
  });

  test('a page of a proxy is no problem of the API: 502 is repeated, 403 is thrown', async () => {
    const page = (status: number) => () => new Response('<h1>no</h1>', { status });
    expect(await clientOf([page(502), () => json({})]).api('GET /healthz')).toMatchObject({ ok: true });
    await expect(clientOf([page(403)]).api('GET /healthz')).rejects.toMatchObject({ status: 403 });
  });
});

test('path, query, form and credentials are sent as the operation names them', async () => {
  const renewed = { count: 0 };
  const { api, sent } = clientOf([() => json({}), () => json({}), () => json({}), () => json({})], {
    authorization: () => `Bearer ${++renewed.count}`,
    headers: { 'user-agent': 'mine' },
  });
  await api('GET /v1/tokens/{token_id}', { path: { token_id: '../a b/?' } });
  await api('GET /v1/audit/events', { query: { limit: 2, type: 'user.signed_in' } });
  await api('POST /oauth2/introspect', { form: { token: 'a&b' }, authorization: 'Basic YTpi' });
  expect(sent.map(({ url }) => url)).toEqual([
    'https://auth.example/base/v1/tokens/..%2Fa%20b%2F%3F',
    'https://auth.example/base/v1/audit/events?limit=2&type=user.signed_in',
    'https://auth.example/base/oauth2/introspect',
  ]);
  expect(sent.map(({ headers }) => headers.get('authorization'))).toEqual(['Bearer 1', 'Bearer 2', 'Basic YTpi']);
  expect(sent[2]?.init.body).toBe('token=a%26b');
  expect(sent[0]?.headers.get('user-agent')).toBe('mine');
  await expect(api('GET /v1/tokens/{token_id}', { path: { token_id: '' } })).rejects.toThrow('token_id is missing');
  for (const segment of ['.', '..'])
    await expect(api('GET /v1/tokens/{token_id}', { path: { token_id: segment } })).rejects.toThrow('cannot be');
  expect(sent).toHaveLength(3);
});

test('types say what an operation takes and returns, and which codes exist', async () => {
  const { api } = clientOf([active]);
  const result = await api('POST /v1/tokens/validate', token);
  if (!result.ok) throw new Error(result.problem.trace_id);
  expectTypeOf(result.data.active).toEqualTypeOf<boolean>();
  if (!result.data.active) expectTypeOf(result.data.reason).toExtend<string>();
  expectTypeOf<'refresh_token_reused'>().toExtend<ProblemCode>();
  expectTypeOf<'no_such_code'>().not.toExtend<ProblemCode>();
  // @ts-expect-error no such operation
  expectTypeOf(api).toBeCallableWith('GET /v1/nothing');
  // @ts-expect-error the path parameter is required
  void (() => api('GET /v1/tokens/{token_id}'));
  // @ts-expect-error a refresh token is text
  void (() => api('POST /v1/tokens/refresh', { body: { refresh_token: 1 } }));
});

test('what operations return has names to import, none of which the package hides by one of its own', () => {
  type Data<R> = R extends { readonly ok: true; readonly data: infer T } ? T : never;
  const signIn = (api: ApiClient) => api('POST /api/auth/signin', { body: { email: '', password: '' } });
  expectTypeOf<Data<Awaited<ReturnType<typeof signIn>>>>().toEqualTypeOf<SignIn>();
  expectTypeOf<SignIn>().toEqualTypeOf<{
    readonly user: User;
    readonly session: Session;
    readonly tokens: TokenPair;
  }>();
  expectTypeOf<AuditEvent['actor']['kind']>().toEqualTypeOf<string>();
  expectTypeOf<Client['redirect_uris']>().toEqualTypeOf<readonly string[]>();
  const namesIn = (file: string): Set<string> => {
    const text = readFileSync(join(import.meta.dirname, '../src', file), 'utf8');
    return new Set([...text.matchAll(/^export (?:type|class|function) (\w+)/gm)].map(([, name]) => name!));
  };
  const [own, generated] = [namesIn('index.ts'), namesIn('generated/api.ts')];
  expect([own.has('ApiClient'), generated.has('Client')]).toEqual([true, true]);
  expect([...own].filter((name) => generated.has(name))).toEqual([]);
});

test.each([
  [{ type: ['string', 'null'] }, 'string | null'],
  [{ anyOf: [{ const: true }, { enum: ['a', 'b'] }] }, 'true | "a" | "b"'],
  [{ type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'integer' }] } }, 'readonly (string | number)[]'],
  [{ type: 'array', items: { type: 'array', items: { type: 'boolean' } } }, 'readonly (readonly boolean[])[]'],
  [{ $ref: '#/components/schemas/Problem' }, 'Problem'],
  [{ type: 'object', additionalProperties: { type: 'number' } }, 'Readonly<Record<string, number>>'],
  [{ type: 'object', additionalProperties: false }, 'Readonly<Record<string, never>>'],
  [
    { type: 'object', properties: { 'a-b': { type: 'null' }, c: {} }, required: ['c'] },
    '{ readonly "a-b"?: null; readonly c: unknown }',
  ],
  [
    { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: {} },
    '{ readonly a?: string } & Readonly<Record<string, unknown>>',
  ],
])('%j is written as the type %s', (schema, type) => expect(typeOf(schema)).toBe(type));
