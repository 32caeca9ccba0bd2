import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { currentRequestTrace } from '#observability/http-span.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { insertUser } from '#tools/testing/fixtures/families.ts';
import { API_URL, type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { type ClientCredentials, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { startTcpProxy, type TcpProxy } from '#tools/testing/processes/tcp-proxy.ts';

type Harness = {
  readonly api: ApiCopy;
  readonly client: ClientCredentials;
  readonly rows: ApiHarness['rows'];
  readonly postgres: TcpProxy;
  readonly redis: TcpProxy;
  close(): Promise<void>;
};

/** As shipped: these tests wait until it has passed. */
const OWN_BOUND = { REVOCATION_STALENESS_MS: '2000' };

/** One copy whose stores can be disconnected, with its own database. */
async function startHarness(env: Readonly<Record<string, string>> = {}): Promise<Harness> {
  const harness = await openApiHarness();
  const [postgres, redis] = await Promise.all([startTcpProxy(harness.databaseUrl), startTcpProxy(harness.redisUrl)]);
  const api = await harness.startCopy({
    hashes: false,
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    env: { ...OWN_BOUND, ...env },
  });
  await eventually('Redis to be ready', () => api.stores.redis.isReady());
  const client = await harness.newClient(['tokens:issue', 'tokens:read', 'tokens:revoke', 'tokens:introspect']);
  return {
    api,
    client,
    rows: harness.rows,
    postgres,
    redis,
    close: async () => {
      await harness.close();
      await Promise.all([postgres.cut(), redis.cut()]);
    },
  };
}

/** As `startHarness`, for one test. */
async function harnessOfTest(env: Readonly<Record<string, string>>): Promise<Harness> {
  const harness = await startHarness(env);
  onTestFinished(() => harness.close());
  return harness;
}

async function issue({ api, client }: Harness, headers: Record<string, string> = {}): Promise<Received> {
  const userId = await insertUser(api.stores.pools.main);
  return send(api.url, 'POST', '/v1/tokens', { basic: client, headers, json: { user_id: userId } });
}
const validate = ({ api }: Harness, token: string, more: object = {}): Promise<Received> =>
  send(api.url, 'POST', '/v1/tokens/validate', { json: { token, ...more } });
const revoke = ({ api, client }: Harness, selector: object): Promise<Received> =>
  send(api.url, 'POST', '/v1/tokens/revoke', { basic: client, json: { reason: 'test', ...selector } });
const refresh = ({ api }: Harness, refresh_token: string): Promise<Received> =>
  send(api.url, 'POST', '/v1/tokens/refresh', { json: { refresh_token } });
const byId = ({ api, client }: Harness, accessToken: string): Promise<Received> =>
  send(api.url, 'GET', `/v1/tokens/${decodeJwt(accessToken).jti}`, { basic: client });
const validateIds = ({ api, client }: Harness, token_ids: unknown[]): Promise<Received> =>
  send(api.url, 'POST', '/v1/tokens/validate-batch', { basic: client, json: { token_ids } });
const credentials = ({ api, client }: Harness): Promise<Received> =>
  send(api.url, 'POST', '/oauth2/token', { basic: client, form: { grant_type: 'client_credentials' } });
const introspect = ({ api, client }: Harness, token: string): Promise<Received> =>
  send(api.url, 'POST', '/oauth2/introspect', { basic: client, form: { token } });

describe('stores', () => {
  const harness = opened(startHarness);

  test('a validation sends nothing to Postgres or Redis, whatever its form and result', async () => {
    const { api, client } = harness;
    const { access_token } = (await issue(harness)).body;
    const commands: string[] = [];
    const restore: (() => void)[] = [];
    const watch = (target: object, names: readonly string[], label: string): void => {
      const methods = target as Record<string, unknown>;
      for (const name of names) {
        const real = methods[name] as (...given: unknown[]) => unknown;
        methods[name] = (...given: unknown[]) => {
          // The poll and its heartbeat continue beside the requests.
          if (currentRequestTrace() !== undefined) commands.push(`${label}.${name}`);
          return real.apply(target, given);
        };
        restore.push(() => {
          methods[name] = real;
        });
      }
    };
    const { main, refresh, identity } = api.stores.pools;
    for (const pool of [main, refresh, identity]) watch(pool, ['query', 'connect'], 'postgres');
    const { redis } = api.stores;
    watch(
      redis,
      ['get', 'getMany', 'set', 'setMany', 'setIfAbsent', 'delete', 'getAndDelete', 'increment', 'append'],
      'redis',
    );
    const tokens = [access_token, 'rubbish'];
    for (let turn = 0; turn < 5; turn += 1) {
      await validate(harness, access_token);
      await validate(harness, access_token, {
        audience: API_URL,
        required_scope: 'openid',
        context: { ip: '192.0.2.1' },
      });
      await validate(harness, `${access_token.slice(0, -4)}AAAA`);
      await validate(harness, 'rubbish');
      await send(api.url, 'POST', '/v1/tokens/validate', { bearer: access_token });
      await send(api.url, 'POST', '/v1/tokens/validate-batch', { json: { tokens } });
      await introspect(harness, access_token);
    }
    expect(commands).toEqual([]);
    // The interception itself works.
    await byId(harness, access_token);
    await send(api.url, 'GET', '/v1/tokens/stats', { basic: client });
    expect(commands).toEqual(expect.arrayContaining(['redis.getMany', 'postgres.connect']));
    for (const undo of restore) undo();
  });

  test('on the wire: 500 validations send no more than an idle copy, the limiter’s connection included', async () => {
    const limited = await harnessOfTest({ RATE_LIMIT_PROFILE: 'default' });
    const { access_token } = (await issue(limited)).body;
    await validate(limited, access_token);
    const sent = (): number => limited.postgres.messages() + limited.redis.messages();
    /** Messages of the poll, the heartbeats and other background work, while `work` runs. */
    const during = async (work: () => Promise<unknown>): Promise<number> => {
      const before = sent();
      await work();
      return sent() - before;
    };
    const startMs = performance.now();
    const validating = await during(async () => {
      // One after the other: messages of several requests must not arrive as one.
      for (let count = 0; count < 500; count += 1)
        expect((await validate(limited, access_token)).body.active).toBe(true);
    });
    const tookMs = performance.now() - startMs;
    const idle = await during(() => sleep(tookMs));
    // One command for ten validations would be 50 more.
    expect(validating).toBeLessThan(2 * idle + 50);
    // The counting itself works: each of these requests does send something.
    expect(
      await during(async () => {
        for (let count = 0; count < 50; count += 1) await byId(limited, access_token);
      }),
    ).toBeGreaterThanOrEqual(50);
  });

  test('Redis emptied: a revoked token stays revoked, ids are unknown, tokens are still validated', async () => {
    const [dead, live] = [(await issue(harness)).body, (await issue(harness)).body];
    await revoke(harness, { token: dead.access_token });
    const { Redis } = await import('ioredis');
    const admin = new Redis(harness.redis.url);
    await admin.flushdb();
    admin.disconnect();
    expect((await validate(harness, dead.access_token)).body).toEqual({ active: false, reason: 'revoked' });
    expect((await validate(harness, live.access_token)).body.active).toBe(true);
    const ids = [dead, live].map(({ access_token }) => decodeJwt(access_token).jti);
    const batch = await validateIds(harness, ids);
    expect(batch.body.results).toEqual([
      { active: false, reason: 'revoked' },
      { active: false, reason: 'unknown_id' },
    ]);
  });

  test('without Redis, issuing, validating, refreshing and revoking work; only lookups by id are 503, with a code', async () => {
    const { api } = harness;
    const before = (await issue(harness)).body;
    await harness.redis.cut();
    const pair = await issue(harness);
    expect(pair.status).toBe(201);
    expect((await credentials(harness)).status).toBe(200);
    expect((await validate(harness, pair.body.access_token)).body.active).toBe(true);
    expect((await refresh(harness, pair.body.refresh_token)).status).toBe(200);
    expect((await revoke(harness, { token: before.access_token })).status).toBe(200);
    expect((await validate(harness, before.access_token)).body).toEqual({ active: false, reason: 'revoked' });
    const { jti } = decodeJwt(pair.body.access_token);
    const askedById = [await validateIds(harness, [jti]), await byId(harness, pair.body.access_token)];
    for (const { status, body, headers } of askedById) {
      expect([status, body.code]).toEqual([503, 'token_metadata_unavailable']);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    await harness.redis.restore();
    await eventually('Redis to be ready again', () => api.stores.redis.isReady());
    const known = await issue(harness);
    expect((await byId(harness, known.body.access_token)).status).toBe(200);
  });

  test('without Postgres, nothing is issued, revoked or, past the bound, validated; each answer is 503 with a code; then everything recovers', async () => {
    const { api, client } = harness;
    const pair = (await issue(harness)).body;
    const issued = () =>
      harness.rows`SELECT count(*) FROM audit_outbox WHERE type IN ('token.issued', 'token.family_created')`;
    const rows = await issued();
    await harness.postgres.cut();
    const user = { basic: client, json: { user_id: 'any-user' } };
    const refused = await Promise.all([
      send(api.url, 'POST', '/v1/tokens', user),
      credentials(harness),
      revoke(harness, { token: pair.access_token }),
      refresh(harness, pair.refresh_token),
      introspect(harness, pair.refresh_token),
      send(api.url, 'GET', '/v1/tokens/stats', { basic: client }),
    ]);
    for (const { status, body, headers } of refused) {
      // Issuing is refused without a query once the poll has lost its connection too.
      expect([status, ['store_unavailable', 'revocation_state_stale'].includes(body.code)]).toEqual([503, true]);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    await expect
      .poll(async () => (await validate(harness, pair.access_token)).body.code, { timeout: 15_000 })
      .toBe('revocation_state_stale');
    const stale = await validate(harness, pair.access_token);
    expect([stale.status, stale.headers.has('retry-after')]).toEqual([503, true]);
    const bearer = pair.access_token;
    expect((await send(api.url, 'GET', '/v1/tokens/stats', { bearer })).status).toBe(503);
    await harness.postgres.restore();
    await expect
      .poll(async () => (await validate(harness, pair.access_token)).body.active, { timeout: 15_000 })
      .toBe(true);
    expect(await issued()).toEqual(rows);
    // The refused refresh rotated nothing, or its own retry gets the result.
    expect((await refresh(harness, pair.refresh_token)).status).toBe(200);
  });
});

describe('switches over HTTP', () => {
  test('replay detection on: a token id in another context is refused; without Redis the answer is 503', async () => {
    const harness = await harnessOfTest({ VALIDATE_REPLAY_PROTECTION: 'true' });
    const { access_token } = (await issue(harness)).body;
    const ask = (ip: string) => validate(harness, access_token, { context: { ip, user_agent: 'a' } });
    /** On a busy machine Redis may miss its deadline, and the answer is 503 then too. */
    const from = async (ip: string): ReturnType<typeof ask> => {
      const answer = await ask(ip);
      return answer.status === 503 ? from(ip) : answer;
    };
    expect((await from('192.0.2.1')).body.active).toBe(true);
    expect((await from('192.0.2.1')).body.active).toBe(true);
    expect((await from('192.0.2.2')).body).toEqual({ active: false, reason: 'binding_mismatch' });
    expect((await validate(harness, access_token)).body.active).toBe(true);
    await harness.redis.cut();
    const without = await ask('192.0.2.1');
    expect([without.status, without.body.code, without.headers.has('retry-after')]).toEqual([
      503,
      'replay_store_unavailable',
      true,
    ]);
  });

  test('address and agent binding on: the token carries hashes of both and is refused from elsewhere', async () => {
    const harness = await harnessOfTest({ ENABLE_IP_VALIDATION: 'true', ENABLE_USER_AGENT_VALIDATION: 'true' });
    const { access_token } = (await issue(harness, { 'user-agent': 'browser/1' })).body;
    const { bip, bua } = decodeJwt(access_token);
    expect([bip, bua]).toEqual([expect.stringMatching(/^1\.[\w-]{22}$/), expect.stringMatching(/^1\.[\w-]{22}$/)]);
    const context = { ip: '127.0.0.1', user_agent: 'browser/1' };
    expect((await validate(harness, access_token, { context })).body.active).toBe(true);
    for (const other of [
      { ...context, ip: '192.0.2.9' },
      { ...context, user_agent: 'robot' },
    ])
      expect((await validate(harness, access_token, { context: other })).body.reason).toBe('binding_mismatch');
    const stats = (agent: string) =>
      send(harness.api.url, 'GET', '/v1/tokens/stats', { bearer: access_token, headers: { 'user-agent': agent } });
    expect((await stats('browser/1')).status).toBe(403);
    expect((await stats('robot')).status).toBe(401);
  });
});

describe('algorithms', () => {
  test.each([
    ['ES256', {}],
    ['EdDSA', {}],
    ['HS256', { JWT_SECRET: 'a shared secret of more than 32 bytes, for tests' }],
  ] as const)('%s: tokens of every grant are issued, validated, refreshed and revoked', async (alg, env) => {
    const harness = await harnessOfTest({ JWT_ALGORITHM: alg, ...env });
    const pair = (await issue(harness)).body;
    const own = (await credentials(harness)).body;
    const refreshed = (await refresh(harness, pair.refresh_token)).body;
    for (const { access_token } of [pair, own, refreshed]) {
      expect(decodeProtectedHeader(access_token)).toMatchObject({ alg, typ: 'at+jwt' });
      for (let use = 0; use < 3; use += 1) expect((await validate(harness, access_token)).body.active).toBe(true);
      expect((await validate(harness, `${access_token.slice(0, -8)}AAAAAAAA`)).body.active).toBe(false);
      await revoke(harness, { token: access_token });
      expect((await validate(harness, access_token)).body).toEqual({ active: false, reason: 'revoked' });
    }
    const jwks = (await send(harness.api.url, 'GET', '/.well-known/jwks.json')).body;
    if (alg === 'HS256') expect(JSON.stringify(jwks)).not.toMatch(/oct|HS256/);
  });
});
