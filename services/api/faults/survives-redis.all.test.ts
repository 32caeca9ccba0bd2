// About: services/platform/redis/ services/core/revocations/

import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import {
  claimsIn,
  clientToken,
  issueFor,
  refresh,
  revoke,
  signIn,
  signUp,
  untilVerdict,
  verdictOn,
} from '#tools/testing/flows/flows.ts';
import { asPromised } from '#tools/testing/harness/busy-machine.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { startProduct } from '#tools/testing/harness/product.ts';
import { expectProblem, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { startOwnStores } from '#tools/testing/processes/own-stores.ts';

asPromised();

const stores = opened(startOwnStores);
const product = opened(() => startProduct({ stores, env: { REFRESH_GRACE_SECONDS: '60' } }));

type Dead = {
  readonly token: string;
  readonly refreshToken?: string;
  readonly cookie?: string;
  readonly reason: string;
};
type Living = { readonly token: string; readonly refreshToken: string; readonly cookie: string };

/** One session, token or client of each kind, revoked, and one of each kind that stays valid. */
async function livesAndDeaths(): Promise<{ dead: Dead[]; living: Living }> {
  const person = await signUp(product);
  const session = await signIn(product, person);
  const [byToken, byFamily, reused] = await Promise.all([1, 2, 3].map(() => issueFor(product, person.id)));
  await revoke(product, { token: byToken!.access_token });
  await revoke(product, { family_id: claimsIn(byFamily!.access_token).fid });
  await send(product.api, 'POST', '/api/auth/signout', { cookie: session.cookie, headers: { origin: product.api } });
  const second = (await refresh(product, reused!.refresh_token)).body;
  await refresh(product, second.refresh_token);
  await refresh(product, reused!.refresh_token);
  const other = await signUp(product);
  await revoke(product, { user_id: other.id });
  const dead: Dead[] = [
    { token: byToken!.access_token, reason: 'revoked' },
    { token: byFamily!.access_token, refreshToken: byFamily!.refresh_token, reason: 'revoked' },
    {
      token: session.tokens.access_token,
      refreshToken: session.tokens.refresh_token,
      cookie: session.cookie,
      reason: 'session_ended',
    },
    { token: second.access_token, refreshToken: second.refresh_token, reason: 'family_reused' },
    { token: other.tokens.access_token, refreshToken: other.tokens.refresh_token, reason: 'revoked' },
  ];
  for (const { token, reason } of dead) await untilVerdict(product, token, reason);
  return {
    dead,
    living: { token: person.tokens.access_token, refreshToken: person.tokens.refresh_token, cookie: person.cookie },
  };
}

async function expectNothingRevives(dead: readonly Dead[]): Promise<void> {
  for (const { token, refreshToken, cookie, reason } of dead) {
    expect(await verdictOn(product, token)).toBe(reason);
    expect((await send(product.api, 'GET', '/v1/tokens/stats', { bearer: token })).status).toBe(401);
    if (refreshToken) expect((await refresh(product, refreshToken)).status).toBe(401);
    if (cookie) expect((await send(product.api, 'GET', '/api/auth/session', { cookie })).status).toBe(401);
  }
}

/** Every request that works without Redis, with its answer. */
async function expectLifeGoesOn({ token, refreshToken, cookie }: Living): Promise<void> {
  expect(await verdictOn(product, token)).toBe('active');
  expect((await send(product.api, 'GET', '/api/auth/session', { cookie })).status).toBe(200);
  const next = await refresh(product, refreshToken);
  expect(next.status).toBe(200);
  expect(await verdictOn(product, next.body.access_token)).toBe('active');
  expect(await verdictOn(product, await clientToken(product))).toBe('active');
  const person = await signIn(product, product.credentials.user);
  const pair = await issueFor(product, person.id);
  const introspected = await send(product.api, 'POST', '/oauth2/introspect', {
    basic: product.credentials.client,
    form: { token: pair.access_token },
  });
  expect(introspected.body.active).toBe(true);
  expect((await revoke(product, { token: pair.access_token })).status).toBe(200);
  await untilVerdict(product, pair.access_token, 'revoked');
  const out = await send(product.api, 'POST', '/api/auth/signout', {
    cookie: person.cookie,
    headers: { origin: product.api },
  });
  expect(out.status).toBe(200);
  await untilVerdict(product, person.tokens.access_token, 'session_ended');
  expect((await send(product.api, 'GET', '/api/auth/session', { cookie: person.cookie })).status).toBe(401);
  expect((await send(product.api, 'GET', '/v1/revocations', { basic: product.credentials.client })).status).toBe(200);
}

/** A request under its own trace id, and the audit event that its answer guarantees. */
async function eventsUnderTraces(): Promise<Map<string, string>> {
  const { api, credentials } = product;
  const basic = credentials.client;
  const pair = await issueFor(product, (await signIn(product, credentials.user)).id);
  const ask: Record<string, (headers: Record<string, string>) => Promise<Received>> = {
    'user.login': (headers) => send(api, 'POST', '/api/auth/signin', { json: credentials.user, headers }),
    'token.issued': (headers) =>
      send(api, 'POST', '/oauth2/token', { basic, form: { grant_type: 'client_credentials' }, headers }),
    'token.revoked': (headers) =>
      send(api, 'POST', '/v1/tokens/revoke', { basic, json: { token: pair.access_token, reason: 'test' }, headers }),
  };
  const asked = new Map<string, string>();
  for (const [type, work] of Object.entries(ask)) {
    const traceId = randomBytes(16).toString('hex');
    const answer = await work({ traceparent: `00-${traceId}-00f067aa0ba902b7-00` });
    expect(answer.status, answer.text).toBe(200);
    asked.set(traceId, type);
  }
  return asked;
}

test('FLUSHALL makes no revoked token valid and interrupts nothing', async () => {
  const { dead, living } = await livesAndDeaths();
  const redis = new Redis(product.credentials.redis_url);
  const before = await redis.dbsize();
  expect(before).toBeGreaterThan(0);
  await redis.flushall();
  await redis.quit();
  await expectNothingRevives(dead);
  await expectLifeGoesOn(living);
  await expectNothingRevives(dead);
});

describe('Redis gone', () => {
  test('without Redis no revoked token becomes valid, everything except metadata works, and readiness reports redis degraded; its return changes none of this', async () => {
    const { dead, living } = await livesAndDeaths();
    await stores.end('redis', 'SIGKILL');
    const degraded = await eventually('redis to be degraded', async () => {
      const answer = await send(product.api, 'GET', '/readyz');
      return answer.body.components.redis === 'degraded' && answer;
    });
    expect([degraded.status, degraded.body.status]).toEqual([200, 'ready']);
    await expectNothingRevives(dead);
    await expectLifeGoesOn(living);
    const basic = product.credentials.client;
    const metadata = await send(product.api, 'GET', `/v1/tokens/${claimsIn(living.token).jti}`, { basic });
    expectProblem(metadata, 503, 'token_metadata_unavailable');
    const batch = await send(product.api, 'POST', '/v1/tokens/validate-batch', { basic, json: { token_ids: ['x'] } });
    expectProblem(batch, 503, 'token_metadata_unavailable');
    const during = await eventsUnderTraces();
    // Revoked while Redis was unreachable.
    const late = await signIn(product, product.credentials.user);
    expect((await send(product.api, 'GET', '/api/auth/session', { cookie: late.cookie })).status).toBe(200);
    await send(product.api, 'POST', '/api/auth/signout', { cookie: late.cookie, headers: { origin: product.api } });
    await untilVerdict(product, late.tokens.access_token, 'session_ended');
    // A missing store is a state, not a stream of log lines: the API and the worker each log it once.
    for (const line of [/redis is unreachable; continuing without it/g, /redis is unreachable; jobs wait/g]) {
      const said = await eventually(`${line.source} in the log`, () => product.output().match(line) ?? undefined);
      expect(said).toHaveLength(1);
    }

    await stores.revive('redis');
    await eventually('redis to be back', async () => {
      const { body } = await send(product.api, 'GET', '/readyz');
      return body.components.redis === 'ok';
    });
    // No job could be enqueued meanwhile: the outbox kept every event and lost none.
    await eventually('every event of the outage to be sealed', async () => {
      const left = await queryRows(product.credentials.database_url)`SELECT 1 FROM audit_outbox WHERE seq IS NULL`;
      return left.length === 0;
    });
    const found = await queryRows(product.credentials.database_url)<{ trace_id: string; type: string }>`SELECT trace_id,
      type FROM audit_events WHERE trace_id = ANY (${[...during.keys()]}) AND type = ANY (${[...during.values()]})`;
    expect(new Map(found.map(({ trace_id, type }) => [trace_id, type]))).toEqual(during);
    expect(found).toHaveLength(during.size);
    await expectNothingRevives(dead);
    expect((await send(product.api, 'GET', '/api/auth/session', { cookie: late.cookie })).status).toBe(401);
    expect(await verdictOn(product, late.tokens.access_token)).toBe('session_ended');
    const pair = await issueFor(product, late.id);
    await eventually('metadata again', async () => {
      const answer = await send(product.api, 'GET', `/v1/tokens/${claimsIn(pair.access_token).jti}`, { basic });
      return answer.status === 200;
    });
  });
});
