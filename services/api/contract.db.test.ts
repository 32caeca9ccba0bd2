import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientToken, signUp } from '../platform/testing/flows.ts';
import { pathOf } from '../platform/testing/hostile-bodies.ts';
import {
  expectErrorForm,
  expectProblem,
  type Json,
  requestText,
  send,
  sendBytes,
} from '../platform/testing/http-client.ts';
import { createAnswerCheck, needsCredential, type Operation, operationsOf } from '../platform/testing/openapi-check.ts';
import { type Product, startProduct } from '../platform/testing/product.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../platform/testing/stores.ts';

let database: TestDatabase;
let product: Product;
let openApi: Json;
let operations: Operation[];
let check: ReturnType<typeof createAnswerCheck>;

beforeAll(async () => {
  database = await createTestDatabase();
  product = await startProduct({ stores: { databaseUrl: database.url, redisUrl: testRedisUrl() } });
  openApi = (await send(product.api, 'GET', '/openapi.json')).body;
  operations = operationsOf(openApi);
  check = createAnswerCheck(openApi);
});
afterAll(async () => {
  // Told to stop rather than killed: it then says which lines it ran.
  await product?.stop();
  await product?.dispose();
  await database?.drop();
});

const get = async (path: string, headers: Record<string, string> = {}) => {
  const answer = await send(product.api, 'GET', path, { headers });
  check('GET', path, answer);
  return answer;
};

/** Every path of the contract that this release serves. */
const CONTRACT = [
  'GET /healthz',
  'GET /readyz',
  'GET /.well-known/jwks.json',
  'GET /.well-known/oauth-authorization-server',
  'GET /.well-known/openid-configuration',
  'GET /.well-known/oauth-protected-resource',
  'GET /openapi.json',
  'GET /docs',
  'POST /api/auth/signup',
  'POST /api/auth/signin',
  'POST /api/auth/signout',
  'GET /api/auth/session',
  'POST /api/auth/sign-up/email',
  'POST /api/auth/sign-in/email',
  'POST /api/auth/sign-out',
  'GET /api/auth/get-session',
  'GET /api/auth/jwks',
  'POST /v1/tokens',
  'POST /v1/tokens/refresh',
  'POST /v1/tokens/validate',
  'POST /v1/tokens/validate-batch',
  'POST /v1/tokens/revoke',
  'GET /v1/tokens/{token_id}',
  'GET /v1/tokens/stats',
  'GET /v1/revocations',
  'GET /v1/revocations/stream',
  'POST /oauth2/token',
  'POST /oauth2/introspect',
  'POST /oauth2/revoke',
  'GET /v1/keys',
  'POST /v1/keys/rotate',
  'POST /v1/keys/{kid}/compromise',
  'GET /v1/audit/events',
  'GET /v1/audit/events/{seq}',
  'GET /v1/audit/events/{seq}/proof',
  'GET /v1/audit/log/checkpoint',
  'GET /v1/audit/log/vkey',
  'GET /v1/audit/log/tile/{tile}',
  'GET /v1/admin/queues',
];

describe('the ready line', () => {
  test('names a living API, its metrics and a file of credentials that only its owner reads', async () => {
    const { ready } = product;
    expect(Object.keys(ready).sort()).toEqual(['api', 'credentials_file', 'event', 'metrics', 'pids']);
    expect(ready.pids).toEqual({ api: expect.any(Number), worker: expect.any(Number) });
    expect(ready.api).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(ready.metrics).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    expect(ready.credentials_file).toBe(`${product.dataDir}/dev-credentials.json`);
    const metrics = await send(ready.metrics, 'GET', '');
    expect(metrics.status).toBe(200);
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(metrics.text).toContain('http_server_request_duration_seconds_bucket');
    const { statSync } = await import('node:fs');
    expect(statSync(ready.credentials_file).mode & 0o777).toBe(0o600);
    expect(product.credentials).toEqual({
      user: { email: expect.any(String), password: expect.any(String) },
      admin: { email: expect.any(String), password: expect.any(String) },
      client: { client_id: expect.any(String), client_secret: expect.any(String) },
      database_url: database.url,
      redis_url: expect.stringMatching(/^redis:/),
    });
  });
});

describe('the route table is the contract', () => {
  test('every path of the contract is in /openapi.json', () => {
    const documented = operations.map(({ method, path }) => `${method} ${path}`);
    expect(documented).toEqual(expect.arrayContaining(CONTRACT));
  });

  test('A4: every documented operation is served: none answers 404 for its route or 405', async () => {
    // A stream does not end by itself; its own test reads it.
    const finite = operations.filter(({ responses }) => !responses[200]?.content?.['text/event-stream']);
    expect(finite.length).toBeGreaterThanOrEqual(operations.length - 2);
    for (const operation of finite) {
      const answer = await send(product.api, operation.method, pathOf(operation), {
        basic: product.credentials.client,
      });
      expect([operation.operationId, answer.body?.code]).not.toEqual([operation.operationId, 'route_unknown']);
      expect([operation.operationId, answer.status]).not.toEqual([operation.operationId, 405]);
      check(operation.method, pathOf(operation), answer);
    }
  });

  test('A4: what is not documented is not served: Better Auth answers only under the documented names', async () => {
    const documented = (target: string): boolean =>
      operations.some(({ path }) => new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(target));
    const foreign = [
      '/api/auth/ok',
      '/api/auth/error',
      '/api/auth/list-sessions',
      '/api/auth/token',
      '/api/auth/update-user',
      '/api/auth/change-password',
      '/api/auth/forget-password',
      '/api/auth/request-password-reset',
      '/api/auth/sign-in/social',
      '/api/auth/callback/google',
      '/api/auth/oauth2/token',
      '/api/auth/oauth2/register',
      '/api/auth',
      '/',
      '/v1',
      '/metrics',
    ].filter((path) => !documented(path));
    expect(foreign.length).toBeGreaterThanOrEqual(8);
    for (const path of foreign) {
      expectProblem(await send(product.api, 'GET', path), 404, 'route_unknown');
      expectProblem(await send(product.api, 'POST', path, { json: {} }), 404, 'route_unknown');
    }
  });

  test('A3: every operation that wants a credential answers 401 without one, with a challenge and no error in it', async () => {
    const guarded = operations.filter(needsCredential);
    expect(guarded.length).toBeGreaterThanOrEqual(10);
    for (const operation of guarded) {
      const { method, bodyType, bodySchema } = operation;
      const body = bodyType?.includes('form') ? { form: { token: 'x' } } : { json: exampleOf(bodySchema) };
      const answer = await send(product.api, method, fittingPathOf(operation), bodyType === undefined ? {} : body);
      expect([operation.operationId, answer.status]).toEqual([operation.operationId, 401]);
      expectErrorForm(answer);
      expect(answer.headers.get('www-authenticate')).not.toContain('error=');
      check(method, fittingPathOf(operation), answer);
    }
  });

  test('A3: a bearer token that is none answers 401 invalid_token at every operation that takes bearer tokens', async () => {
    const guarded = operations.filter((each) => needsCredential(each) && each.security.some((way) => 'bearer' in way));
    expect(guarded.length).toBeGreaterThanOrEqual(8);
    for (const operation of guarded) {
      const { method, bodyType, bodySchema } = operation;
      const body = bodyType?.includes('form') ? { form: {} } : { json: exampleOf(bodySchema) };
      const sent = { ...(bodyType === undefined ? {} : body), bearer: 'nobody' };
      const answer = await send(product.api, method, fittingPathOf(operation), sent);
      expectProblem(answer, 401, 'unauthenticated');
      const metadata = `resource_metadata="${product.api}/.well-known/oauth-protected-resource"`;
      expect(answer.headers.get('www-authenticate')).toBe(
        `Bearer realm="sallyport", error="invalid_token", ${metadata}`,
      );
    }
  });

  test('a person without the permission gets 403 where the contract names one', async () => {
    const { tokens } = await signUp(product);
    const guarded: [string, string][] = [
      ['GET', '/v1/keys'],
      ['POST', '/v1/keys/rotate'],
      ['GET', '/v1/tokens/stats'],
      ['GET', '/v1/tokens/unknown'],
      ['GET', '/v1/revocations'],
      ['GET', '/v1/revocations/stream'],
    ];
    for (const [method, path] of guarded) {
      const answer = await send(product.api, method, path, { bearer: tokens.access_token });
      expectProblem(answer, 403, 'permission_missing');
      check(method, path, answer);
    }
    const answer = await send(product.api, 'POST', '/v1/keys/unknown/compromise', {
      bearer: tokens.access_token,
      json: { reason: 'x' },
    });
    expectProblem(answer, 403, 'permission_missing');
  });

  test('another method on a known path is 405 with what is allowed', async () => {
    const allowed = new Map<string, Set<string>>();
    for (const { path, method } of operations) allowed.set(path, (allowed.get(path) ?? new Set()).add(method));
    const served = (target: string, method: string): boolean =>
      operations.some(
        (each) => each.method === method && new RegExp(`^${each.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(target),
      );
    for (const [path, methods] of allowed) {
      const target = path.replaceAll(/\{\w+\}/g, 'unknown');
      // `stats` and the like also match the template of their neighbours.
      const other = ['DELETE', 'PUT', 'PATCH'].find((method) => !served(target, method));
      if (other === undefined) throw new Error(`${path} takes every method`);
      const answer = await send(product.api, other, target);
      expectProblem(answer, 405, 'method_not_allowed');
      const named = (answer.headers.get('allow') ?? '').split(', ');
      for (const method of methods) expect(named, target).toContain(method);
      expect(named).not.toContain(other);
    }
  });

  test('T10: GET at a token endpoint is 405', async () => {
    for (const path of ['/oauth2/revoke', '/oauth2/token', '/oauth2/introspect'])
      expect((await send(product.api, 'GET', path)).status).toBe(405);
  });

  test('T15, RFC 9700 §4.3: a token in the address is refused', async () => {
    const paths = operations.filter(({ path, method }) => method === 'POST' && /^\/(v1\/tokens|oauth2)/.test(path));
    for (const operation of paths)
      for (const name of ['access_token', 'token', 'refresh_token']) {
        const { method, bodyType, bodySchema } = operation;
        const body = bodyType?.includes('form')
          ? { form: { grant_type: 'client_credentials', token: 'x' } }
          : { json: exampleOf(bodySchema) };
        const target = `${pathOf(operation)}?${name}=secret`;
        const answer = await send(product.api, method, target, { ...body, basic: product.credentials.client });
        expect([target, answer.status, answer.body?.code]).toEqual([target, 400, 'request_invalid']);
        expect(answer.text).not.toContain('secret');
      }
  });
});

/** Texts of the forms that contracts ask for; the first one that fits is sent. */
const TEXTS = [
  'nobody@example.test',
  'https://example.test/',
  '2026-01-01T00:00:00Z',
  '0190a5e2-0000-7000-8000-000000000000',
  'x',
  '1',
  ...[8, 16, 32, 43, 64].map((length) => 'x'.repeat(length)),
];

function textOf({ format, pattern, allOf = [], minLength = 1 }: Json): string {
  const patterns = [pattern, ...allOf.map((each: Json) => each.pattern)].filter((each) => each !== undefined);
  const isFitting = (text: string): boolean =>
    text.length >= minLength && patterns.every((each) => new RegExp(each, 'u').test(text));
  const preferred = format === undefined ? [...TEXTS.slice(4), ...TEXTS] : TEXTS;
  return preferred.find(isFitting) ?? 'x'.repeat(minLength);
}

/** An address of the forms its contract asks for, of things that do not exist. */
function fittingPathOf({ path, parameters }: Operation): string {
  const schemaOf = (name: string): Json => parameters.find((each) => each.in === 'path' && each.name === name)?.schema;
  const filled = path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => textOf(schemaOf(name) ?? {}));
  const asked = parameters.filter((each) => each.in === 'query' && (each as Json).required);
  const query = new URLSearchParams(
    asked.map(({ name, schema }): [string, string] => [name, String(exampleOf(schema))]),
  );
  return asked.length === 0 ? filled : `${filled}?${query}`;
}

/** The smallest value that fits a schema. */
function exampleOf(schema: Json): Json {
  if (schema === undefined) return undefined;
  const [chosen] = schema.anyOf ?? schema.oneOf ?? [schema];
  if (chosen !== schema) return exampleOf(chosen);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.type === 'object')
    return Object.fromEntries(
      (schema.required ?? []).map((name: string) => [name, exampleOf(schema.properties[name])]),
    );
  if (schema.type === 'array') return Array.from({ length: schema.minItems ?? 0 }, () => exampleOf(schema.items));
  if (schema.type === 'boolean') return true;
  return schema.type === 'string' ? textOf(schema) : (schema.minimum ?? 0);
}

describe('public documents', () => {
  test('liveness and readiness, each component by name', async () => {
    expect((await get('/healthz')).body).toEqual({ status: 'ok' });
    expect((await get('/readyz')).body).toEqual({
      status: 'ready',
      components: { api: 'ok', postgres: 'ok', keys: 'ok', revocations: 'ok', redis: 'ok' },
      api: 'ok',
      postgres: 'ok',
      keys: 'ok',
      revocations: 'ok',
      redis: 'ok',
    });
  });

  test('the key set holds public members alone, an ETag, and a max-age jittered below the setting', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => get('/.well-known/jwks.json')));
    const { keys } = answers[0]!.body;
    expect(keys.length).toBeGreaterThanOrEqual(1);
    for (const key of keys) {
      expect(key).toMatchObject({ kty: 'RSA', use: 'sig', alg: 'RS256', kid: expect.any(String) });
      for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']) expect(key).not.toHaveProperty(name);
    }
    const ages = answers.map(({ headers }) =>
      Number(/^public, max-age=(\d+)$/.exec(headers.get('cache-control')!)![1]),
    );
    for (const age of ages) {
      expect(age).toBeGreaterThanOrEqual(0.8 * 300 - 5);
      expect(age).toBeLessThanOrEqual(300);
    }
    expect(new Set(ages).size).toBeGreaterThan(1);
    expect(new Set(answers.map(({ headers }) => headers.get('etag'))).size).toBe(1);
  });

  test('who has the key set gets 304 with the tag and a fresh max-age', async () => {
    const etag = (await get('/.well-known/jwks.json')).headers.get('etag')!;
    for (const header of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const answer = await get('/.well-known/jwks.json', { 'if-none-match': header });
      expect([header, answer.status, answer.text]).toEqual([header, 304, '']);
      expect(answer.headers.get('etag')).toBe(etag);
      expect(answer.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    }
    expect((await get('/.well-known/jwks.json', { 'if-none-match': '"other"' })).status).toBe(200);
  });

  test('T8, RFC 8414 §3.3: the issuer is, byte for byte, where the metadata was read, and every endpoint is below it', async () => {
    for (const path of ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']) {
      const { body } = await get(path);
      expect(body.issuer).toBe(product.api);
      for (const [name, value] of Object.entries(body))
        if (name.endsWith('_endpoint') || name === 'jwks_uri') expect(value).toMatch(new RegExp(`^${product.api}/`));
      expect(body.grant_types_supported).toEqual([
        'authorization_code',
        'client_credentials',
        'refresh_token',
        'urn:ietf:params:oauth:grant-type:device_code',
        'urn:ietf:params:oauth:grant-type:token-exchange',
      ]);
      expect(body.code_challenge_methods_supported ?? ['S256']).toEqual(['S256']);
      expect(body.id_token_signing_alg_values_supported ?? []).not.toContain('none');
      expect((await send(body.jwks_uri, 'GET', '')).status).toBe(200);
      expect((await send(body.token_endpoint, 'POST', '', { form: {} })).status).toBe(400);
    }
  });

  test('R1, RFC 9728 §3.3: the resource is where it is reached, and its authorization server is this one', async () => {
    const { body } = await get('/.well-known/oauth-protected-resource');
    expect(body.resource).toBe(product.api);
    expect(body.authorization_servers).toEqual([product.api]);
  });

  test('/docs names every operation and every error code has its paragraph', async () => {
    const docs = await get('/docs');
    expect(docs.headers.get('content-type')).toMatch(/^text\/html/);
    expect(docs.headers.get('content-security-policy')).toContain("default-src 'none'");
    for (const { path } of operations) expect(docs.text).toContain(path);
    const errors = await get('/docs/errors');
    const codes = new Set(
      JSON.stringify(openApi)
        .match(/`[a-z_]+`: /g)
        ?.map((text) => text.slice(1, -3)),
    );
    expect(codes.size).toBeGreaterThan(30);
    for (const code of codes) expect(errors.text, code).toContain(`id="${code}"`);
  });
});

describe('every answer', () => {
  test('only documents and the public log may be cached: every other answer says no-store', async () => {
    const cached = ['/.well-known/', '/api/auth/jwks', '/openapi.json', '/docs', '/v1/audit/log/'];
    for (const operation of operations) {
      if (cached.some((prefix) => operation.path.startsWith(prefix))) continue;
      const answer = await send(product.api, operation.method, pathOf(operation));
      expect([operation.operationId, answer.headers.get('cache-control')]).toEqual([operation.operationId, 'no-store']);
    }
    const token = await send(product.api, 'POST', '/oauth2/token', {
      basic: product.credentials.client,
      form: { grant_type: 'client_credentials' },
    });
    expect([token.status, token.headers.get('cache-control')]).toEqual([200, 'no-store']);
  });

  test('A5: bodies are limited to 64 KB, validate-batch to 2 MB; beyond that 413', async () => {
    const text = (bytes: number): string => JSON.stringify({ token: 'a'.repeat(bytes) });
    expect(
      (await send(product.api, 'POST', '/v1/tokens/validate', { json: { token: 'a'.repeat(60_000) } })).body,
    ).toEqual({
      active: false,
      reason: 'malformed',
    });
    const headers = { 'content-type': 'application/json' };
    expectProblem(
      await send(product.api, 'POST', '/v1/tokens/validate', { body: text(66_000), headers }),
      413,
      'body_too_large',
    );
    const token = await clientToken(product);
    const many = await send(product.api, 'POST', '/v1/tokens/validate-batch', {
      json: { tokens: Array.from({ length: 1_000 }, () => token.padEnd(1_900, 'x')) },
    });
    expect(many.status).toBe(200);
    const tooMuch = await send(product.api, 'POST', '/v1/tokens/validate-batch', {
      json: { tokens: ['x'.repeat(2_097_200)] },
    });
    expectProblem(tooMuch, 413, 'body_too_large');
  });

  test('a body of unknown length is counted while it comes', async () => {
    const chunk = 'a'.repeat(16_000);
    const chunks = Array.from({ length: 6 }, () => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
    const head =
      'POST /v1/tokens/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    const answer = await sendBytes(product.api, `${head}${chunks}0\r\n\r\n`);
    expectProblem(answer!, 413, 'body_too_large');
  });

  test('the trace id of an answer is new for each request, and the caller’s own where a traceparent came', async () => {
    const one = await send(product.api, 'GET', '/nothing');
    const other = await send(product.api, 'GET', '/nothing');
    expect(one.body.trace_id).not.toBe(other.body.trace_id);
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
    expect((await send(product.api, 'GET', '/nothing', { headers: { traceparent } })).body.trace_id).toBe(traceId);
    for (const bad of [
      `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
      `00-${traceId}-01`,
      'x'.repeat(600),
      `ff-${traceId}-00f067aa0ba902b7-01`,
    ]) {
      const { body } = await send(product.api, 'GET', '/nothing', { headers: { traceparent: bad } });
      expect(body.trace_id).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
      expect(body.trace_id).not.toBe(traceId);
    }
  });

  test('a request without a Host, or of another protocol, is answered and the next one served', async () => {
    const noHost = await sendBytes(product.api, 'GET /healthz HTTP/1.1\r\n\r\n');
    expect(noHost?.status).toBe(400);
    const rubbish = await sendBytes(product.api, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03');
    expect(rubbish === undefined || rubbish.status === 400).toBe(true);
    const plain = await sendBytes(product.api, requestText('GET', '/healthz'));
    expect(plain?.status).toBe(200);
  });
});
