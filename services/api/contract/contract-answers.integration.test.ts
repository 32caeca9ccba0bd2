import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pathOf } from '#tools/testing/fixtures/hostile-bodies.ts';
import { clientToken } from '#tools/testing/flows/flows.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { expectProblem, requestText, send, sendBytes } from '#tools/testing/http-client.ts';
import type { Operation } from '#tools/testing/openapi-check.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';

const harness = opened(() => startProductHarness({ WORKER_COPIES: '1' }));
const product = partOf(() => harness.product);
let operations: readonly Operation[];

beforeAll(() => {
  ({ operations } = harness);
});
// Stopped rather than killed, so that it reports coverage.
afterAll(() => product.stop?.());

describe('the ready line', () => {
  test('names a live API, its metrics and a file of credentials that only its owner can read', async () => {
    const { ready } = product;
    expect(Object.keys(ready).sort()).toEqual([
      'api',
      'credentials_file',
      'event',
      ...(hasWings ? ['mcp'] : []),
      'metrics',
      'pids',
    ]);
    expect(ready.pids).toEqual({ api: expect.any(Number), worker: expect.any(Number) });
    expect(ready.api).toMatch(/^http:\/\/localhost:\d+$/);
    expect(ready.mcp).toBe(hasWings ? `${ready.api}/mcp` : undefined);
    expect(ready.metrics).toMatch(/^http:\/\/localhost:\d+\/metrics$/);
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
      database_url: harness.databaseUrl,
      redis_url: expect.stringMatching(/^redis:/),
    });
  });
});

describe('public documents', () => {
  test('liveness and readiness report each component by name', async () => {
    expect((await harness.call('GET', '/healthz')).body).toEqual({ status: 'ok' });
    expect((await harness.call('GET', '/readyz')).body).toEqual({
      status: 'ready',
      components: { api: 'ok', postgres: 'ok', keys: 'ok', revocations: 'ok', directory: 'ok', redis: 'ok' },
      api: 'ok',
      postgres: 'ok',
      keys: 'ok',
      revocations: 'ok',
      directory: 'ok',
      redis: 'ok',
    });
  });

  test('the key set has only public members, an ETag, and a max-age jittered below the setting', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => harness.call('GET', '/.well-known/jwks.json')));
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

  test('a client that sends the key set’s ETag gets 304 with the tag and a new max-age', async () => {
    const etag = (await harness.call('GET', '/.well-known/jwks.json')).headers.get('etag')!;
    for (const header of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const answer = await harness.call('GET', '/.well-known/jwks.json', { headers: { 'if-none-match': header } });
      expect([header, answer.status, answer.text]).toEqual([header, 304, '']);
      expect(answer.headers.get('etag')).toBe(etag);
      expect(answer.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    }
    expect(
      (await harness.call('GET', '/.well-known/jwks.json', { headers: { 'if-none-match': '"other"' } })).status,
    ).toBe(200);
  });

  test('RFC 8414 §3.3: the issuer is, byte for byte, where the metadata was read, and every endpoint is below it', async () => {
    for (const path of ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']) {
      const { body } = await harness.call('GET', path);
      expect(body.issuer).toBe(product.api);
      for (const [name, value] of Object.entries(body))
        if (name.endsWith('_endpoint') || name === 'jwks_uri') expect(value).toMatch(new RegExp(`^${product.api}/`));
      const grants = `authorization_code client_credentials refresh_token urn:ietf:params:oauth:grant-type:device_code
        urn:ietf:params:oauth:grant-type:token-exchange urn:ietf:params:oauth:grant-type:jwt-bearer
        urn:openid:params:grant-type:ciba`.split(/\s+/);
      expect(body.grant_types_supported).toEqual(hasWings ? grants : grants.slice(0, -1));
      expect(body.code_challenge_methods_supported ?? ['S256']).toEqual(['S256']);
      expect(body.id_token_signing_alg_values_supported ?? []).not.toContain('none');
      expect((await send(body.jwks_uri, 'GET', '')).status).toBe(200);
      expect((await send(body.token_endpoint, 'POST', '', { form: {} })).status).toBe(400);
    }
  });

  test('RFC 9728 §3.3: the resource is its own address, and its authorization server is this one', async () => {
    const { body } = await harness.call('GET', '/.well-known/oauth-protected-resource');
    expect(body.resource).toBe(product.api);
    expect(body.authorization_servers).toEqual([product.api]);
  });

  test('/docs lists every operation and has a paragraph for every error code', async () => {
    const docs = await harness.call('GET', '/docs');
    expect(docs.headers.get('content-type')).toMatch(/^text\/html/);
    expect(docs.headers.get('content-security-policy')).toContain("default-src 'none'");
    for (const { path } of operations) expect(docs.text).toContain(path);
    const errors = await harness.call('GET', '/docs/errors');
    const codes = new Set(
      JSON.stringify((await harness.call('GET', '/openapi.json')).body)
        .match(/`[a-z_]+`: /g)
        ?.map((text) => text.slice(1, -3)),
    );
    expect(codes.size).toBeGreaterThan(30);
    for (const code of codes) expect(errors.text, code).toContain(`id="${code}"`);
  });
});

describe('every answer', () => {
  test('only documents and the public log are cacheable: every other answer says no-store', async () => {
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

  test('bodies are limited to 64 KB, validate-batch to 2 MB; larger ones are 413', async () => {
    const text = (bytes: number): string => JSON.stringify({ token: 'a'.repeat(bytes) });
    expect(
      (await send(product.api, 'POST', '/v1/tokens/validate', { json: { token: 'a'.repeat(60_000) } })).body,
    ).toEqual({ active: false, reason: 'malformed' });
    const headers = { 'content-type': 'application/json' };
    const large = await send(product.api, 'POST', '/v1/tokens/validate', { body: text(66_000), headers });
    expectProblem(large, 413, 'body_too_large');
    const token = await clientToken(product);
    const many = await send(product.api, 'POST', '/v1/tokens/validate-batch', {
      json: { tokens: Array.from({ length: 1_000 }, () => token.padEnd(1_900, 'x')) },
    });
    expect(many.status).toBe(200);
    const tooMuch = await send(product.api, 'POST', '/v1/tokens/validate-batch', {
      json: { tokens: ['x'.repeat(2_097_200)] },
    });
    expectProblem(tooMuch, 413, 'body_too_large');
    expect(tooMuch.body.detail).toBe('At most 2,097,152 bytes.');
  });

  test('a body of unknown length is limited while it arrives', async () => {
    const chunk = 'a'.repeat(16_000);
    const chunks = Array.from({ length: 6 }, () => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
    const head =
      'POST /v1/tokens/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    const answer = await sendBytes(product.api, `${head}${chunks}0\r\n\r\n`);
    expectProblem(answer!, 413, 'body_too_large');
  });

  test('each answer has a new trace id, or the caller’s where the request had a traceparent', async () => {
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

  test('a request without a Host, or of another protocol version, is answered and the next one served', async () => {
    const noHost = await sendBytes(product.api, 'GET /healthz HTTP/1.1\r\n\r\n');
    expect(noHost?.status).toBe(400);
    const rubbish = await sendBytes(product.api, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03');
    expect(rubbish === undefined || rubbish.status === 400).toBe(true);
    const plain = await sendBytes(product.api, requestText('GET', '/healthz'));
    expect(plain?.status).toBe(200);
  });
});
